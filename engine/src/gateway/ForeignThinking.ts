/**
 * Takes thinking that another provider signed, or none, out of an Anthropic body: Anthropic would refuse all of it.
 */
import { isObject, stringOr } from "../protocols/Json.ts"
import type { JsonBody } from "./BodySchema.ts"
import { isForeign } from "./CarriedSignatures.ts"

/** The body as an Anthropic upstream takes it, and the paths that it lacks. The body itself when nothing is to be done. */
export const withoutForeign = (
  body: JsonBody,
  signed: boolean
): { readonly body: JsonBody; readonly dropped?: ReadonlyArray<string> } => {
  const { messages } = body
  if (!signed || !Array.isArray(messages)) return { body }
  const dropped: Array<string> = []
  const kept = (messages as ReadonlyArray<unknown>).flatMap((message, index) => {
    if (!isObject(message) || !Array.isArray(message["content"])) return [message]
    const blocks = message["content"] as ReadonlyArray<unknown>
    const content = blocks.filter((block, at) => {
      if (!isForeignBlock(block)) return true
      dropped.push(`messages[${index}].content[${at}]`)
      return false
    })
    return content.length === blocks.length ? [message] : content.length === 0 ? [] : [{ ...message, content }]
  })
  return dropped.length === 0 ? { body } : { body: { ...body, messages: kept }, dropped }
}

const isForeignBlock = (block: unknown): boolean => {
  if (!isObject(block)) return false
  if (block["type"] === "redacted_thinking") return stringOr(block["data"], "").startsWith("{")
  return block["type"] === "thinking" && isForeign("anthropic-messages", stringOr(block["signature"], ""))
}
