/**
 * What a usage record keeps of what the caller said: the metadata of the request, and, where content logging is switched
 * on, prompt and answer as text.
 *
 * Both are bounded, so that no caller decides how large a record is: metadata that is too long is left out and marked,
 * texts are cut. Pictures, files and other data are named, never kept. It acts when a call is settled.
 */
import type { Completion } from "./Reply.ts"
import type { ContentPart, Message, Request } from "./Request.ts"
import { type ReplayBody, replayOf } from "./UsageReplay.ts"

/** Bytes of JSON that metadata may have. */
export const metadataBytesMax = 4096
/** Characters of a prompt, and of an answer. */
export const contentLengthMax = 32_768

export type Metadata = { readonly [name: string]: unknown }

export interface UsageContent {
  readonly prompt: string
  readonly answer: string
  /** What was asked, as a body to send again; absent from older records. */
  readonly request?: ReplayBody | null
}

/** `x-millrace-metadata` or the `metadata` of a request, else that of the body in its own dialect; null without any. */
export const metadataOf = ({ metadata, wire }: Pick<Request, "metadata" | "wire">): Metadata | null => {
  const given = metadata ?? wire?.body["metadata"]
  if (given === undefined || given === null || typeof given !== "object" || Array.isArray(given)) return null
  const json = JSON.stringify(given)
  if (json === "{}") return null
  const bytes = Buffer.byteLength(json)
  return bytes <= metadataBytesMax ? (given as Metadata) : { "millrace.dropped": `${bytes} bytes` }
}

/** Prompt and answer as text; null for a call that has neither. */
export const contentOf = (
  request: Pick<Request, keyof Parameters<typeof replayOf>[0]>,
  completion: Completion | undefined
): UsageContent | null => {
  const prompt = joined(promptTexts(request))
  const answer = joined(answerTexts(completion))
  return prompt === "" && answer === "" ? null : { prompt, answer, request: replayOf(request) }
}

function* promptTexts({
  embed,
  messages
}: Pick<Request, "messages"> & Partial<Pick<Request, "embed">>): Iterable<string> {
  if (embed !== undefined) yield* embed.input
  for (const message of messages) yield* messageTexts(message)
}

function* messageTexts({ content, role }: Message): Iterable<string> {
  if (typeof content === "string") yield `${role}: ${content}`
  else for (const part of content) yield `${role}: ${partText(part)}`
}

function* answerTexts(completion: Completion | undefined): Iterable<string> {
  for (const block of completion?.content ?? []) {
    yield block.type === "tool-call" ? callText(block) : block.text
  }
}

const partText = (part: ContentPart): string => {
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text
    case "tool-call":
      return callText(part)
    case "tool-result":
      return typeof part.content === "string" ? part.content : part.content.map(partText).join("\n")
    case "image":
      return "[image]"
    case "file":
      return `[file${part.filename === undefined ? "" : ` ${part.filename}`}]`
  }
}

const callText = ({ arguments: given, name }: { readonly name: string; readonly arguments: string }): string =>
  `[call ${name} ${given}]`

/** One after the other until there is enough; a text that is cut ends with a mark. */
const joined = (texts: Iterable<string>): string => {
  let text = ""
  for (const each of texts) {
    text += text === "" ? each : `\n${each}`
    if (text.length > contentLengthMax) return `${text.slice(0, contentLengthMax - 1).toWellFormed()}…`
  }
  return text.toWellFormed()
}
