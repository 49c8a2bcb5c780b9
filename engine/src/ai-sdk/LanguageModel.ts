/**
 * The engine as a language model of the AI SDK (specification v4).
 *
 * Every call goes through the whole pipeline; the engine has made all retries, and its errors are not ones that the SDK
 * retries. A stream that fails after its first part says so and breaks, so it never looks complete.
 */
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  SharedV4Warning
} from "@ai-sdk/provider"
import { Result } from "effect"
import { type AIEngine, AIEngineError, type PartStream } from "../AIEngine.ts"
import { type BlockEvent, BlockReader } from "../BlockEvents.ts"
import type { Part } from "../Reply.ts"
import { toFinish, toResult, toStart, toStreamParts } from "./CallAnswer.ts"
import { type CallRequest, rethrow, toRequest } from "./CallRequest.ts"

export interface LanguageModelOptions {
  /** URLs that are handed on to the provider; the AI SDK downloads all others. Images over https unless given. */
  readonly supportedUrls?: Record<string, Array<RegExp>> | undefined
}

export class MillraceLanguageModel implements LanguageModelV4 {
  readonly specificationVersion = "v4"
  readonly provider = "millrace"
  readonly modelId: string
  readonly supportedUrls: Record<string, Array<RegExp>>
  private readonly engine: AIEngine

  constructor(engine: AIEngine, modelId: string, options: LanguageModelOptions = {}) {
    this.engine = engine
    this.modelId = modelId
    this.supportedUrls = options.supportedUrls ?? { "image/*": [/^https:\/\//] }
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const { request, warnings } = this.request(options)
    const answer = this.engine.generateText(request, { signal: options.abortSignal })
    const response = await answer.catch((error: unknown) => rethrow(error, options.abortSignal))
    return toResult(response, [...warnings, ...omittedWarnings(response.omitted)])
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const { request, warnings } = this.request(options)
    const left = new AbortController()
    const signal = options.abortSignal === undefined ? left.signal : AbortSignal.any([options.abortSignal, left.signal])
    const parts = this.engine.streamParts(request, { signal })
    const iterator = parts[Symbol.asyncIterator]()
    // The first part is read here, so that a call that fails before it rejects, as one that is not streamed does.
    const first = await iterator.next().catch((error: unknown) => rethrow(error, options.abortSignal))
    const reader = new StreamReader(parts, iterator, first, signal)
    const omitted = omittedWarnings(parts.omitted)
    return {
      stream: new ReadableStream<LanguageModelV4StreamPart>({
        start: (controller) => controller.enqueue({ type: "stream-start", warnings: [...warnings, ...omitted] }),
        pull: (controller) => reader.pull(controller),
        cancel: async () => {
          left.abort()
          await iterator.return()
        }
      })
    }
  }

  private request(options: LanguageModelV4CallOptions): CallRequest {
    const request = toRequest(options, this.modelId === "" ? undefined : this.modelId)
    if (Result.isFailure(request)) throw new AIEngineError(request.failure, 0)
    return request.success
  }
}

const omittedWarnings = (omitted: ReadonlyArray<string>): ReadonlyArray<SharedV4Warning> =>
  omitted.map((path) => ({
    type: "unsupported",
    feature: path,
    details: path.startsWith("answer.")
      ? "the provider's answer has it and Millrace does not carry it"
      : "the provider that answered has no such field"
  }))

/** Turns the parts of one answer into stream parts, as the SDK asks for them. */
class StreamReader {
  private readonly parts: PartStream
  private readonly iterator: AsyncIterator<Part, void>
  private readonly signal: AbortSignal
  private readonly blocks = new BlockReader()
  private readonly events: Array<BlockEvent> = []
  private first: IteratorResult<Part, void> | undefined
  private failure: { readonly error: unknown } | undefined

  constructor(
    parts: PartStream,
    iterator: AsyncIterator<Part, void>,
    first: IteratorResult<Part, void>,
    signal: AbortSignal
  ) {
    this.parts = parts
    this.iterator = iterator
    this.first = first
    this.signal = signal
  }

  /**
   * Enqueues at least one part, or ends the stream. A failure is first a part, which `onError` and UI streams hear of, and
   * then the end of the stream, so that whoever reads only the text does not take half of it for the whole.
   */
  async pull(controller: ReadableStreamDefaultController<LanguageModelV4StreamPart>): Promise<void> {
    if (this.failure !== undefined) return controller.error(this.failure.error)
    try {
      for (let enqueued = false; !enqueued;) {
        const next = this.first ?? (await this.iterator.next())
        this.first = undefined
        if (next.done === true) return controller.close()
        for (const part of await this.read(next.value)) {
          controller.enqueue(part)
          enqueued = true
        }
      }
    } catch (error) {
      if (this.signal.aborted) return controller.error(this.signal.reason)
      this.failure = { error }
      controller.enqueue({ type: "error", error })
    }
  }

  private async read(part: Part): Promise<ReadonlyArray<LanguageModelV4StreamPart>> {
    if (part.type === "start") return [toStart(part)]
    this.blocks.push(part, this.events)
    const out = this.events.splice(0).flatMap(toStreamParts)
    if (part.type !== "finish") return out
    // Reading on past the last part settles the call; then its cost and its times are known.
    await this.iterator.next()
    return [...out, toFinish(part, await this.parts.response)]
  }
}
