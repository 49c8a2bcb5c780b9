/**
 * The request's own deadline: `timeout` covers the queue, every attempt and the whole stream.
 *
 * Before the first part it interrupts what is running below; after it, it ends the stream with `DeadlineExceeded`.
 * Requests without a timeout pass untouched.
 */
import { Effect, Scope, Stream } from "effect"
import type { Call } from "./Call.ts"
import { DeadlineExceeded } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import type { Stage } from "./Stage.ts"

export const deadline: Stage = (next) => (call) => {
  const { timeoutMs } = call.request
  if (timeoutMs === undefined) return next(call)
  const untilMs = call.journal.startedAtMs + timeoutMs
  const remaining = () => Math.max(0, untilMs - call.clock.currentTimeMillisUnsafe())
  return Effect.flatMap(
    Effect.timeoutOrElse(next(call), {
      duration: remaining(),
      orElse: () => Effect.fail(new DeadlineExceeded({ timeoutMs, where: whereOf(call) }))
    }),
    (reply) => {
      if (reply._tag === "Whole") return Effect.succeed(reply)
      return Effect.map(Effect.scope, (scope) =>
        Reply.parts(
          Stream.fromPull(
            Effect.provideService(
              Effect.map(Stream.toPull(reply.parts), (pull) =>
                Effect.suspend(() =>
                  Effect.timeoutOrElse(pull, {
                    duration: remaining(),
                    orElse: () => Effect.fail(new DeadlineExceeded({ timeoutMs, where: "stream" }))
                  })
                )
              ),
              Scope.Scope,
              scope
            )
          )
        )
      )
    }
  )
}

const whereOf = ({ journal }: Call): DeadlineExceeded["where"] => {
  const last = journal.attempts[journal.attempts.length - 1]
  if (last === undefined) return "queue"
  return last.endedAtMs === undefined ? "attempt" : "backoff"
}
