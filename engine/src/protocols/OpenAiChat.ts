/**
 * OpenAI Chat Completions as upstream, for OpenAI and for every server that is compatible with it.
 *
 * Deviations that are read: usage in a chunk without choices, in the last delta, in a choice or in `x_groq`; content as
 * an array of parts; reasoning in `reasoning_content`, `reasoning` or `reasoning_details`; parallel tool calls that
 * share an index and differ by id; a missing `[DONE]`; errors inside a 200 and inside a stream. With `n > 1` the parts
 * are those of choice 0; what has no canonical form is noted by name. The terminal event is `[DONE]`, or the end of the body once a finish reason has come. A tool call
 * without an id gets one made from the response's id.
 *
 * Citations are read from `annotations` and from lists beside the answer (`citations`, `search_results`: Perplexity, xAI).
 */
import { Predicate, type Result } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Completion, Dialect, FinishReason, Part } from "../Reply.ts"
import { ListedSources, readAnnotations } from "./CitationReader.ts"
import { isObject, type JsonObject, jsonText, parseJson, stringOr } from "./Json.ts"
import { LeftOut } from "./LeftOut.ts"
import { fromChoice } from "./Logprobs.ts"
import { ToolCalls } from "./OpenAiChatCalls.ts"
import { defaultBaseUrl, encode } from "./OpenAiChatRequest.ts"
import { withEmbeddings } from "./OpenAiEmbeddings.ts"
import { chatUsage } from "./OpenAiUsage.ts"
import type { Endpoint, Protocol, SseEvent, StreamDecoder, StreamOptions, WholeOptions } from "./Protocol.ts"
import * as UpstreamErrors from "./UpstreamErrors.ts"
import { decodeAnswer } from "./WholeAnswer.ts"

/** Chat Completions, or its elder: legacy completions differ in the request and have `text` where chat has a message. */
export const chatProtocol = (dialect: Dialect, encode: Protocol["encode"]): Protocol => ({
  dialect,
  defaultBaseUrl,
  encode,
  decodeWhole: (body, endpoint, options) => decodeWhole(dialect, body, endpoint, options),
  decodeError: UpstreamErrors.fromResponse,
  decodeStream: (endpoint, options) => new ChatStream(dialect, endpoint, options)
})

export const openAiChat: Protocol = withEmbeddings(chatProtocol("openai-chat", encode))

const decodeWhole = (
  dialect: Dialect,
  body: string,
  endpoint: Endpoint,
  options: WholeOptions | undefined
): Result.Result<Completion, EngineError> =>
  decodeAnswer(dialect, body, endpoint, options, (answer, out) => readAnswer(dialect, answer, endpoint, out))

const readAnswer = (
  dialect: Dialect,
  answer: JsonObject,
  endpoint: Endpoint,
  out: Array<Part>
): EngineError | undefined => {
  const choice = firstChoice(answer["choices"]) ?? onlyChoice(answer["choices"])
  const failed = errorIn(answer, choice)
  if (failed !== undefined) return UpstreamErrors.fromPayload(failed, endpoint, 200)
  if (choice === undefined) return UpstreamErrors.invalidResponse(endpoint, "JSON without choices", 200)
  const id = stringOr(answer["id"], "")
  out.push({ type: "start", id, model: stringOr(answer["model"], endpoint.model) })
  const message = choice["message"] ?? choice["delta"] ?? legacyDelta(choice)
  const sources = new ListedSources()
  sources.note(answer)
  const leftOut = new LeftOut()
  leftOut.noteChoices(answer["choices"], choice)
  const refused = isObject(message) && decodeMessage(message, new ToolCalls(false), id, leftOut, out)
  decodeBeside(choice, message, dialect, sources, out)
  sources.end(out)
  const raw = choice["finish_reason"]
  out.push({
    type: "finish",
    finishReason: finishReasonOf(raw, refused),
    rawFinishReason: Predicate.isString(raw) ? raw : undefined,
    usage: chatUsage(answer["usage"] ?? groqUsage(answer), {
      tier: answer["service_tier"],
      asked: endpoint.serviceTier
    }),
    ...leftOut.field()
  })
  return undefined
}

/** The payload of an error that came where an answer was due. */
const errorIn = (answer: JsonObject, choice: JsonObject | undefined): unknown => {
  if (UpstreamErrors.isStated(answer["error"]) || answer["object"] === "error") return answer
  if (choice !== undefined) return UpstreamErrors.isStated(choice["error"]) ? choice : undefined
  if (answer["choices"] === undefined && UpstreamErrors.isFailure(answer)) return answer
  const groq = answer["x_groq"]
  return isObject(groq) && UpstreamErrors.isStated(groq["error"]) ? groq : undefined
}

/** Decodes the chunks of one stream. */
class ChatStream implements StreamDecoder {
  private readonly dialect: Dialect
  private readonly endpoint: Endpoint
  private readonly wire: boolean
  private readonly tools = new ToolCalls(true)
  private readonly sources = new ListedSources()
  private readonly leftOut = new LeftOut()
  /** What came before the first content; undefined once content has come. */
  private held: Array<Part> | undefined = []
  private started = false
  private answering = false
  private done = false
  private id = ""
  private rawFinish: string | undefined = undefined
  private refused = false
  private usage: unknown = undefined
  private tier: unknown = undefined

  constructor(dialect: Dialect, endpoint: Endpoint, options: StreamOptions | undefined) {
    this.dialect = dialect
    this.endpoint = endpoint
    this.wire = options?.wire === true
  }

  event(event: SseEvent, out: Array<Part>): EngineError | undefined {
    if (this.done) return undefined
    const data = event.data
    if (data.startsWith("[DONE]")) return this.finish(out)
    const chunk = parseJson(data)
    if (!isObject(chunk)) return chunk === undefined || event.event === "error" ? this.unreadable(event) : undefined
    const choices = chunk["choices"]
    const choice = firstChoice(choices)
    const failed = event.event === "error" ? chunk : errorIn(chunk, choice)
    if (failed !== undefined) return this.fail(UpstreamErrors.fromPayload(failed, this.endpoint))
    if (this.wire) this.pass(event, choices, chunk["usage"], out)
    const usage = chunk["usage"] ?? groqUsage(chunk)
    if (isObject(usage)) this.usage = usage
    this.tier = chunk["service_tier"] ?? this.tier
    this.sources.note(chunk)
    this.leftOut.noteChoices(choices, choice)
    if (!this.started) this.start(chunk, choice)
    if (choice !== undefined) this.decodeChoice(choice, out)
    return undefined
  }

  end(out: Array<Part>): EngineError | undefined {
    if (this.done) return undefined
    if (this.rawFinish !== undefined) return this.finish(out)
    return this.fail(UpstreamErrors.streamTruncated(this.endpoint, "no finish_reason came"))
  }

  private start(chunk: JsonObject, choice: JsonObject | undefined): void {
    const id = stringOr(chunk["id"], "")
    if (id === "" && choice === undefined) return
    this.started = true
    this.id = id
    this.held?.push({ type: "start", id, model: stringOr(chunk["model"], this.endpoint.model) })
  }

  private decodeChoice(choice: JsonObject, out: Array<Part>): void {
    this.answering = true
    const delta = choice["delta"] ?? legacyDelta(choice) ?? (this.held === undefined ? undefined : choice["message"])
    const before = out.length
    if (isObject(delta) && decodeMessage(delta, this.tools, this.id, this.leftOut, out)) this.refused = true
    decodeBeside(choice, delta, this.dialect, this.sources, out)
    if (out.length > before && this.held !== undefined) {
      out.splice(before, 0, ...this.held)
      this.held = undefined
    }
    const usage = choice["usage"]
    if (isObject(usage)) this.usage = usage
    const reason = choice["finish_reason"]
    if (Predicate.isString(reason) && reason !== "") this.rawFinish = reason
  }

  private pass(event: SseEvent, choices: unknown, usage: unknown, out: Array<Part>): void {
    const sink = this.held ?? out
    const part = { type: "wire", dialect: this.dialect, event: event.event, data: event.data } as const
    const usageOnly = isObject(usage) && Array.isArray(choices) && choices.length === 0
    sink.push(usageOnly ? { ...part, usageOnly } : part)
  }

  private finish(out: Array<Part>): EngineError | undefined {
    if (!this.answering) return this.fail(UpstreamErrors.streamTruncated(this.endpoint, "no choice came"))
    this.done = true
    if (this.held !== undefined) out.push(...this.held)
    this.sources.end(out)
    out.push({
      type: "finish",
      finishReason: finishReasonOf(this.rawFinish, this.refused),
      rawFinishReason: this.rawFinish,
      usage: chatUsage(this.usage, { tier: this.tier, asked: this.endpoint.serviceTier }),
      ...this.leftOut.field()
    })
    return undefined
  }

  private unreadable(event: SseEvent): EngineError {
    return this.fail(
      event.event === "error"
        ? UpstreamErrors.fromPayload(event.data, this.endpoint)
        : UpstreamErrors.invalidResponse(this.endpoint, "an event that is not valid JSON")
    )
  }

  private fail(error: EngineError): EngineError {
    this.done = true
    return error
  }
}

/** The text of a legacy completion as what a message would say. */
const legacyDelta = (choice: JsonObject): JsonObject | undefined =>
  Predicate.isString(choice["text"]) ? { content: choice["text"] } : undefined

/** Appends what a choice says about its text: log probabilities and sources. */
const decodeBeside = (
  choice: JsonObject,
  message: unknown,
  dialect: Dialect,
  sources: ListedSources,
  out: Array<Part>
): void => {
  const logprobs = fromChoice(choice["logprobs"])
  if (logprobs.length > 0) out.push({ type: "logprobs", logprobs })
  const annotations = isObject(message) ? message["annotations"] : undefined
  if (annotations !== undefined) sources.named(readAnnotations(annotations, dialect, out))
}

/** Appends the parts of a message or a delta. True when it holds a refusal. */
const decodeMessage = (
  message: JsonObject,
  tools: ToolCalls,
  id: string,
  leftOut: LeftOut,
  out: Array<Part>
): boolean => {
  decodeReasoning(message, out)
  if (hasText(message["audio"])) leftOut.note("audio")
  if (hasSome(message["images"])) leftOut.note("image")
  if (hasText(message["function_call"]) || hasSome(message["executed_tools"])) leftOut.note("other")
  const content = message["content"]
  if (Predicate.isString(content)) {
    if (content !== "") out.push({ type: "text", text: content })
  } else if (Array.isArray(content)) decodeContentParts(content, leftOut, out)
  const calls = message["tool_calls"]
  if (Array.isArray(calls)) for (const call of calls) if (isObject(call)) tools.decode(call, id, out)
  const refusal = message["refusal"]
  if (!Predicate.isString(refusal) || refusal === "") return false
  out.push({ type: "refusal", text: refusal })
  return true
}

const decodeReasoning = (message: JsonObject, out: Array<Part>): void => {
  const text = stringOr(message["reasoning_content"], "") || stringOr(message["reasoning"], "")
  if (text !== "") out.push({ type: "reasoning", text })
  const details = message["reasoning_details"]
  if (!Array.isArray(details)) return
  for (const detail of details as ReadonlyArray<unknown>) {
    if (!isObject(detail)) continue
    if (text === "") {
      const own = stringOr(detail["text"], "") || stringOr(detail["summary"], "")
      if (own !== "") out.push({ type: "reasoning", text: own })
    }
    const signature = stringOr(detail["signature"], "")
    if (signature !== "") out.push({ type: "reasoning", text: "", signature })
    if (stringOr(detail["data"], "") !== "") {
      out.push({ type: "reasoning", text: "", redacted: jsonText(detail) ?? "" })
    }
  }
}

/** Content as parts, as Mistral sends it: text, and thinking that holds text parts of its own. */
const decodeContentParts = (parts: ReadonlyArray<unknown>, leftOut: LeftOut, out: Array<Part>): void => {
  for (const part of parts) {
    if (Predicate.isString(part)) out.push({ type: "text", text: part })
    if (!isObject(part)) continue
    const text = stringOr(part["text"], "")
    const thinking = part["thinking"]
    if (part["type"] === "thinking") {
      const thought = Array.isArray(thinking) ? thinking.map(textOfPart).join("") : stringOr(thinking, "")
      if (thought !== "") out.push({ type: "reasoning", text: thought })
    } else if (part["type"] === "refusal") {
      const refusal = stringOr(part["refusal"], "")
      if (refusal !== "") out.push({ type: "refusal", text: refusal })
    } else if (text !== "") out.push({ type: "text", text })
    else if (Predicate.isString(part["type"]) && part["type"] !== "text") leftOut.noteItem(part["type"])
  }
}

/** Whether an object says anything; some servers send all fields of a message, empty. */
const hasText = (value: unknown): boolean =>
  isObject(value) && Object.values(value).some((field) => Predicate.isString(field) && field !== "")

const hasSome = (list: unknown): boolean => Array.isArray(list) && list.length > 0

const textOfPart = (part: unknown): string => (isObject(part) ? stringOr(part["text"], "") : stringOr(part, ""))

const firstChoice = (choices: unknown): JsonObject | undefined => {
  if (!Array.isArray(choices)) return undefined
  for (const choice of choices as ReadonlyArray<unknown>) {
    if (isObject(choice) && (choice["index"] === 0 || !Predicate.isNumber(choice["index"]))) return choice
  }
  return undefined
}

/** The choice of a server that counts from 1. */
const onlyChoice = (choices: unknown): JsonObject | undefined =>
  Array.isArray(choices) && choices.length === 1 && isObject(choices[0]) ? choices[0] : undefined

const finishReasonOf = (raw: unknown, refused: boolean): FinishReason => {
  switch (raw) {
    case "stop":
      return refused ? "content-filter" : "stop"
    case "length":
    case "model_length":
      return "length"
    case "tool_calls":
    case "function_call":
      return "tool-calls"
    case "content_filter":
      return "content-filter"
    case "error":
      return "error"
    default:
      return "other"
  }
}

const groqUsage = (answer: JsonObject): unknown => {
  const groq = answer["x_groq"]
  return isObject(groq) ? groq["usage"] : undefined
}
