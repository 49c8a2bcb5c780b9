/**
 * A request as a body of OpenAI's Chat Completions, so that an operator can send it again; a part of logged content.
 *
 * It is made from the canonical request, whatever dialect it came in, when a call is settled and content logging is on. Texts,
 * tools, format and sampling are in it; pictures, files and signatures are named or left out, and so are fields that are only
 * passed through. One that is too long is not kept at all: half a conversation is none.
 */
import type { ContentPart, Message, Request } from "./Request.ts"

/** A body of Chat Completions; every value is JSON. */
export type ReplayBody = { readonly [field: string]: unknown }

/** Characters of JSON. */
export const replayLengthMax = 32_768

type Replayed = Pick<
  Request,
  | "frequencyPenalty"
  | "maxTokens"
  | "messages"
  | "presencePenalty"
  | "reasoning"
  | "responseFormat"
  | "seed"
  | "stop"
  | "temperature"
  | "toolChoice"
  | "tools"
  | "topP"
> & { readonly embed?: Request["embed"] }

/** Null for embeddings, and for a request that is too long. */
export const replayOf = (request: Replayed): ReplayBody | null => {
  if (request.embed !== undefined || lengthOf(request.messages) > replayLengthMax) return null
  const body = {
    messages: request.messages.flatMap(turnsOf),
    temperature: request.temperature,
    top_p: request.topP,
    max_tokens: request.maxTokens,
    stop: request.stop,
    seed: request.seed,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    reasoning_effort: request.reasoning?.effort,
    tools: request.tools?.map((tool) => ({ type: "function", function: tool })),
    tool_choice:
      typeof request.toolChoice === "object"
        ? { type: "function", function: { name: request.toolChoice.name } }
        : request.toolChoice,
    response_format: formatOf(request.responseFormat)
  }
  const json = JSON.stringify(body).toWellFormed()
  return json.length > replayLengthMax ? null : (JSON.parse(json) as ReplayBody)
}

/** At least the characters that are in messages, so that a long conversation is not copied to be measured. */
const lengthOf = (messages: ReadonlyArray<Message>): number => {
  let length = 0
  for (const { content } of messages) {
    if (typeof content === "string") length += content.length
    else for (const part of content) if (part.type === "text") length += part.text.length
    if (length > replayLengthMax) break
  }
  return length
}

/** A message; each result of a tool is one of its own. */
const turnsOf = ({ content, name, role }: Message): ReadonlyArray<ReplayBody> => {
  const named = name === undefined ? {} : { name }
  if (typeof content === "string") return [{ role, ...named, content }]
  const results = content.flatMap((part) =>
    part.type === "tool-result" ? [{ role: "tool", tool_call_id: part.id, content: resultText(part) }] : []
  )
  const calls = content.flatMap((part) =>
    part.type === "tool-call"
      ? [{ id: part.id, type: "function", function: { name: part.name, arguments: part.arguments } }]
      : []
  )
  const text = textOf(content)
  if (text === "" && calls.length === 0) return results
  const turn = {
    role,
    ...named,
    content: text === "" ? null : text,
    ...(calls.length === 0 ? {} : { tool_calls: calls })
  }
  return [...results, turn]
}

const textOf = (parts: ReadonlyArray<ContentPart>): string =>
  parts
    .flatMap((part) => {
      switch (part.type) {
        case "text":
          return [part.text]
        case "image":
          return ["[image]"]
        case "file":
          return [`[file${part.filename === undefined ? "" : ` ${part.filename}`}]`]
        default:
          return []
      }
    })
    .join("\n")

const resultText = ({ content }: Extract<ContentPart, { readonly type: "tool-result" }>): string =>
  typeof content === "string" ? content : textOf(content)

const formatOf = (format: Request["responseFormat"]): ReplayBody | undefined => {
  switch (format?.type) {
    case undefined:
    case "text":
      return undefined
    case "json":
      return { type: "json_object" }
    case "json-schema": {
      const { description, name = "answer", schema, strict } = format
      return { type: "json_schema", json_schema: { name, description, schema, strict } }
    }
  }
}
