/**
 * Settlement: the end of every call, told once to everybody who asked (law 1).
 *
 * The outermost stage. It sees the reply go by: a whole answer or the terminal part settles a success, a failure before
 * or in the stream settles a failure, and a scope that closes earlier settles a cancellation. It also fills in the usage of
 * answers whose provider reported none, and ends a stream that has no terminal part with `StreamTruncated` (law 3).
 */
import { Cause, Effect, Exit, type Pull, Scope, Stream } from "effect"
import { outcomeOfCause } from "./Attempt.ts"
import type { Call, Outcome } from "./Call.ts"
import { type EngineError, StreamTruncated } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import type { Stage } from "./Stage.ts"
import type { Usage } from "./Usage.ts"

export interface SettleOptions {
  /** Tokens of a text, for answers that came without usage or broke off. */
  readonly estimateTokens: (text: string) => number
}

export const settle =
  (options: SettleOptions): Stage =>
  (next) =>
  (call) =>
    Effect.flatMap(
      Effect.onExitPrimitive(next(call), (exit) =>
        Exit.isSuccess(exit) ? undefined : call.settlement.run(outcomeOfCause(exit.cause))
      ),
      (reply) => {
        call.journal.firstPartAtMs = call.clock.currentTimeMillisUnsafe()
        if (reply._tag === "Parts") return observe(options, call, reply.parts)
        const completion = withUsage(options, call, reply.completion)
        const settled = call.settlement.run({ _tag: "Success", completion })
        return Effect.as(settled, completion === reply.completion ? reply : Reply.whole(completion))
      }
    )

/** Reads along with the caller and settles when the stream ends, however it ends. */
const observe = (
  options: SettleOptions,
  call: Call,
  parts: Reply.Parts
): Effect.Effect<Reply.Reply, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => {
    const watcher = new Watcher(options, call)
    return Effect.as(
      Scope.addFinalizer(
        scope,
        Effect.suspend(() => watcher.leave())
      ),
      Reply.parts(
        Stream.fromPull(
          Effect.provideService(
            Effect.map(Stream.toPull(parts), (pull) => watcher.watch(pull)),
            Scope.Scope,
            scope
          )
        )
      )
    )
  })

type Chunk = readonly [Reply.Part, ...Array<Reply.Part>]
type PartsPull = Pull.Pull<Chunk, EngineError>

class Watcher {
  private readonly options: SettleOptions
  private readonly call: Call
  private readonly collector = new Reply.Collector()

  constructor(options: SettleOptions, call: Call) {
    this.options = options
    this.call = call
  }

  watch(pull: PartsPull): PartsPull {
    return Effect.matchCauseEffect(pull, {
      onSuccess: (chunk) => this.see(chunk),
      onFailure: (cause) => this.end(cause)
    })
  }

  /** The caller closed the scope: if nothing else ended the call, it was cancelled. */
  leave(): Effect.Effect<void> {
    if (this.call.settlement.settled) return Effect.void
    return this.call.settlement.run({ _tag: "Cancelled", partial: this.partial() })
  }

  private see(chunk: Chunk): Effect.Effect<Chunk> {
    for (const part of chunk) this.collector.add(part)
    if (!this.collector.complete || this.call.settlement.settled) return Effect.succeed(chunk)
    const collected = this.collector.completion()
    const completion = withUsage(this.options, this.call, collected)
    const seen =
      completion === collected
        ? chunk
        : (chunk.map((part) =>
            part.type === "finish" ? { ...part, usage: completion.usage } : part
          ) as unknown as Chunk)
    return Effect.as(this.call.settlement.run({ _tag: "Success", completion }), seen)
  }

  private end(cause: Cause.Cause<EngineError | Cause.Done>): Effect.Effect<never, EngineError | Cause.Done> {
    if (this.call.settlement.settled) return Effect.failCause(cause)
    const done = cause.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))
    if (done) {
      const { model, provider } = this.call.journal.target ?? { provider: "", model: "" }
      const error = new StreamTruncated({ provider, model, detail: "no terminal event came" })
      return Effect.andThen(this.settleFailure({ _tag: "Failure", error, partial: this.partial() }), Effect.fail(error))
    }
    const outcome = outcomeOfCause(cause as Cause.Cause<EngineError>)
    const settled = this.settleFailure({ ...outcome, partial: this.partial() } as Outcome)
    const failure =
      outcome._tag === "Failure" && outcome.error.fault === "engine"
        ? Effect.fail(outcome.error)
        : Effect.failCause(cause)
    return Effect.andThen(settled, failure)
  }

  private settleFailure(outcome: Outcome): Effect.Effect<void> {
    return this.call.settlement.run(outcome)
  }

  private partial(): Reply.Completion {
    return withUsage(this.options, this.call, {
      ...this.collector.completion(),
      usage: estimated(this.options, this.call, this.collector.text)
    })
  }
}

/** The completion with an estimate where the provider reported no usage. */
const withUsage = (options: SettleOptions, call: Call, completion: Reply.Completion): Reply.Completion => {
  const { usage } = completion
  if (!usage.estimated || usage.output > 0 || usage.uncachedInput > 0) return completion
  let text = ""
  for (const block of completion.content) text += block.type === "tool-call" ? block.name + block.arguments : block.text
  return { ...completion, usage: estimated(options, call, text) }
}

const estimated = (options: SettleOptions, call: Call, text: string): Usage => ({
  uncachedInput: call.journal.promptTokens ?? 0,
  cacheReadInput: 0,
  cacheWriteInput: 0,
  output: text === "" ? 0 : options.estimateTokens(text),
  reasoning: 0,
  estimated: true
})
