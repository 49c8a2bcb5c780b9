/**
 * The Promise door: `new AIEngine(config)` for plain TypeScript.
 *
 * It runs the same Engine on a runtime of its own. Every failure is an `AIEngineError`; an `AbortSignal` cancels the call
 * up to the provider's socket, and so does leaving a stream early. `dispose` finishes what is to be written.
 */
import { Cause, Effect, Exit, ManagedRuntime } from "effect"
import type { Status } from "./AdminAnswers.ts"
import { AIEngineError, errorOf } from "./AIEngineError.ts"
import { type AnswerStream, EngineStream, OpenCall } from "./AnswerStream.ts"
import { type Call, upstreamAttempts } from "./Call.ts"
import * as Config from "./Config.ts"
import type { AIEmbedRequest } from "./EmbedRequest.ts"
import { Engine } from "./Engine.ts"
import { Cancelled, type EngineError, type InvalidRequest, ShuttingDown } from "./Errors.ts"
import type { LiveOptions, Services } from "./Live.ts"
import { Metrics } from "./Metrics.ts"
import * as Reply from "./Reply.ts"
import type { AIRequest } from "./Request.ts"
import { type AIEmbedResponse, type AIResponse, toAIEmbedResponse, toAIResponse } from "./Response.ts"
import { StatusSource } from "./Status.ts"

export { AIEngineError } from "./AIEngineError.ts"
export type { AnswerStream } from "./AnswerStream.ts"

export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined
}

export interface TextStream extends AnswerStream<string> {}

/** Every part of an answer, the last one is its `finish`. */
export interface PartStream extends AnswerStream<Reply.Part> {}

/**
 * @example
 * const engine = new AIEngine({ providers: [{ name: "openai", apiKey: process.env.OPENAI_API_KEY! }] })
 * const { content } = await engine.generateText({ prompt: "Write a haiku about programming", maxTokens: 100 })
 */
export class AIEngine {
  private readonly runtime: ManagedRuntime.ManagedRuntime<Engine | Services, never>
  private readonly streams = new Set<OpenCall>()
  private engine: Engine["Service"] | undefined
  private disposed = false

  /** Throws an `AIEngineError` of kind `ConfigError` that names everything that is wrong in the configuration. */
  constructor(config?: Config.EngineConfigInput, options?: LiveOptions) {
    const decoded = Effect.runSyncExit(Config.decode(config, { providers: options?.providers }))
    if (Exit.isFailure(decoded)) {
      const error = decoded.cause.reasons.find(Cause.isFailReason)
      throw error === undefined ? Cause.squash(decoded.cause) : new AIEngineError(error.error, 0)
    }
    // A library writes to its host's console only where it was told to.
    const told = config?.logging !== undefined
    const { logging } = decoded.value
    const layer = Engine.layerOf(
      told ? decoded.value : { ...decoded.value, logging: { ...logging, level: "none" } },
      told ? { console: true, ...options } : options
    )
    this.runtime = ManagedRuntime.make(layer)
  }

  /** The whole answer. */
  async generateText(request: AIRequest, options?: CallOptions): Promise<AIResponse> {
    const engine = this.engine ?? (await this.start())
    const call = this.prepared(engine.prepare(request, { stream: false }))
    return toAIResponse(call, await this.answer(engine, call, options))
  }

  /** Vectors of texts, in the order of the texts. */
  async embed(request: AIEmbedRequest, options?: CallOptions): Promise<AIEmbedResponse> {
    const engine = this.engine ?? (await this.start())
    const call = this.prepared(engine.prepareEmbed(request))
    return toAIEmbedResponse(call, await this.answer(engine, call, options))
  }

  /** The text of the answer as it comes. Leaving the loop cancels the call. */
  streamText(request: AIRequest, options?: CallOptions): TextStream {
    return this.stream(request, options, textOfPart)
  }

  /** Text, reasoning and tool calls of the answer as they come. Leaving the loop cancels the call. */
  streamParts(request: AIRequest, options?: CallOptions): PartStream {
    return this.stream(request, options, (part) => part)
  }

  /** What the engine is doing now; the same object as the admin API's `status`. */
  getStatus(): Promise<Status> {
    return this.runtime.runPromise(Effect.flatMap(StatusSource, (source) => source.get))
  }

  /** Prometheus text of all `ai_*` metrics. */
  getMetrics(): Promise<string> {
    return this.runtime.runPromise(Effect.flatMap(Metrics, (metrics) => metrics.text))
  }

  /** Cancels what runs, writes what is queued, and closes every connection. The engine can't be used afterwards. */
  async dispose(): Promise<void> {
    this.disposed = true
    this.engine = undefined
    await Promise.all([...this.streams].map((stream) => stream.close()))
    await this.runtime.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  private stream<A>(
    request: AIRequest,
    options: CallOptions | undefined,
    select: (part: Reply.Part) => A | undefined
  ): AnswerStream<A> {
    const signal = options?.signal
    return new EngineStream(
      {
        engine: async () => this.engine ?? (await this.start()),
        prepare: (engine) => {
          const call = this.prepared(engine.prepare(request, { stream: true }))
          const opened: OpenCall = new OpenCall(call, this.runtime.runCallback, signal, () =>
            this.streams.delete(opened)
          )
          this.streams.add(opened)
          return opened
        }
      },
      select
    )
  }

  private async start(): Promise<Engine["Service"]> {
    if (this.disposed) throw new AIEngineError(new ShuttingDown({}), 0)
    this.engine = await this.runtime.runPromise(Engine)
    return this.engine
  }

  private answer(engine: Engine["Service"], call: Call, options: CallOptions | undefined): Promise<Reply.Completion> {
    return this.run(Effect.scoped(Effect.flatMap(engine.open(call), Reply.collect)), call, options)
  }

  private prepared(prepare: Effect.Effect<Call, InvalidRequest>): Call {
    const exit = Effect.runSyncExit(prepare)
    if (Exit.isSuccess(exit)) return exit.value
    throw new AIEngineError(errorOf(exit.cause), 0)
  }

  private async run<A>(
    effect: Effect.Effect<A, EngineError>,
    call: Call,
    options: CallOptions | undefined
  ): Promise<A> {
    // A call that needs no waiting would be over before the runtime hears of the signal.
    if (options?.signal?.aborted === true) throw new AIEngineError(new Cancelled(), upstreamAttempts(call.journal))
    return this.runtime
      .runPromiseExit(effect, options?.signal === undefined ? undefined : { signal: options.signal })
      .then((exit) => {
        if (Exit.isSuccess(exit)) return exit.value
        throw new AIEngineError(errorOf(exit.cause), upstreamAttempts(call.journal))
      })
  }
}

const textOfPart = (part: Reply.Part): string | undefined =>
  part.type === "text" && part.text !== "" ? part.text : undefined
