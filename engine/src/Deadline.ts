/**
 * The request's own deadline: `timeout` covers the queue, every attempt and the whole stream.
 *
 * Before the first part it interrupts what is running below; after it, it ends the stream with `DeadlineExceeded`.
 * Requests without a timeout pass untouched.
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
  const within = <A, E, R>(effect: Effect.Effect<A, E, R>, where: () => DeadlineExceeded["where"]) =>
    Effect.suspend(() => {
      const remainingMs = untilMs - call.clock.currentTimeMillisUnsafe()
      const exceeded = () => Effect.fail(new DeadlineExceeded({ timeoutMs, where: where() }))
      return remainingMs > 0 ? Effect.timeoutOrElse(effect, { duration: remainingMs, orElse: exceeded }) : exceeded()
    })
  const bound = (parts: Reply.Parts, scope: Scope.Scope): Reply.Parts =>
    Stream.fromPull(Effect.map(Reply.toPull(parts, scope), (pull) => within(pull, () => "stream")))
  return Effect.flatMap(
    within(
      Effect.suspend(() => next(call)),
      () => whereOf(call)
    ),
    (reply) =>
      reply._tag === "Whole"
        ? Effect.succeed(reply)
        : Effect.map(Effect.scope, (scope) => Reply.parts(bound(reply.parts, scope)))
  )
}

/** What the call was doing when it was interrupted. */
const whereOf = ({ journal }: Call): DeadlineExceeded["where"] => {
  if (journal.cache === "coalesced") return "attempt"
  const last = journal.attempts[journal.attempts.length - 1]
  if (last === undefined || last.sentAtMs === undefined) return "queue"
  return last.error === undefined ? "attempt" : "backoff"
}
