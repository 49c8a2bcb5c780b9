/**
 * Opens a stream of another SDK as a reply: succeeds with the first part that says something in hand.
 *
 * A failure before that part fails the attempt, so another one may be made (law 3); what was read before a failure is
 * handed on first. Silence of `idleTimeout` afterwards, while somebody waits, ends the stream with `StreamStalled`.
 */
import { Cause, Effect, Stream } from "effect"
import { type EngineError, StreamStalled, StreamTruncated } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import type { AttemptCall } from "./Stage.ts"

export interface ForeignStream<A> {
  /** The next items, at least one; fails with `Done` at the end. */
  readonly pull: Effect.Effect<ReadonlyArray<A>, EngineError | Cause.Done>
  /** Appends what one item says to `out`; returns the error that ends the stream, if it is one. */
  readonly read: (item: A, out: Array<Reply.Part>) => EngineError | undefined
}

type Chunk = readonly [Reply.Part, ...Array<Reply.Part>]
type Pull = Effect.Effect<Chunk, EngineError | Cause.Done>

export const openParts = <A>(
  call: AttemptCall,
  idleTimeoutMs: number,
  stream: ForeignStream<A>
): Effect.Effect<Reply.Reply, EngineError> => {
  const pull = read(stream)
  const watched: Pull = Effect.timeoutOrElse(pull, {
    duration: idleTimeoutMs,
    orElse: () => Effect.fail(new StreamStalled({ ...call.target, idleTimeoutMs }))
  })
  const pending: Array<Reply.Part> = []
  const peek: Effect.Effect<Reply.Reply, EngineError> = Effect.matchEffect(pull, {
    onSuccess: (chunk) => {
      pending.push(...chunk)
      return chunk.some(says) ? Effect.succeed(Reply.parts(resumed(pending, watched))) : peek
    },
    onFailure: (error) =>
      Effect.fail(Cause.isDone(error) ? new StreamTruncated({ ...call.target, detail: "it had no content" }) : error)
  })
  return peek
}

const read = <A>(stream: ForeignStream<A>): Pull => {
  let failure: EngineError | undefined
  const step: Pull = Effect.flatMap(
    Effect.suspend(() => (failure === undefined ? stream.pull : Effect.fail(failure))),
    (items) => {
      const out: Array<Reply.Part> = []
      for (const item of items) {
        failure = stream.read(item, out)
        if (failure !== undefined) break
      }
      return out.length === 0 ? step : Effect.succeed(out as unknown as Chunk)
    }
  )
  return step
}

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
