/**
 * Anthropic Messages as upstream, for Anthropic and for servers that speak its protocol.
 *
 * Text with its citations, thinking (with signatures), redacted thinking and the client's tool calls are decoded; blocks of
 * tools that the provider runs itself and compactions are kept in the wire form, and noted by name. A citation holds for its
 * whole block, and is handed on when the block ends. The terminal event is `message_stop`. Usage of `message_delta` replaces that of
 * `message_start` field by field; Anthropic's input figures are disjoint as they come. A tool call without input gets `{}`, streamed or not.
 */
import { Predicate, type Result } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Completion, FinishReason, Part } from "../Reply.ts"
import { answerTool, defaultBaseUrl, encode } from "./AnthropicMessagesRequest.ts"
import { type Figures, readUsage, usageOf } from "./AnthropicUsage.ts"
import { readLocations } from "./CitationReader.ts"
import { isObject, type JsonObject, jsonText, parseJson, stringOr } from "./Json.ts"
import { LeftOut } from "./LeftOut.ts"
import type { Endpoint, Protocol, SseEvent, StreamDecoder, StreamOptions, WholeOptions } from "./Protocol.ts"
import * as UpstreamErrors from "./UpstreamErrors.ts"
import { decodeAnswer } from "./WholeAnswer.ts"

export const anthropicMessages: Protocol = {
  dialect: "anthropic-messages",
  defaultBaseUrl,
  encode,
  decodeWhole: (body, endpoint, options) => decodeWhole(body, endpoint, options),
  decodeError: UpstreamErrors.fromResponse,
  decodeStream: (endpoint, options) => new MessageStream(endpoint, options)
}

const decodeWhole = (
  body: string,
  endpoint: Endpoint,
  options: WholeOptions | undefined
): Result.Result<Completion, EngineError> =>
  decodeAnswer("anthropic-messages", body, endpoint, options, (answer, out) => readAnswer(answer, endpoint, out))

const readAnswer = (answer: JsonObject, endpoint: Endpoint, out: Array<Part>): EngineError | undefined => {
  if (answer["type"] === "error" || UpstreamErrors.isFailure(answer)) {
    return UpstreamErrors.fromPayload(answer, endpoint, 200)
  }
  const content = answer["content"]
  if (!Array.isArray(content)) return UpstreamErrors.invalidResponse(endpoint, "JSON without content", 200)
  const raw = answer["stop_reason"]
  const figures: Figures = {}
  readUsage(answer["usage"], figures)
  out.push({ type: "start", id: stringOr(answer["id"], ""), model: stringOr(answer["model"], endpoint.model) })
  let calls = 0
  let text = 0
  let answered = false
  const leftOut = new LeftOut()
  for (const block of content as ReadonlyArray<unknown>) {
    if (!isObject(block)) continue
    if (isAnswer(block)) {
      answered = true
      out.push({ type: "text", text: jsonText(block["input"] ?? {}) ?? "" })
      continue
    }
    const opened = openBlock(block, calls, leftOut)
    if (opened === undefined) continue
    out.push(opened)
    if (opened.type === "text") {
      const start = text
      text += opened.text.length
      readLocations(block["citations"], start, text, out)
    }
    if (opened.type !== "tool-call") continue
    out.push({ type: "tool-call", index: calls++, arguments: jsonText(block["input"] ?? {}) ?? "" })
  }
  out.push({
    type: "finish",
    finishReason: answered && raw === "tool_use" ? "stop" : finishReasonOf(raw),
    rawFinishReason: Predicate.isString(raw) ? raw : undefined,
    usage: usageOf(figures, endpoint.serviceTier),
    ...leftOut.field()
  })
  return undefined
}

/** Whether a block is the call that stands for an answer by schema. */
const isAnswer = (block: JsonObject): boolean => block["type"] === "tool_use" && block["name"] === answerTool

/** The part that the start of a block stands for; a tool call opens without arguments. */
const openBlock = (block: JsonObject, calls: number, leftOut: LeftOut): Part | undefined => {
  switch (block["type"]) {
    case "text":
      return { type: "text", text: stringOr(block["text"], "") }
    case "thinking": {
      const text = stringOr(block["thinking"], "")
      const signature = stringOr(block["signature"], "")
      return signature === "" ? { type: "reasoning", text } : { type: "reasoning", text, signature }
    }
    case "redacted_thinking":
      return { type: "reasoning", text: "", redacted: stringOr(block["data"], "") }
    case "tool_use":
      return {
        type: "tool-call",
        index: calls,
        id: stringOr(block["id"], ""),
        name: stringOr(block["name"], ""),
        arguments: ""
      }
    default:
      leftOut.noteItem(stringOr(block[block["type"] === "server_tool_use" ? "name" : "type"], ""))
      return undefined
  }
}

/** A tool call whose block is open; the one that stands for an answer has the number -1. */
interface OpenCall {
  readonly index: number
  readonly input: unknown
  written: boolean
}

/** Decodes the events of one stream. */
class MessageStream implements StreamDecoder {
  private readonly endpoint: Endpoint
  private readonly wire: boolean
  /** What came before the first block; undefined once a block has begun. */
  private held: Array<Part> | undefined = []
  private readonly open = new Map<unknown, OpenCall>()
  private calls = 0
  /** UTF-16 code units of text so far, and where the open text block began. */
  private text = 0
  private textStart = 0
  /** Citations of the open text block. */
  private citations: Array<unknown> = []
  private readonly figures: Figures = {}
  private readonly leftOut = new LeftOut()
  private rawFinish: string | undefined = undefined
  private answered = false
  private started = false
  private done = false

  constructor(endpoint: Endpoint, options: StreamOptions | undefined) {
    this.endpoint = endpoint
    this.wire = options?.wire === true
  }

  event(event: SseEvent, out: Array<Part>): EngineError | undefined {
    if (this.done || event.data.startsWith("[DONE]")) return undefined
    const data = parseJson(event.data)
    if (!isObject(data)) return data === undefined ? this.unreadable() : undefined
    const type = data["type"]
    if (type === "error" || event.event === "error" || UpstreamErrors.isFailure(data)) {
      return this.fail(UpstreamErrors.fromPayload(data, this.endpoint))
    }
    if (type !== "ping" && (this.started || String(type).startsWith("content_block_"))) this.release(out)
    if (this.wire) {
      const sink = this.held ?? out
      sink.push({ type: "wire", dialect: "anthropic-messages", event: event.event, data: event.data })
    }
    switch (type) {
      case "content_block_delta":
        this.decodeDelta(data, out)
        return undefined
      case "content_block_start":
        this.startBlock(data, out)
        return undefined
      case "content_block_stop":
        this.stopBlock(data, out)
        return undefined
      case "message_start":
        this.start(data["message"])
        return undefined
      case "message_delta":
        this.decodeMessageDelta(data)
        return undefined
      case "message_stop":
        return this.finish(out)
      default:
        return undefined
    }
  }

  end(_out: Array<Part>): EngineError | undefined {
    if (this.done) return undefined
    return this.fail(UpstreamErrors.streamTruncated(this.endpoint, "no message_stop came"))
  }

  private release(out: Array<Part>): void {
    if (this.held !== undefined) for (const part of this.held) out.push(part)
    this.held = undefined
  }

  private start(message: unknown): void {
    if (this.started || !isObject(message)) return
    this.started = true
    this.held?.push({
      type: "start",
      id: stringOr(message["id"], ""),
      model: stringOr(message["model"], this.endpoint.model)
    })
    readUsage(message["usage"], this.figures)
  }

  private startBlock(data: JsonObject, out: Array<Part>): void {
    const block = data["content_block"]
    if (!isObject(block)) return
    this.closeText(out)
    if (isAnswer(block)) {
      this.answered = true
      this.open.set(data["index"], { index: -1, input: block["input"], written: false })
      return
    }
    const part = openBlock(block, this.calls, this.leftOut)
    if (part === undefined) return
    if (part.type === "text") {
      this.text += part.text.length
      if (Array.isArray(block["citations"])) this.citations = [...(block["citations"] as ReadonlyArray<unknown>)]
    }
    if (part.type === "tool-call") {
      this.open.set(data["index"], { index: this.calls++, input: block["input"], written: false })
      out.push(part)
    } else if (part.type === "text" ? part.text !== "" : part.type === "reasoning" && !isEmptyReasoning(part)) {
      out.push(part)
    }
  }

  private decodeDelta(data: JsonObject, out: Array<Part>): void {
    const delta = data["delta"]
    if (!isObject(delta)) return
    switch (delta["type"]) {
      case "text_delta": {
        const text = stringOr(delta["text"], "")
        this.text += text.length
        if (text !== "") out.push({ type: "text", text })
        return
      }
      case "citations_delta":
        this.citations.push(delta["citation"])
        return
      case "input_json_delta": {
        const call = this.open.get(data["index"])
        const json = stringOr(delta["partial_json"], "")
        if (call === undefined || json === "") return
        call.written = true
        out.push(pieceOf(call, json))
        return
      }
      case "thinking_delta": {
        const text = stringOr(delta["thinking"], "")
        if (text !== "") out.push({ type: "reasoning", text })
        return
      }
      case "signature_delta": {
        const signature = stringOr(delta["signature"], "")
        if (signature !== "") out.push({ type: "reasoning", text: "", signature })
        return
      }
      default:
        return
    }
  }

  /** Hands on the citations of the text block that ends. */
  private closeText(out: Array<Part>): void {
    readLocations(this.citations, this.textStart, this.text, out)
    this.citations = []
    this.textStart = this.text
  }

  private stopBlock(data: JsonObject, out: Array<Part>): void {
    this.closeText(out)
    const call = this.open.get(data["index"])
    if (call === undefined) return
    this.open.delete(data["index"])
    if (!call.written) out.push(pieceOf(call, jsonText(call.input ?? {}) ?? ""))
  }

  private decodeMessageDelta(data: JsonObject): void {
    const delta = data["delta"]
    const raw = isObject(delta) ? delta["stop_reason"] : undefined
    if (Predicate.isString(raw)) this.rawFinish = raw
    readUsage(data["usage"], this.figures)
  }

  private finish(out: Array<Part>): EngineError | undefined {
    if (!this.started) return this.fail(UpstreamErrors.streamTruncated(this.endpoint, "no message_start came"))
    this.done = true
    this.closeText(out)
    out.push({
      type: "finish",
      finishReason: this.answered && this.rawFinish === "tool_use" ? "stop" : finishReasonOf(this.rawFinish),
      rawFinishReason: this.rawFinish,
      usage: usageOf(this.figures, this.endpoint.serviceTier),
      ...this.leftOut.field()
    })
    return undefined
  }

  private unreadable(): EngineError {
    return this.fail(UpstreamErrors.invalidResponse(this.endpoint, "an event that is not valid JSON"))
  }

  private fail(error: EngineError): EngineError {
    this.done = true
    return error
  }
}

const pieceOf = ({ index }: OpenCall, json: string): Part =>
  index < 0 ? { type: "text", text: json } : { type: "tool-call", index, arguments: json }

const isEmptyReasoning = (part: Extract<Part, { readonly type: "reasoning" }>): boolean =>
  part.text === "" && part.signature === undefined && part.redacted === undefined

const finishReasonOf = (raw: unknown): FinishReason => {
  switch (raw) {
    case "end_turn":
    case "stop_sequence":
    case "pause_turn":
      return "stop"
    case "max_tokens":
    case "model_context_window_exceeded":
      return "length"
    case "tool_use":
      return "tool-calls"
    case "refusal":
      return "content-filter"
    default:
      return "other"
  }
}
