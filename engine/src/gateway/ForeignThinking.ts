/**
 * Takes thinking that another provider signed, or none, out of an Anthropic body, and citations of another's answers:
 * Anthropic would refuse all of it.
 */
import { isObject, stringOr } from "../protocols/Json.ts"
import type { JsonBody } from "./BodySchema.ts"
import { isForeign } from "./CarriedSignatures.ts"
import { isMadeLocation } from "./CitationForms.ts"

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
    const before = dropped.length
    const content = blocks.flatMap((block, at) => {
      const path = `messages[${index}].content[${at}]`
      if (!isForeignBlock(block)) return [withOwnCitations(block, path, dropped)]
      dropped.push(path)
      return []
    })
    return dropped.length === before ? [message] : content.length === 0 ? [] : [{ ...message, content }]
  })
  return dropped.length === 0 ? { body } : { body: { ...body, messages: kept }, dropped }
}

const withOwnCitations = (block: unknown, path: string, dropped: Array<string>): unknown => {
  const citations = isObject(block) && block["type"] === "text" ? block["citations"] : undefined
  if (!Array.isArray(citations)) return block
  const own = (citations as ReadonlyArray<unknown>).filter(
    (location) => !isObject(location) || !isMadeLocation(location)
  )
  if (own.length === citations.length) return block
  dropped.push(`${path}.citations`)
  return { ...(block as object), citations: own.length === 0 ? null : own }
}

const isForeignBlock = (block: unknown): boolean => {
  if (!isObject(block)) return false
  if (block["type"] === "redacted_thinking") return stringOr(block["data"], "").startsWith("{")
  return block["type"] === "thinking" && isForeign("anthropic-messages", stringOr(block["signature"], ""))
}
