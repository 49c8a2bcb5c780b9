/**
 * OpenAI Responses as upstream, for OpenAI and for every server that speaks this API.
 *
 * Text with its annotations and log probabilities, refusals, reasoning (its summary, else its own text) and the client's
 * function and custom tool calls are decoded; items of tools that the provider runs itself and compactions are kept in the
 * wire form, and noted by name. Deltas are what counts; an item that had none is read from its `done` event, and a stream
 * without any from `response.completed`. The terminal event is `response.completed` or `response.incomplete`.
 *
 * The parts of a summary are joined by a line break, as the official SDK does it. A reasoning item with `encrypted_content` gets a signature that
 * holds it together with the item's id, so that it can be given back on the next turn without any state upstream.
 */
import type { Result } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Completion, FinishReason, Part } from "../Reply.ts"
import { readAnnotation } from "./CitationReader.ts"
import { isObject, type JsonObject, parseJson, stringOr } from "./Json.ts"
import { withEmbeddings } from "./OpenAiEmbeddings.ts"
import { defaultBaseUrl, encode } from "./OpenAiResponsesRequest.ts"
import {
  decodeItems,
  decodeLogprobs,
  decodeMessage,
  decodeReasoning,
  isCall,
  listOf,
  noteItem,
  nothingSeen,
  openedCall,
  type Seen,
  separator,
  textPart,
  writtenIn
} from "./OpenAiResponsesItems.ts"
import { responsesUsage, webSearchesIn } from "./OpenAiUsage.ts"
import type { Endpoint, Protocol, SseEvent, StreamDecoder, StreamOptions, WholeOptions } from "./Protocol.ts"
import * as UpstreamErrors from "./UpstreamErrors.ts"
import { decodeAnswer } from "./WholeAnswer.ts"

export const openAiResponses: Protocol = withEmbeddings({
  dialect: "openai-responses",
  defaultBaseUrl,
  encode,
  decodeWhole: (body, endpoint, options) => decodeWhole(body, endpoint, options),
  decodeError: UpstreamErrors.fromResponse,
  decodeStream: (endpoint, options) => new ResponseStream(endpoint, options)
})

const decodeWhole = (
  body: string,
  endpoint: Endpoint,
  options: WholeOptions | undefined
): Result.Result<Completion, EngineError> =>
  decodeAnswer("openai-responses", body, endpoint, options, (answer, out) => readAnswer(answer, endpoint, out))

const readAnswer = (answer: JsonObject, endpoint: Endpoint, out: Array<Part>): EngineError | undefined => {
  const output = answer["output"]
  if (answer["status"] === "failed" || (!Array.isArray(output) && UpstreamErrors.isFailure(answer))) {
    return UpstreamErrors.fromPayload(answer, endpoint, 200)
  }
  if (!Array.isArray(output)) return UpstreamErrors.invalidResponse(endpoint, "JSON without output", 200)
  out.push(startOf(answer, endpoint))
  const seen = decodeItems(output, out)
  out.push(finishOf(answer, seen, endpoint))
  return undefined
}

type FinishPart = Extract<Part, { readonly type: "finish" }>

const startOf = (response: JsonObject, endpoint: Endpoint): Part => ({
  type: "start",
  id: stringOr(response["id"], ""),
  model: stringOr(response["model"], endpoint.model)
})

const finishOf = (response: JsonObject, seen: Seen, endpoint: Endpoint): FinishPart => {
  const details = response["incomplete_details"]
  const reason = isObject(details) ? stringOr(details["reason"], "") : ""
  const status = stringOr(response["status"], "")
  return {
    type: "finish",
    finishReason: finishReasonOf(status, reason, seen),
    rawFinishReason: reason || status || undefined,
    usage: responsesUsage(response["usage"], {
      tier: response["service_tier"],
      asked: endpoint.serviceTier,
      webSearches: webSearchesIn(response["output"])
    }),
    ...seen.leftOut.field()
  }
}

const finishReasonOf = (status: string, reason: string, seen: Seen): FinishReason => {
  if (reason === "max_output_tokens" || reason === "max_tokens") return "length"
  if (reason === "content_filter") return "content-filter"
  // An incomplete answer that does not say why is no normal end.
  if (status === "incomplete" && reason === "") return "length"
  if (status !== "completed") return "other"
  if (seen.calls > 0) return "tool-calls"
  return seen.refused ? "content-filter" : "stop"
}

/** An item of the output that is being streamed. */
interface OpenItem {
  /** Number of the tool call; -1 for items that are none. */
  readonly call: number
  /** What has been handed on of the item. */
  written: string
  /** Which part of the reasoning the last delta belonged to. */
  section: string
  /** Where each of its texts begins in the answer, and how many of its annotations and log probabilities have come. */
  readonly texts: Map<unknown, { readonly base: number; annotations: number; logprobs: number }>
}

/** Decodes the events of one stream. */
class ResponseStream implements StreamDecoder {
  private readonly endpoint: Endpoint
  private readonly wire: boolean
  /** What came before the first content; undefined once content has come. */
  private held: Array<Part> | undefined = []
  private readonly items = new Map<unknown, OpenItem>()
  private readonly seen = nothingSeen()
  private readonly callIds = new Set<string>()
  private started = false
  private id = ""
  private done = false

  constructor(endpoint: Endpoint, options: StreamOptions | undefined) {
    this.endpoint = endpoint
    this.wire = options?.wire === true
  }

  event(event: SseEvent, out: Array<Part>): EngineError | undefined {
    if (this.done || event.data.startsWith("[DONE]")) return undefined
    const data = parseJson(event.data)
    if (!isObject(data)) return data === undefined ? this.unreadable(event) : undefined
    const type = stringOr(data["type"], "") || (event.event ?? "")
    const response = isObject(data["response"]) ? data["response"] : {}
    if (type === "error" || event.event === "error" || (type === "" && UpstreamErrors.isFailure(data))) {
      return this.fail(UpstreamErrors.fromPayload(data, this.endpoint))
    }
    if (type === "response.failed") return this.fail(UpstreamErrors.fromPayload(response, this.endpoint))
    const found: Array<Part> = []
    if (this.wire) found.push({ type: "wire", dialect: "openai-responses", event: event.event, data: event.data })
    this.decode(type, data, response, found)
    this.emit(found, out)
    return undefined
  }

  end(_out: Array<Part>): EngineError | undefined {
    if (this.done) return undefined
    return this.fail(UpstreamErrors.streamTruncated(this.endpoint, "no response.completed came"))
  }

  /** Hands on what was found; what says nothing yet waits for the first part that does. */
  private emit(found: ReadonlyArray<Part>, out: Array<Part>): void {
    if (this.held !== undefined && found.some((part) => part.type !== "wire" && part.type !== "start")) {
      for (const part of this.held) out.push(part)
      this.held = undefined
    }
    const sink = this.held ?? out
    for (const part of found) sink.push(part)
  }

  private decode(type: string, data: JsonObject, response: JsonObject, out: Array<Part>): void {
    switch (type) {
      case "response.output_text.delta":
        return this.text("text", data, out)
      case "response.output_text.annotation.added":
        return this.annotation(data, out)
      case "response.refusal.delta":
        this.seen.refused = true
        return this.text("refusal", data, out)
      case "response.reasoning_summary_text.delta":
        return this.reasoning(`summary ${String(data["summary_index"])}`, data, out)
      case "response.reasoning_text.delta":
        return this.reasoning(`content ${String(data["content_index"])}`, data, out)
      case "response.function_call_arguments.delta":
      case "response.custom_tool_call_input.delta":
        return this.arguments(this.itemOf(data), stringOr(data["delta"], ""), out)
      case "response.function_call_arguments.done":
      case "response.custom_tool_call_input.done":
        return this.complete(this.itemOf(data), writtenIn(data), out)
      case "response.output_item.added":
      case "response.output_item.done":
        if (isObject(data["item"])) this.item(data, data["item"], type.endsWith("done"), out)
        return
      case "response.created":
      case "response.in_progress":
      case "response.queued":
        return this.start(response, out)
      case "response.completed":
      case "response.incomplete":
        return this.finish(response, out)
      default:
        return
    }
  }

  private start(response: JsonObject, out: Array<Part>): void {
    if (this.started || this.held === undefined) return
    this.started = true
    this.id = stringOr(response["id"], "")
    out.push(startOf(response, this.endpoint))
  }

  private itemOf(data: JsonObject): OpenItem {
    const key = data["output_index"] ?? data["item_id"]
    let item = this.items.get(key)
    if (item === undefined) this.items.set(key, (item = { call: -1, written: "", section: "", texts: new Map() }))
    return item
  }

  private item(data: JsonObject, item: JsonObject, done: boolean, out: Array<Part>): void {
    const key = data["output_index"] ?? item["id"]
    let open = this.items.get(key)
    if (open === undefined || !done || (open.call < 0 && isCall(item))) {
      open = { call: isCall(item) ? this.seen.calls++ : -1, written: "", section: "", texts: new Map() }
      this.items.set(key, open)
      if (open.call >= 0) {
        const opened = openedCall(item, open.call)
        this.callIds.add(opened.id!)
        out.push(opened)
      }
    }
    if (!done) return
    noteItem(item, this.seen)
    if (open.call >= 0) return this.complete(open, writtenIn(item), out)
    if (item["type"] === "reasoning") decodeReasoning(item, open.written === "", out)
    if (item["type"] !== "message") return
    if (open.written === "" && open.texts.size === 0) decodeMessage(item, this.seen, out)
    else this.restOfTexts(open, item, out)
  }

  private text(type: "text" | "refusal", data: JsonObject, out: Array<Part>): void {
    const text = stringOr(data["delta"], "")
    if (text === "") return
    const item = this.itemOf(data)
    if (type === "text") this.textOf(item, data["content_index"]).logprobs += listOf(data["logprobs"]).length
    item.written += text
    out.push(type === "text" ? textPart(text, this.seen) : { type, text })
    decodeLogprobs(data["logprobs"], out)
  }

  private textOf(item: OpenItem, index: unknown) {
    let text = item.texts.get(index)
    if (text === undefined) item.texts.set(index, (text = { base: this.seen.text, annotations: 0, logprobs: 0 }))
    return text
  }

  private annotation(data: JsonObject, out: Array<Part>): void {
    const item = this.itemOf(data)
    const text = this.textOf(item, data["content_index"])
    text.annotations++
    readAnnotation(data["annotation"], text.base, out)
  }

  /** Annotations and log probabilities that came with no event of their own. */
  private restOfTexts(open: OpenItem, item: JsonObject, out: Array<Part>): void {
    listOf(item["content"]).forEach((part, index) => {
      const text = open.texts.get(index)
      if (text === undefined || !isObject(part)) return
      const written = open.written === "" ? stringOr(part["text"], "") : ""
      if (written !== "") out.push(textPart(written, this.seen))
      decodeLogprobs(listOf(part["logprobs"]).slice(text.logprobs), out)
      for (const annotation of listOf(part["annotations"]).slice(text.annotations)) {
        readAnnotation(annotation, text.base, out)
      }
    })
  }

  /** A new section begins a line; of a summary and a text of the same item the first that comes counts. */
  private reasoning(section: string, data: JsonObject, out: Array<Part>): void {
    const delta = stringOr(data["delta"], "")
    const item = this.itemOf(data)
    if (delta === "" || (item.section !== "" && item.section.slice(0, 7) !== section.slice(0, 7))) return
    const text = item.section === "" || item.section === section ? delta : separator + delta
    item.section = section
    item.written += text
    out.push({ type: "reasoning", text })
  }

  private arguments(item: OpenItem, written: string, out: Array<Part>): void {
    if (written === "" || item.call < 0) return
    item.written += written
    out.push({ type: "tool-call", index: item.call, arguments: written })
  }

  /** Hands on what the deltas of a call left out. */
  private complete(item: OpenItem, whole: string, out: Array<Part>): void {
    if (whole.startsWith(item.written)) this.arguments(item, whole.slice(item.written.length), out)
  }

  private finish(response: JsonObject, out: Array<Part>): void {
    this.start(response, out)
    this.done = true
    const output = listOf(response["output"])
    const seen = this.held === undefined ? this.seen : decodeItems(output, out)
    if (this.held === undefined) this.rest(output, out)
    else for (const kind of this.seen.leftOut.kinds) seen.leftOut.note(kind)
    const id = stringOr(response["id"], this.id)
    out.push({ ...finishOf(response, seen, this.endpoint), ...(id === this.id ? {} : { id }) })
  }

  /** Hands on what the events left out of the answer: arguments, calls, and the text when none has come. */
  private rest(output: ReadonlyArray<unknown>, out: Array<Part>): void {
    const textless = this.seen.text === 0 && !this.seen.refused
    output.forEach((item, index) => {
      if (!isObject(item)) return
      noteItem(item, this.seen)
      if (isCall(item)) {
        const known = this.callIds.has(openedCall(item, 0).id!)
        const open = this.items.get(index)
        if (!known) this.item({ output_index: `rest ${index}` }, item, true, out)
        else if (open !== undefined && open.call >= 0 && open.written === "") this.complete(open, writtenIn(item), out)
      } else if (textless && item["type"] === "message") decodeMessage(item, this.seen, out)
    })
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
