/**
 * Prompts and answers as the GenAI conventions write them on spans: JSON texts of messages with parts.
 *
 * Made only where `telemetry.content` is on. Long texts are cut, and the bytes of images and files are never in it.
 */
import type { Conventions } from "./GenAiNames.ts"
import type { Completion, FinishReason } from "./Reply.ts"
import type { ContentPart, Message } from "./Request.ts"

/** Characters of one part that are kept. */
const partMax = 10_000

type Part = { readonly [name: string]: unknown }

/** `gen_ai.input.messages`. */
export const inputMessages = (messages: ReadonlyArray<Message>): string =>
  JSON.stringify(
    messages.map(({ content, name, role }) => ({
      role,
      parts: typeof content === "string" ? [text(content)] : content.map(partOf),
      ...(name === undefined ? {} : { name })
    }))
  )

/** `gen_ai.output.messages`: one message, for there is one answer. Its finish reason is an attribute of its own in `latest`. */
export const outputMessages = ({ content, finishReason }: Completion, conventions: Conventions): string => {
  const parts = content.map((block): Part => {
    if (block.type === "tool-call")
      return { type: "tool_call", id: block.id, name: block.name, arguments: cut(block.arguments) }
    return block.type === "reasoning" ? { type: "reasoning", content: cut(block.text) } : text(block.text)
  })
  const reason = conventions === "v1.41" ? { finish_reason: finishReasonOf(finishReason) } : {}
  return JSON.stringify([{ role: "assistant", parts, ...reason }])
}

/** The conventions' word for a finish reason. */
export const finishReasonOf = (reason: FinishReason): string =>
  reason === "tool-calls" ? "tool_call" : reason === "content-filter" ? "content_filter" : reason

const text = (content: string): Part => ({ type: "text", content: cut(content) })

const partOf = (part: ContentPart): Part => {
  switch (part.type) {
    case "text":
      return text(part.text)
    case "reasoning":
      return { type: "reasoning", content: cut(part.text) }
    case "tool-call":
      return { type: "tool_call", id: part.id, name: part.name, arguments: cut(part.arguments) }
    case "tool-result":
      return { type: "tool_call_response", id: part.id, response: response(part.content) }
    case "image":
      return media(part.image, "image", part.mediaType)
    case "file":
      return media(part.data, part.mediaType.split("/")[0] ?? "file", part.mediaType)
  }
}

const response = (content: Extract<ContentPart, { readonly type: "tool-result" }>["content"]): unknown =>
  typeof content === "string" ? cut(content) : content.map(partOf)

const media = (source: string, modality: string, mediaType: string | undefined): Part => {
  const known = mediaType === undefined ? {} : { mime_type: mediaType }
  return /^https?:/i.test(source)
    ? { type: "uri", modality, ...known, uri: cut(source) }
    : { type: "blob", modality, ...known, content: "" }
}

const cut = (value: string): string =>
  value.length <= partMax ? value : `${value.slice(0, partMax)}… (${value.length - partMax} more characters)`
