/**
 * Answers of Gemini's `generateContent` and `streamGenerateContent`: whole, as events or as a JSON list, and errors.
 *
 * Where the upstream spoke the same dialect, its body and chunks are handed on as they came; else they are written from the
 * canonical answer. A call is written when its arguments are whole; arguments that are no JSON object end the answer with
 * `MALFORMED_FUNCTION_CALL`, as at Google. The last chunk has the finish reason and the usage; a failure after the first
 * part is `{"error":…}` and nothing after it.
 */
import type { Call } from "../Call.ts"
import type { EngineError } from "../Errors.ts"
import { isObject, type JsonObject, parseJson } from "../protocols/Json.ts"
import { toGemini } from "../protocols/Logprobs.ts"
import * as Reply from "../Reply.ts"
import { promptTokens, totalTokens, type Usage } from "../Usage.ts"
import { AnswerLosses, millraceMark } from "./AnswerLosses.ts"
import { carriedOut } from "./CarriedSignatures.ts"
import { geminiMetadata } from "./CitationForms.ts"
import type { InboundDialect, StreamEncoder, WirePart } from "./Dialect.ts"
import { decodeGemini, type Target } from "./GeminiRequest.ts"
import { googleError } from "./GoogleErrors.ts"
import { ToolOrder } from "./ToolOrder.ts"

export interface GeminiTarget extends Target {
  /** Whether a stream is server-sent events (`alt=sse`) or one JSON list. */
  readonly sse: boolean
}

export const geminiDialect = (target: GeminiTarget): InboundDialect => ({
  dialect: "gemini",
  decode: (body) => decodeGemini(body, target),
  encodeWhole,
  encodeStream: (call) => new ContentStream(call, target.sse),
  encodeError: encodeGoogleError,
  encodeCount: (tokens) => JSON.stringify({ totalTokens: tokens })
})

export const encodeGoogleError = (error: EngineError): string => JSON.stringify({ error: googleError(error) })

const encodeWhole = (call: Call, completion: Reply.Completion): string => {
  if (completion.wire?.dialect === "gemini") return withUsage(completion.wire.body, completion.usage)
  const parts: Array<JsonObject> = []
  const writer = new PartWriter((part) => parts.push(part))
  let ending: object = {}
  for (const part of Reply.toParts(completion)) {
    writer.add(part)
    if (part.type !== "finish") continue
    parts.push(...writer.rest())
    ending = writer.finish(part)
  }
  return JSON.stringify({
    candidates: [{ content: { parts, role: "model" }, ...ending, index: 0 }],
    ...usageOf(completion.usage),
    ...namesOf(call, completion.model)
  })
}

/** The provider's own body, with an estimate where it stated no usage. */
const withUsage = (body: string, usage: Usage): string => {
  const answer = usage.estimated ? parseJson(body) : undefined
  return isObject(answer) ? JSON.stringify({ ...answer, ...usageOf(usage) }) : body
}

const namesOf = (call: Call, model: string) => ({
  modelVersion: model === "" ? (call.journal.target?.model ?? call.request.model ?? "") : model,
  responseId: call.request.id
})

class ContentStream implements StreamEncoder {
  readonly contentType: string
  private readonly call: Call
  private readonly sse: boolean
  private readonly order = new ToolOrder((part) => this.write(part))
  private readonly writer = new PartWriter((part) => this.chunk({ content: { parts: [part], role: "model" } }))
  private readonly losses = new AnswerLosses("gemini")
  private out = ""
  private model = ""
  private raw = false
  private opened = false

  constructor(call: Call, sse: boolean) {
    this.call = call
    this.sse = sse
    this.contentType = sse ? "text/event-stream; charset=utf-8" : "application/json; charset=utf-8"
  }

  part(part: Reply.Part): string {
    this.out = ""
    if (part.type === "wire") this.pass(part)
    else if (!this.raw) this.order.add(part)
    else if (part.type === "finish" && part.usage.estimated) this.send(JSON.stringify(this.usageChunk(part.usage)))
    return this.out
  }

  end(): string {
    return this.sse ? "" : this.opened ? "]" : "[]"
  }

  error(error: EngineError): string {
    this.out = ""
    if (!this.raw) this.order.flush()
    this.send(encodeGoogleError(error))
    return this.out + this.end()
  }

  private pass(part: WirePart): void {
    this.raw = true
    this.send(part.data)
  }

  private write(part: Reply.Part): void {
    if (part.type === "start") this.model = part.model
    this.losses.add(part)
    this.writer.add(part)
    if (part.type === "finish") {
      const content = { parts: this.writer.rest(), role: "model" }
      this.chunk({ content, ...this.writer.finish(part) }, usageOf(part.usage, this.losses.list))
    }
  }

  private chunk(candidate: object, more: object = {}): void {
    const chunk = { candidates: [{ ...candidate, index: 0 }], ...more, ...namesOf(this.call, this.model) }
    this.send(JSON.stringify(chunk))
  }

  private usageChunk(usage: Usage): object {
    return { ...usageOf(usage), ...namesOf(this.call, this.model) }
  }

  private send(json: string): void {
    if (this.sse) this.out += `data: ${json.replaceAll("\n", "\ndata: ")}\n\n`
    else this.out += `${this.opened ? "," : "["}${json}\n`
    this.opened = true
  }
}

/** Writes canonical parts, whose calls come one after the other, as Gemini's. */
class PartWriter {
  private readonly emit: (part: JsonObject) => void
  /** A signature that belongs to the part after it. */
  private signature: string | undefined = undefined
  private thinking = false
  private call: { readonly index: number; readonly id: string; readonly name: string; arguments: string } | undefined =
    undefined
  private malformed: string | undefined = undefined
  /** The text so far, which citations are placed in. */
  private text = ""
  private readonly citations: Array<Reply.Citation> = []
  private readonly logprobs: Array<Reply.TokenLogprob> = []

  constructor(emit: (part: JsonObject) => void) {
    this.emit = emit
  }

  add(part: Reply.Part): void {
    if (part.type === "start" || part.type === "wire") return
    if (this.call !== undefined && (part.type !== "tool-call" || part.index !== this.call.index)) this.closeCall()
    switch (part.type) {
      case "citation":
        this.citations.push(part.citation)
        return
      case "logprobs":
        this.logprobs.push(...part.logprobs)
        return
      case "text":
      case "refusal":
        if (part.type === "text") this.text += part.text
        this.thinking = false
        if (part.text !== "") this.emit({ text: part.text, ...this.signed() })
        return
      case "reasoning":
        return this.reasoning(part)
      case "tool-call":
        this.thinking = false
        this.call ??= { index: part.index, id: part.id ?? "", name: part.name ?? "", arguments: "" }
        this.call.arguments += part.arguments
        return
      default:
        return
    }
  }

  /** A signature that no part came for. */
  rest(): ReadonlyArray<JsonObject> {
    return this.signature === undefined ? [] : [{ text: "", ...this.signed() }]
  }

  finish({ finishReason, rawFinishReason }: Extract<Reply.Part, { readonly type: "finish" }>): object {
    const beside = {
      ...geminiMetadata(this.citations, this.text),
      ...(this.logprobs.length === 0 ? {} : { logprobsResult: toGemini(this.logprobs) })
    }
    if (this.malformed === undefined || finishReason === "length") {
      return { finishReason: finishWord(finishReason, rawFinishReason), ...beside }
    }
    return { finishReason: "MALFORMED_FUNCTION_CALL", finishMessage: this.malformed, ...beside }
  }

  /** A signature of a thought with text goes with it, any other with the part after it, as Google does it. */
  private reasoning(part: Extract<Reply.Part, { readonly type: "reasoning" }>): void {
    if (part.text !== "") {
      for (const rest of this.rest()) this.emit(rest)
      this.thinking = true
    }
    const signature = carriedOut("gemini", part)
    if (part.text !== "" || (this.thinking && signature !== undefined) || part.redacted !== undefined) {
      this.emit({ text: part.text, thought: true, ...(signature === undefined ? {} : { thoughtSignature: signature }) })
      if (signature !== undefined) this.thinking = false
    } else if (signature !== undefined) {
      for (const rest of this.rest()) this.emit(rest)
      this.signature = signature
    }
  }

  private closeCall(): void {
    const { arguments: written, id, name } = this.call!
    this.call = undefined
    const args = written.trim() === "" ? {} : parseJson(written)
    if (!isObject(args)) this.malformed = `the arguments of ${name} are no JSON object: ${written}`
    else this.emit({ functionCall: { ...(id === "" ? {} : { id }), name, args }, ...this.signed() })
  }

  private signed(): JsonObject {
    if (this.signature === undefined) return {}
    const thoughtSignature = this.signature
    this.signature = undefined
    return { thoughtSignature }
  }
}

/** Google's own word is kept where it has one. */
const finishWord = (reason: Reply.FinishReason, raw: string | undefined): string => {
  if (raw !== undefined && /^[A-Z][A-Z_]+$/.test(raw)) return raw
  switch (reason) {
    case "stop":
    case "tool-calls":
      return "STOP"
    case "length":
      return "MAX_TOKENS"
    case "content-filter":
      return "SAFETY"
    default:
      return "OTHER"
  }
}

const usageOf = (usage: Usage, lost: ReadonlyArray<string> = []) => ({
  usageMetadata: {
    promptTokenCount: promptTokens(usage),
    candidatesTokenCount: usage.output - usage.reasoning,
    totalTokenCount: totalTokens(usage),
    ...(usage.cacheReadInput > 0 ? { cachedContentTokenCount: usage.cacheReadInput } : {}),
    ...(usage.reasoning > 0 ? { thoughtsTokenCount: usage.reasoning } : {})
  },
  ...millraceMark(usage, lost)
})
