/**
 * The request's own deadline: `timeout` covers the queue, every attempt and the whole stream.
 *
 * Before the first part it interrupts what is running below; after it, it ends the stream with `DeadlineExceeded`, also one
 * that nobody reads: its connection is closed and its permit given back at the deadline, and the reader is told when it
 * comes. Requests without a timeout pass untouched.
 */
import { Effect, type Scope, Stream } from "effect"
import type { Call } from "./Call.ts"
import { DeadlineExceeded } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import type { Stage } from "./Stage.ts"

export const deadline: Stage = (next) => (call) => {
  const { timeoutMs } = call.request
  if (timeoutMs === undefined) return next(call)
  const untilMs = call.journal.startedAtMs + timeoutMs
  const remainingMs = () => untilMs - call.clock.currentTimeMillisUnsafe()
  const within = <A, E, R>(effect: Effect.Effect<A, E, R>, where: () => DeadlineExceeded["where"]) =>
    Effect.suspend(() => {
      const duration = remainingMs()
      const exceeded = () => Effect.fail(new DeadlineExceeded({ timeoutMs, where: where() }))
      return duration > 0 ? Effect.timeoutOrElse(effect, { duration, orElse: exceeded }) : exceeded()
    })
  return Effect.flatMap(
    within(
      Effect.suspend(() => next(call)),
      () => whereOf(call)
    ),
    (reply) => {
      if (reply._tag === "Whole") return Effect.succeed(reply)
      let reading = false
      const bound = (parts: Reply.Parts, scope: Scope.Scope): Reply.Parts =>
        Stream.fromPull(
          Effect.map(Reply.toPull(parts, scope), (pull) => {
            const ended = Effect.sync(() => void (reading = false))
            const bounded = Effect.ensuring(
              within(pull, () => "stream"),
              ended
            )
            return Effect.suspend(() => {
              reading = true
              return bounded
            })
          })
        )
      const unread = Effect.suspend(() => (reading ? Effect.void : expire(call, timeoutMs)))
      return Effect.flatMap(Effect.scope, (scope) =>
        Effect.as(
          Effect.forkIn(Effect.andThen(Effect.sleep(Math.max(0, remainingMs())), unread), scope),
          Reply.parts(bound(reply.parts, scope))
        )
      )
    }
  )
}

/** Ends a stream that nobody is reading: closes its connection and settles it as a failure, with what was read of it. */
const expire = ({ settlement }: Call, timeoutMs: number): Effect.Effect<void> => {
  if (settlement.settled || settlement.leave === undefined) return Effect.void
  const { review } = settlement
  settlement.review = (left) => {
    const error = new DeadlineExceeded({ timeoutMs, where: "stream" })
    const outcome = left._tag === "Cancelled" ? ({ _tag: "Failure", error, partial: left.partial } as const) : left
    return review === undefined ? outcome : review(outcome)
  }
  return settlement.leave
}

/** What the call was doing when it was interrupted. */
const whereOf = ({ journal }: Call): DeadlineExceeded["where"] => {
  if (journal.cache === "coalesced") return "attempt"
  const last = journal.attempts[journal.attempts.length - 1]
  if (last === undefined || last.sentAtMs === undefined) return "queue"
  return last.error === undefined ? "attempt" : "backoff"
}
