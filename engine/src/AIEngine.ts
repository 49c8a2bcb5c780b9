/**
 * The Promise door: `new AIEngine(config)` for plain TypeScript.
 *
 * It runs the same Engine on a runtime of its own. Every failure is an `AIEngineError`; an `AbortSignal` cancels the call
 * up to the provider's socket, and so does leaving a stream early. `dispose` finishes what is to be written.
 */
import { Cause, Effect, Exit, ManagedRuntime, type Pull, Scope } from "effect"
import type { Status } from "./AdminAnswers.ts"
import { internalError } from "./Attempt.ts"
import { type Call, upstreamAttempts } from "./Call.ts"
import * as Config from "./Config.ts"
import type { AIEmbedRequest } from "./EmbedRequest.ts"
import { Engine } from "./Engine.ts"
import { Cancelled, type EngineError, type Fault, InvalidRequest, retryAfterMsOf } from "./Errors.ts"
import type { LiveOptions, Services } from "./Live.ts"
import { Metrics } from "./Metrics.ts"
import * as Reply from "./Reply.ts"
import type { AIRequest } from "./Request.ts"
import { type AIEmbedResponse, type AIResponse, toAIEmbedResponse, toAIResponse } from "./Response.ts"
import { StatusSource } from "./Status.ts"

/** What `AIEngine` rejects with. */
export class AIEngineError extends Error {
  override readonly name = "AIEngineError"
  /** The tag of the error, such as `RateLimitExceeded`. */
  readonly kind: EngineError["_tag"] | "ConfigError"
  readonly fault: Fault
  /** Whether the same call can succeed later. */
  readonly retryable: boolean
  /** The HTTP status that the gateway answers with. */
  readonly status: number
  /** Milliseconds to wait before a retry. */
  readonly retryAfter: number | undefined
  readonly provider: string | undefined
  readonly model: string | undefined
  /** Attempts that reached a provider. */
  readonly attempts: number

  constructor(error: EngineError | Config.ConfigError, attempts: number) {
    super(error.message, { cause: error })
    if (error._tag === "ConfigError") {
      this.kind = error._tag
      this.fault = "caller"
      this.retryable = false
      this.status = 400
    } else {
      this.kind = error._tag
      this.fault = error.fault
      this.retryable = error.retryable
      this.status = error.status
      this.retryAfter = retryAfterMsOf(error)
      if ("provider" in error) this.provider = error.provider
      if ("model" in error) this.model = error.model
    }
    this.attempts = attempts
  }
}

export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined
}

/** An answer as it comes; `response` is the whole answer once the stream has been read to its end. */
export interface AnswerStream<A> {
  [Symbol.asyncIterator](): AsyncGenerator<A, void, undefined>
  readonly response: Promise<AIResponse>
  /** Paths of hints in the request that the provider was not given; known once the first part has come. */
  readonly omitted: ReadonlyArray<string>
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
  private engine: Engine["Service"] | undefined

  /** Throws an `AIEngineError` of kind `ConfigError` that names everything that is wrong in the configuration. */
  constructor(config?: Config.EngineConfigInput, options?: LiveOptions) {
    const decoded = Effect.runSyncExit(Config.decode(config, { providers: options?.providers }))
    if (Exit.isFailure(decoded)) {
      const error = decoded.cause.reasons.find(Cause.isFailReason)
      throw error === undefined ? Cause.squash(decoded.cause) : new AIEngineError(error.error, 0)
    }
    this.runtime = ManagedRuntime.make(Engine.layerOf(decoded.value, options))
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
  dispose(): Promise<void> {
    return this.runtime.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  private stream<A>(
    request: AIRequest,
    options: CallOptions | undefined,
    select: (part: Reply.Part) => A | undefined
  ): AnswerStream<A> {
    return new EngineStream(async () => {
      const engine = this.engine ?? (await this.start())
      const call = this.prepared(engine.prepare(request, { stream: true }))
      const scope = Scope.makeUnsafe()
      const run = <B>(effect: Effect.Effect<B, EngineError>) => this.run(effect, call, options)
      const open = Effect.flatMap(engine.open(call), (reply) => Reply.toPull(Reply.stream(reply), scope))
      try {
        return { call, scope, run, pull: await run(Effect.provideService(open, Scope.Scope, scope)) }
      } catch (error) {
        await Effect.runPromise(Scope.close(scope, Exit.void))
        throw error
      }
    }, select)
  }

  private async start(): Promise<Engine["Service"]> {
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

const errorOf = (cause: Cause.Cause<EngineError>): EngineError => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return failure.error
  const defect = cause.reasons.find(Cause.isDieReason)
  return defect === undefined ? new Cancelled() : internalError(defect.defect)
}

interface OpenStream {
  readonly call: Call
  readonly scope: Scope.Closeable
  readonly run: <A>(effect: Effect.Effect<A, EngineError>) => Promise<A>
  readonly pull: Pull.Pull<ReadonlyArray<Reply.Part>, EngineError>
}

const textOfPart = (part: Reply.Part): string | undefined =>
  part.type === "text" && part.text !== "" ? part.text : undefined

/** Yields what `select` takes of each part. */
class EngineStream<A> implements AnswerStream<A> {
  private readonly open: () => Promise<OpenStream>
  private readonly select: (part: Reply.Part) => A | undefined
  private readonly answer = Promise.withResolvers<AIResponse>()
  private consumed = false
  private call: Call | undefined

  constructor(open: () => Promise<OpenStream>, select: (part: Reply.Part) => A | undefined) {
    this.open = open
    this.select = select
    // Whoever never asks for the response must not be told that nobody handled its failure.
    this.answer.promise.catch(() => undefined)
  }

  /** Settles when the stream has been read to its end. */
  get response(): Promise<AIResponse> {
    return this.answer.promise
  }

  get omitted(): ReadonlyArray<string> {
    return this.call?.journal.omitted ?? []
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<A, void, undefined> {
    if (this.consumed) {
      throw new AIEngineError(new InvalidRequest({ field: "", detail: "a stream can be read once" }), 0)
    }
    this.consumed = true
    let stream: OpenStream | undefined
    try {
      stream = await this.open()
      this.call = stream.call
      const collector = new Reply.Collector()
      const next = Effect.catch(stream.pull, (error) =>
        Cause.isDone(error) ? Effect.succeed(undefined) : Effect.fail(error)
      )
      for (let chunk = await stream.run(next); chunk !== undefined; chunk = await stream.run(next)) {
        for (const part of chunk) {
          collector.add(part)
          const selected = this.select(part)
          if (selected !== undefined) yield selected
        }
      }
      this.answer.resolve(toAIResponse(stream.call, collector.completion()))
    } catch (error) {
      this.answer.reject(error)
      throw error
    } finally {
      if (stream !== undefined) await Effect.runPromise(Scope.close(stream.scope, Exit.void))
      this.answer.reject(new AIEngineError(new Cancelled(), 0))
    }
  }
}
