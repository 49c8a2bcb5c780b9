/**
 * Settlement: the end of every call, told once to everybody who asked (law 1).
 *
 * The outermost stage. It sees the reply go by: a whole answer or the terminal part settles a success, a failure before
 * or in the stream settles a failure, and a scope that closes earlier settles a cancellation. Usage that no provider
 * reported is filled in, and a stream without a terminal part ends with `StreamTruncated` (law 3). Parts that several
 * callers share come with their settlement: `FlightMember` reads along for them.
 */
import { Cause, Effect, Exit, Scope, Stream } from "effect"
import { outcomeOfCause } from "./Attempt.ts"
import type { Call } from "./Call.ts"
import { Ending, type EndingOptions, withUsage } from "./Ending.ts"
import { type EngineError, InternalError } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import type { Stage } from "./Stage.ts"

export const settle =
  (options: EndingOptions): Stage =>
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
            answer = exit.value
            if (exit.value.settles === true) return undefined
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
  private readonly call: Call
  private readonly ending: Ending
  /** Where callers share an answer, their flight records it. */
  private readonly recorder: Call["journal"]["recorder"]

  constructor(options: EndingOptions, call: Call) {
    this.call = call
    this.ending = new Ending(options, call)
    this.recorder = call.settlement.review === undefined ? call.journal.recorder : undefined
  }

  /** The scope closed: if nothing else ended the call, its caller left. */
  readonly leave: Effect.Effect<void> = Effect.suspend(() =>
    this.call.settlement.settled
      ? Effect.void
      : this.call.settlement.breakOff({ _tag: "Cancelled", partial: this.ending.partial() })
  )

  /** The same parts, up to the terminal one; nothing that a provider sends after it is passed on. */
  watch(parts: Reply.Parts, scope: Scope.Scope): Reply.Parts {
    return Stream.fromPull(
      Effect.map(Reply.toPull(parts, scope), (pull) => {
        const watched = Effect.matchCauseEffect(pull, {
          onSuccess: (chunk) => this.see(chunk),
          onFailure: (cause) => this.end(cause)
        })
        return Effect.suspend(() => (this.ending.completion === undefined ? watched : Cause.done()))
      })
    )
  }

  private see(chunk: Chunk): Effect.Effect<Chunk> {
    const seen = this.ending.see(chunk)
    this.recorder?.record(chunk, this.call.clock.currentTimeMillisUnsafe())
    const { completion } = this.ending
    if (completion === undefined) return Effect.succeed(chunk)
    const settled = this.call.settlement.run({ _tag: "Success", completion })
    return settled === Effect.void ? Effect.succeed(seen) : Effect.as(settled, seen)
  }

  private end(cause: Cause.Cause<EngineError | Cause.Done>): Effect.Effect<never, EngineError | Cause.Done> {
    // A reader that was interrupted may come back; whether it does, its scope knows.
    if (this.call.settlement.settled || Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    const failure = this.ending.failure(cause)
    return Effect.andThen(this.call.settlement.breakOff(failure), Effect.fail(failure.error))
  }
}
