/**
 * Takes signatures that another provider made out of a Gemini body: Gemini would refuse all of it.
 *
 * A thought goes as a whole; a call stays, with the placeholder that Google documents for calls of other models.
 */
import { Predicate } from "effect"
import { isObject } from "../protocols/Json.ts"
import { unknownSignature } from "../protocols/GeminiConversation.ts"
import type { JsonBody } from "./BodySchema.ts"
import { isForeign } from "./CarriedSignatures.ts"

/** The body as a Gemini upstream takes it, and the paths that it lacks; `raw` where nothing is to be done. */
export const withoutForeign = (
  raw: JsonBody,
  body: JsonBody,
  signed: boolean
): { readonly body: JsonBody; readonly dropped?: ReadonlyArray<string> } => {
  const { contents } = body
  if (!signed || !Array.isArray(contents)) return { body: raw }
  const dropped: Array<string> = []
  const kept = (contents as ReadonlyArray<unknown>).map((content, index) => {
    if (!isObject(content) || !Array.isArray(content["parts"])) return content
    const parts = (content["parts"] as ReadonlyArray<unknown>).flatMap((part, at) => {
      const signature = isObject(part) ? part["thoughtSignature"] : undefined
      if (!isObject(part) || !Predicate.isString(signature) || !isForeign("gemini", signature)) return [part]
      dropped.push(`contents[${index}].parts[${at}].thoughtSignature`)
      if (part["functionCall"] !== undefined) return [{ ...part, thoughtSignature: unknownSignature }]
      const { thoughtSignature: _, ...rest } = part
      return part["thought"] === true ? [] : [rest]
    })
    return { ...content, parts }
  })
  return dropped.length === 0 ? { body: raw } : { body: { ...body, contents: kept }, dropped }
}
