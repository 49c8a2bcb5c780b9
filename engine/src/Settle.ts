/**
 * Settlement: the end of every call, told once to everybody who asked (law 1).
 *
 * The outermost stage. It sees the reply go by: a whole answer or the terminal part settles a success, a failure before
 * or in the stream settles a failure, and a scope that closes earlier settles a cancellation. It also fills in the usage of
 * answers whose provider reported none, and ends a stream that has no terminal part with `StreamTruncated` (law 3).
 */
import { Cause, Effect, Exit, Scope, Stream } from "effect"
import { internalError, outcomeOfCause } from "./Attempt.ts"
import type { Call } from "./Call.ts"
import { type EngineError, InternalError, StreamTruncated } from "./Errors.ts"
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
    Effect.flatMap(Effect.scope, (scope) => {
      if (call.settlement.settled) return Effect.fail(new InternalError({ detail: "a call can be opened once" }))
      let answer: Reply.Reply | undefined
      // What is done here can't be interrupted: between the reply and its settlement there is no gap (law 1).
      const opened = Effect.onExitPrimitive(
        Effect.suspend(() => next(call)),
        (exit) => {
          if (Exit.isFailure(exit)) return call.settlement.breakOff(outcomeOfCause(exit.cause))
          call.journal.firstPartAtMs = call.clock.currentTimeMillisUnsafe()
          if (exit.value._tag === "Parts") {
            const watcher = new Watcher(options, call)
            answer = Reply.parts(watcher.watch(exit.value.parts, scope))
            call.settlement.leave = watcher.leave
            return Scope.addFinalizer(scope, watcher.leave)
          }
          const completion = withUsage(options, call, exit.value.completion)
          answer = completion === exit.value.completion ? exit.value : Reply.whole(completion)
          const settled = call.settlement.run({ _tag: "Success", completion })
          return settled === Effect.void ? undefined : settled
        }
      )
      return Effect.map(opened, () => answer!)
    })

type Chunk = readonly [Reply.Part, ...Array<Reply.Part>]

/** Reads along with the caller and settles when the stream ends, however it ends. */
class Watcher {
  private readonly options: SettleOptions
  private readonly call: Call
  private readonly collector = new Reply.Collector()

  constructor(options: SettleOptions, call: Call) {
    this.options = options
    this.call = call
  }

  /** The scope closed: if nothing else ended the call, its caller left. */
  readonly leave: Effect.Effect<void> = Effect.suspend(() =>
    this.call.settlement.settled
      ? Effect.void
      : this.call.settlement.breakOff({ _tag: "Cancelled", partial: this.partial() })
  )

  /** The same parts, up to the terminal one; nothing that a provider sends after it is passed on. */
  watch(parts: Reply.Parts, scope: Scope.Scope): Reply.Parts {
    return Stream.fromPull(
      Effect.map(Reply.toPull(parts, scope), (pull) => {
        const watched = Effect.matchCauseEffect(pull, {
          onSuccess: (chunk) => this.see(chunk),
          onFailure: (cause) => this.end(cause)
        })
        return Effect.suspend(() => (this.collector.complete ? Cause.done() : watched))
      })
    )
  }

  private see(chunk: Chunk): Effect.Effect<Chunk> {
    let read = 0
    while (read < chunk.length && !this.collector.complete) this.collector.add(chunk[read++]!)
    this.call.journal.recorder?.record(chunk, this.call.clock.currentTimeMillisUnsafe())
    if (!this.collector.complete || this.call.settlement.settled) return Effect.succeed(chunk)
    const collected = this.collector.completion()
    const completion = withUsage(this.options, this.call, collected)
    let seen: ReadonlyArray<Reply.Part> = read === chunk.length ? chunk : chunk.slice(0, read)
    if (completion !== collected) {
      seen = seen.map((part) => (part.type === "finish" ? { ...part, usage: completion.usage } : part))
    }
    const settled = this.call.settlement.run({ _tag: "Success", completion })
    return settled === Effect.void ? Effect.succeed(seen as Chunk) : Effect.as(settled, seen as Chunk)
  }

  private end(cause: Cause.Cause<EngineError | Cause.Done>): Effect.Effect<never, EngineError | Cause.Done> {
    // A reader that was interrupted may come back; whether it does, its scope knows.
    if (this.call.settlement.settled || Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    const error = this.errorOf(cause)
    return Effect.andThen(
      this.call.settlement.breakOff({ _tag: "Failure", error, partial: this.partial() }),
      Effect.fail(error)
    )
  }

  private errorOf(cause: Cause.Cause<EngineError | Cause.Done>): EngineError {
    const failure = cause.reasons.find(Cause.isFailReason)?.error
    if (failure === undefined) return internalError(cause.reasons.find(Cause.isDieReason)?.defect)
    if (!Cause.isDone(failure)) return failure
    const { model, provider } = this.call.journal.target ?? { provider: "", model: "" }
    return new StreamTruncated({ provider, model, detail: "no terminal event came" })
  }

  private partial(): Reply.Completion {
    return {
      ...this.collector.completion(),
      usage: estimated(this.options, this.call, this.collector.text)
    }
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
