/**
 * Opens a provider's stream of parts: succeeds with the first part that says something in hand.
 *
 * For providers that are made from other SDKs; a failure before that part fails the attempt, so another one may be made
 * (law 3). Silence of `idleTimeout` afterwards, while somebody waits for a part, ends the stream with `StreamStalled`.
 */
import { Cause, Effect, type Scope, Stream } from "effect"
import { type EngineError, StreamStalled, StreamTruncated } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import type { AttemptCall } from "./Stage.ts"

type Chunk = readonly [Reply.Part, ...Array<Reply.Part>]
type Pull = Effect.Effect<Chunk, EngineError | Cause.Done>

export const openParts = (
  call: AttemptCall,
  idleTimeoutMs: number,
  parts: Reply.Parts
): Effect.Effect<Reply.Reply, EngineError, Scope.Scope> =>
  Effect.flatMap(
    Effect.flatMap(Effect.scope, (scope) => Reply.toPull(parts, scope)),
    (pull) => {
      const pending: Array<Reply.Part> = []
      const peek: Effect.Effect<Reply.Reply, EngineError, Scope.Scope> = Effect.matchEffect(pull, {
        onSuccess: (chunk) => {
          pending.push(...chunk)
          return chunk.some(says) ? Effect.succeed(Reply.parts(resumed(pending, watched))) : peek
        },
        onFailure: (error) =>
          Effect.fail(
            Cause.isDone(error) ? new StreamTruncated({ ...call.target, detail: "it had no content" }) : error
          )
      })
      const watched: Pull = Effect.timeoutOrElse(pull, {
        duration: idleTimeoutMs,
        orElse: () => Effect.fail(new StreamStalled({ ...call.target, idleTimeoutMs }))
      })
      return peek
    }
  )

/** `start` commits to nothing: a provider may still fail after it. */
const says = (part: Reply.Part): boolean => part.type !== "start" && part.type !== "wire"

const resumed = (first: ReadonlyArray<Reply.Part>, rest: Pull): Reply.Parts => {
  let started = false
  return Stream.fromPull(
    Effect.succeed(
      Effect.suspend((): Pull => {
        if (started) return rest
        started = true
        return Effect.succeed(first as Chunk)
      })
    )
  )
}
