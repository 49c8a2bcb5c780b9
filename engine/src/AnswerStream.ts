/**
 * Answers of the Promise door as they come: one call, pulled by an async iterator.
 *
 * Leaving the loop, aborting the signal and disposing the engine close the call at once and up to the provider's socket,
 * also while a read waits and between two reads. It decides nothing: what a call is and how it fails comes from the engine.
 */
import { Cause, Effect, Exit, type Pull, Scope } from "effect"
import { AIEngineError, errorOf } from "./AIEngineError.ts"
import { type Call, upstreamAttempts } from "./Call.ts"
import type { Engine } from "./Engine.ts"
import { Cancelled, type EngineError, InvalidRequest } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import { type AIResponse, toAIResponse } from "./Response.ts"

/** An answer as it comes; `response` is the whole answer once the stream has been read to its end. */
export interface AnswerStream<A> {
  [Symbol.asyncIterator](): AsyncGenerator<A, void, undefined>
  readonly response: Promise<AIResponse>
  /** Paths of hints in the request that the provider was not given; known once the first part has come. */
  readonly omitted: ReadonlyArray<string>
}

/** Runs an effect on the engine's runtime and returns how to interrupt it. */
export type RunCallback = <A, E>(
  effect: Effect.Effect<A, E>,
  options: { readonly onExit: (exit: Exit.Exit<A, E>) => void }
) => () => void

/** A call that is open until it is closed, by its reader or by anybody else. */
export class OpenCall {
  readonly call: Call
  private readonly runCallback: RunCallback
  private readonly signal: AbortSignal | undefined
  private readonly onClosed: () => void
  private readonly scope = Scope.makeUnsafe()
  private cancel: (() => void) | undefined
  private running: Promise<unknown> | undefined
  private closing: Promise<void> | undefined

  constructor(call: Call, runCallback: RunCallback, signal: AbortSignal | undefined, onClosed: () => void) {
    this.call = call
    this.runCallback = runCallback
    this.signal = signal
    this.onClosed = onClosed
    signal?.addEventListener("abort", this.close, { once: true })
  }

  /** Opens the call; the parts come with each run of the effect, and nothing after the last. */
  async open(engine: Engine["Service"]): Promise<Effect.Effect<ReadonlyArray<Reply.Part> | undefined, EngineError>> {
    const opened = Effect.flatMap(engine.open(this.call), (reply) => Reply.toPull(Reply.stream(reply), this.scope))
    const pull: Pull.Pull<ReadonlyArray<Reply.Part>, EngineError> = await this.run(
      Effect.provideService(opened, Scope.Scope, this.scope)
    )
    return Effect.catch(pull, (error) => (Cause.isDone(error) ? Effect.succeed(undefined) : Effect.fail(error)))
  }

  /** Fails with `Cancelled` once the call is closed. */
  async run<A>(effect: Effect.Effect<A, EngineError>): Promise<A> {
    if (this.closing !== undefined || this.signal?.aborted === true) throw this.cancelled()
    const ended = new Promise<Exit.Exit<A, EngineError>>((resolve) => {
      this.cancel = this.runCallback(effect, { onExit: resolve })
    })
    this.running = ended
    const exit = await ended
    if (Exit.isSuccess(exit)) return exit.value
    throw new AIEngineError(errorOf(exit.cause), upstreamAttempts(this.call.journal))
  }

  readonly close = (): Promise<void> => (this.closing ??= this.end())

  cancelled(): AIEngineError {
    return new AIEngineError(new Cancelled(), upstreamAttempts(this.call.journal))
  }

  private async end(): Promise<void> {
    this.signal?.removeEventListener("abort", this.close)
    this.cancel?.()
    await this.running
    await Effect.runPromiseExit(Scope.close(this.scope, Exit.void))
    this.onClosed()
  }
}

/** How a stream gets its call; both may fail with an `AIEngineError`. */
export interface StreamSource {
  readonly engine: () => Promise<Engine["Service"]>
  readonly prepare: (engine: Engine["Service"]) => OpenCall
}

/** Yields what `select` takes of each part. */
export class EngineStream<A> implements AnswerStream<A> {
  private readonly source: StreamSource
  private readonly select: (part: Reply.Part) => A | undefined
  private readonly answer = Promise.withResolvers<AIResponse>()
  private opened: OpenCall | undefined
  private consumed = false
  private left = false

  constructor(source: StreamSource, select: (part: Reply.Part) => A | undefined) {
    this.source = source
    this.select = select
    // Whoever never asks for the response must not be told that nobody handled its failure.
    this.answer.promise.catch(() => undefined)
  }

  /** Settles when the stream has been read to its end. */
  get response(): Promise<AIResponse> {
    return this.answer.promise
  }

  get omitted(): ReadonlyArray<string> {
    return this.opened?.call.journal.omitted ?? []
  }

  /** A generator whose `return` does not wait for a read that is under way. */
  [Symbol.asyncIterator](): AsyncGenerator<A, void, undefined> {
    const parts = this.read()
    const leave = async (): Promise<IteratorReturnResult<void>> => {
      this.left = true
      await this.opened?.close()
      await parts.return()
      return { done: true, value: undefined }
    }
    return {
      next: () => parts.next(),
      return: leave,
      throw: (error: unknown) => leave().then(() => Promise.reject(error)),
      [Symbol.asyncIterator]() {
        return this
      },
      [Symbol.asyncDispose]: () => leave().then(() => undefined)
    }
  }

  private async *read(): AsyncGenerator<A, void, undefined> {
    if (this.consumed) {
      throw new AIEngineError(new InvalidRequest({ field: "", detail: "a stream can be read once" }), 0)
    }
    this.consumed = true
    try {
      const engine = await this.source.engine()
      if (this.left) return
      const opened = (this.opened = this.source.prepare(engine))
      const pull = await opened.open(engine)
      const collector = new Reply.Collector()
      for (let chunk = await opened.run(pull); chunk !== undefined; chunk = await opened.run(pull)) {
        for (const part of chunk) {
          collector.add(part)
          const selected = this.select(part)
          if (selected !== undefined) yield selected
        }
      }
      this.answer.resolve(toAIResponse(opened.call, collector.completion()))
    } catch (error) {
      this.answer.reject(error)
      if (!this.left) throw error
    } finally {
      await this.opened?.close()
      this.answer.reject(this.opened?.cancelled() ?? new AIEngineError(new Cancelled(), 0))
    }
  }
}
