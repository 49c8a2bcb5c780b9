/**
 * Google Gemini as upstream (`generateContent` and `streamGenerateContent`), for the Gemini API and for Vertex AI.
 *
 * Text, thoughts, log probabilities and the client's function calls of the first candidate are decoded, and at its end what
 * the text rests on; code that the provider runs itself, its own tools, sound and images are kept in the wire form, and
 * noted by name. A thought signature becomes the signature of the reasoning right before the part that it came with. Calls
 * without an id get one made from the response's id.
 *
 * A stream has no terminal event: it is complete when its body ends after a finish reason or a block reason. The last of
 * several finish reasons counts, and the last usage that states a prompt or a total. Tokens of prompts for the provider's own tools
 * are input, although Gemini counts them apart; what a total has over all other figures is output.
 */
import { Predicate, Result } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Completion, FinishReason, Part } from "../Reply.ts"
import { madeCallId } from "./CallIds.ts"
import { readGrounding } from "./CitationReader.ts"
import * as Embeddings from "./GeminiEmbeddings.ts"
import { PartialArgs } from "./GeminiPartialArgs.ts"
import { defaultBaseUrl, encode } from "./GeminiRequest.ts"
import { type Figures, readUsage, usageOf } from "./GeminiUsage.ts"
import { isObject, type JsonObject, jsonText, parseJson, stringOr } from "./Json.ts"
import { LeftOut } from "./LeftOut.ts"
import { fromGemini } from "./Logprobs.ts"
import type { Endpoint, Protocol, SseEvent, StreamDecoder, StreamOptions, WholeOptions } from "./Protocol.ts"
import { labelled } from "./Signatures.ts"
import * as UpstreamErrors from "./UpstreamErrors.ts"
import { collected } from "./WholeAnswer.ts"

export const gemini: Protocol = {
  dialect: "gemini",
  defaultBaseUrl,
  encode: (request, endpoint) =>
    request.embed === undefined ? encode(request, endpoint) : Embeddings.encode(request, request.embed, endpoint),
  decodeWhole: (body, endpoint, options) =>
    options?.embed === undefined
      ? decodeWhole(body, endpoint, options)
      : Embeddings.decode(body, options.embed, endpoint),
  decodeError: UpstreamErrors.fromResponse,
  decodeStream: (endpoint, options) => new ContentStream(endpoint, options)
}

/** One answer, or a list of them: a stream that was asked for without `alt=sse`. */
const decodeWhole = (
  body: string,
  endpoint: Endpoint,
  options: WholeOptions | undefined
): Result.Result<Completion, EngineError> => {
  const answer = parseJson(body)
  const chunks: ReadonlyArray<unknown> = Array.isArray(answer) ? answer : [answer]
  const reader = new ContentReader(endpoint, body)
  const out: Array<Part> = []
  for (const chunk of chunks) {
    if (!isObject(chunk)) {
      return Result.fail(UpstreamErrors.invalidResponse(endpoint, UpstreamErrors.describeNonJson(body), 200))
    }
    if (isError(chunk)) return Result.fail(UpstreamErrors.fromPayload(chunk, endpoint, 200))
    reader.read(chunk, out)
  }
  if (!reader.answered) return Result.fail(UpstreamErrors.invalidResponse(endpoint, "JSON without candidates", 200))
  reader.finish(out)
  return Result.succeed(collected(out, options?.wire === true ? { dialect: "gemini", body } : undefined))
}

const isError = (chunk: JsonObject): boolean =>
  UpstreamErrors.isStated(chunk["error"]) || (chunk["candidates"] === undefined && UpstreamErrors.isFailure(chunk))

/** Reads the chunks of one answer, one or many. */
class ContentReader {
  /** True once a chunk had something of an answer. */
  answered = false
  private readonly endpoint: Endpoint
  private readonly content: string
  private figures: Figures = {}
  private metered = false
  private started = false
  private id = ""
  private calls = 0
  /** A call whose arguments come in pieces. */
  private open: PartialArgs | undefined = undefined
  /** The text so far, which citations are placed in. */
  private text = ""
  private grounding: JsonObject = {}
  private readonly sources = new Map<string, unknown>()
  private readonly leftOut = new LeftOut()
  private rawFinish: string | undefined = undefined
  private rawBlock: string | undefined = undefined

  /** `content` stands in for an id that the answer has none of. */
  constructor(endpoint: Endpoint, content: string) {
    this.endpoint = endpoint
    this.content = content
  }

  /** True once it is known why the answer ended. */
  get ended(): boolean {
    return this.rawFinish !== undefined || this.rawBlock !== undefined
  }

  read(chunk: JsonObject, out: Array<Part>): void {
    const { candidates, promptFeedback, responseId, usageMetadata } = chunk
    if (Array.isArray(candidates) || isObject(promptFeedback) || isObject(usageMetadata)) this.answered = true
    if (!this.started && (this.answered || responseId !== undefined)) {
      this.started = true
      this.id = stringOr(responseId, "")
      out.push({ type: "start", id: this.id, model: stringOr(chunk["modelVersion"], this.endpoint.model) })
    }
    if (isObject(usageMetadata)) this.metered = true
    this.figures = readUsage(usageMetadata, this.figures)
    const candidate = firstOf(candidates)
    this.leftOut.noteChoices(candidates, candidate)
    if (candidate !== undefined) this.readCandidate(candidate, out)
    if (isObject(promptFeedback)) this.rawBlock = stringOr(promptFeedback["blockReason"], "") || this.rawBlock
  }

  finish(out: Array<Part>): void {
    this.closeCall(out)
    readGrounding(this.text, this.grounding, this.sources.values(), out)
    const raw = this.rawFinish ?? this.rawBlock
    out.push({
      type: "finish",
      finishReason:
        this.rawFinish === undefined && raw !== undefined ? "content-filter" : finishReasonOf(raw, this.calls),
      rawFinishReason: raw,
      // Google's JSON leaves out counts of zero, and a prompt that was blocked is not billed.
      usage:
        this.rawFinish === undefined && this.metered
          ? { ...usageOf(this.figures, this.endpoint.serviceTier), estimated: false }
          : usageOf(this.figures, this.endpoint.serviceTier),
      ...this.leftOut.field()
    })
  }

  private readCandidate(candidate: JsonObject, out: Array<Part>): void {
    const content = candidate["content"]
    const parts = isObject(content) ? content["parts"] : undefined
    if (Array.isArray(parts)) for (const part of parts) if (isObject(part)) this.readPart(part, out)
    this.rawFinish = stringOr(candidate["finishReason"], "") || this.rawFinish
    const logprobs = fromGemini(candidate["logprobsResult"])
    if (logprobs.length > 0) out.push({ type: "logprobs", logprobs })
    const { citationMetadata, groundingMetadata } = candidate
    if (isObject(groundingMetadata)) {
      this.grounding = { ...this.grounding, ...groundingMetadata }
      if ((groundingMetadata["webSearchQueries"] ?? groundingMetadata["searchEntryPoint"]) !== undefined) {
        this.leftOut.note("web_search")
      }
    }
    if (isObject(candidate["urlContextMetadata"])) this.leftOut.note("web_fetch")
    if (!isObject(citationMetadata)) return
    const sources = citationMetadata["citationSources"] ?? citationMetadata["citations"]
    for (const source of Array.isArray(sources) ? (sources as ReadonlyArray<unknown>) : []) {
      this.sources.set(jsonText(source) ?? "", source)
    }
  }

  private readPart(part: JsonObject, out: Array<Part>): void {
    const text = stringOr(part["text"], "")
    const signature = stringOr(part["thoughtSignature"], "")
    const thought = part["thought"] === true ? text : ""
    if (signature !== "") out.push({ type: "reasoning", text: thought, signature: labelled("gemini", signature) })
    else if (thought !== "") out.push({ type: "reasoning", text: thought })
    if (text !== "" && part["thought"] !== true) {
      this.text += text
      out.push({ type: "text", text })
    }
    if (isObject(part["functionCall"])) this.readCall(part["functionCall"], out)
    else if (!("text" in part)) this.noteOther(part)
  }

  private noteOther(part: JsonObject): void {
    const media = part["inlineData"] ?? part["fileData"]
    if (isObject(media)) this.leftOut.noteMedia(media["mimeType"])
    else if ((part["executableCode"] ?? part["codeExecutionResult"]) !== undefined) this.leftOut.note("code_execution")
    else if (Object.values(part).some(isObject)) this.leftOut.note("other")
  }

  private readCall(call: JsonObject, out: Array<Part>): void {
    const name = stringOr(call["name"], "")
    const { args, partialArgs, willContinue } = call
    const pieces = Array.isArray(partialArgs) || willContinue === true
    if (name !== "") {
      this.closeCall(out)
      const index = this.calls++
      const id = stringOr(call["id"], "") || madeCallId(this.id, index, this.content)
      if (pieces) this.open = new PartialArgs(args)
      out.push({ type: "tool-call", index, id, name, arguments: pieces ? "" : (jsonText(args ?? {}) ?? "{}") })
    }
    this.open?.add(partialArgs)
    if (willContinue !== true) this.closeCall(out)
  }

  private closeCall(out: Array<Part>): void {
    if (this.open === undefined) return
    out.push({ type: "tool-call", index: this.calls - 1, arguments: this.open.json() })
    this.open = undefined
  }
}

/** The candidate that stands first, wherever the chunk has it. */
const firstOf = (candidates: unknown): JsonObject | undefined => {
  if (!Array.isArray(candidates)) return undefined
  for (const candidate of candidates as ReadonlyArray<unknown>) {
    if (isObject(candidate) && (candidate["index"] === 0 || !Predicate.isNumber(candidate["index"]))) return candidate
  }
  return undefined
}

/** Decodes the events of one stream. */
class ContentStream implements StreamDecoder {
  private readonly endpoint: Endpoint
  private readonly wire: boolean
  private reader: ContentReader | undefined = undefined
  /** What came before the first content; undefined once content has come. */
  private held: Array<Part> | undefined = []
  private done = false

  constructor(endpoint: Endpoint, options: StreamOptions | undefined) {
    this.endpoint = endpoint
    this.wire = options?.wire === true
  }

  event(event: SseEvent, out: Array<Part>): EngineError | undefined {
    if (this.done || event.data.startsWith("[DONE]")) return undefined
    const parsed = parseJson(event.data)
    const chunk: unknown = Array.isArray(parsed) ? parsed[0] : parsed
    if (!isObject(chunk)) return parsed === undefined ? this.unreadable(event) : undefined
    if (isError(chunk) || event.event === "error") return this.fail(UpstreamErrors.fromPayload(chunk, this.endpoint))
    const found: Array<Part> = []
    if (this.wire) found.push({ type: "wire", dialect: "gemini", event: event.event, data: event.data })
    this.reader ??= new ContentReader(this.endpoint, event.data)
    this.reader.read(chunk, found)
    this.emit(found, out)
    return undefined
  }

  end(out: Array<Part>): EngineError | undefined {
    if (this.done) return undefined
    if (this.reader?.ended !== true) {
      return this.fail(UpstreamErrors.streamTruncated(this.endpoint, "no finishReason came"))
    }
    this.done = true
    const found: Array<Part> = []
    this.reader.finish(found)
    this.emit(found, out)
    return undefined
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

const finishReasonOf = (raw: string | undefined, calls: number): FinishReason => {
  switch (raw) {
    case "STOP":
      return calls > 0 ? "tool-calls" : "stop"
    case "FUNCTION_CALL":
      return "tool-calls"
    case "MAX_TOKENS":
    case "CONTINUATION":
      return "length"
    case "SAFETY":
    case "RECITATION":
    case "BLOCKLIST":
    case "PROHIBITED_CONTENT":
    case "SPII":
    case "MODEL_ARMOR":
    case "IMAGE_SAFETY":
    case "IMAGE_PROHIBITED_CONTENT":
    case "IMAGE_RECITATION":
      return "content-filter"
    case "MALFORMED_FUNCTION_CALL":
      return "error"
    default:
      return "other"
  }
}
