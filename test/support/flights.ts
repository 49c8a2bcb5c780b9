/**
 * Callers of one answer at the same time: each opens a call, reads it as it asked for it, and says what it got.
 */
import { Effect, Exit, Fiber, Stream } from "effect"
import type { Call } from "../../engine/src/Call.ts"
import { Engine } from "../../engine/src/Engine.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { AIRequest, Request } from "../../engine/src/Request.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import { requestOf } from "./engine.ts"

export interface Caller {
  readonly call: Call
  /** What it has read so far. */
  readonly parts: Array<Reply.Part>
  readonly fiber: Fiber.Fiber<Reply.Completion, EngineError>
}

export interface CallerOptions extends AIRequest {
  /** Milliseconds between two reads. */
  readonly pauseMs?: number
  /** Fields that no `AIRequest` has, such as the body in a dialect. */
  readonly more?: Partial<Request>
}

/** Opens a call in a fiber of its own and reads it to the end. */
export const caller = Effect.fnUntraced(function* ({ more, pauseMs, ...fields }: CallerOptions = {}) {
  const engine = yield* Engine
  const request = yield* requestOf({ prompt: "hello", ...fields })
  const call = yield* engine.call({ ...request, ...more })
  const parts: Array<Reply.Part> = []
  const read = (reply: Reply.Reply) => {
    const collector = new Reply.Collector()
    if (reply._tag === "Whole" && !call.request.stream) return Effect.succeed(reply.completion)
    return Effect.as(
      Stream.runForEachArray(Reply.stream(reply), (chunk) => {
        for (const part of chunk) {
          parts.push(part)
          collector.add(part)
        }
        return pauseMs === undefined ? Effect.void : Effect.sleep(pauseMs)
      }),
      collector
    ).pipe(Effect.map((collected) => collected.completion()))
  }
  const fiber = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(engine.open(call), read)), {
    startImmediately: true
  })
  return { call, parts, fiber } satisfies Caller as Caller
})

/** Callers of one request, in order; a field of each overrides what they share. */
export const callers = (each: ReadonlyArray<CallerOptions>, shared: CallerOptions = {}) =>
  Effect.forEach(each, (fields) => caller({ ...shared, ...fields }))

/** How each caller ended. */
export const ends = (of: ReadonlyArray<Caller>) => Effect.forEach(of, ({ fiber }) => Fiber.await(fiber))

/** The text that a caller got, or the kind of its failure. */
export const gist = (exit: Exit.Exit<Reply.Completion, EngineError>): string => {
  if (Exit.isSuccess(exit)) return Reply.textOf(exit.value)
  const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")
  return failure === undefined ? "interrupted" : failure.error._tag
}

export const gists = (of: ReadonlyArray<Caller>) => Effect.map(ends(of), (exits) => exits.map(gist))

/** What was recorded of a caller. */
export const rowOf = Effect.fnUntraced(function* ({ call }: Caller) {
  const row = yield* (yield* UsageLog).request(call.request.id)
  if (row === undefined) throw new Error(`there is no record of ${call.request.id}`)
  return row
})

export const rowsOf = (of: ReadonlyArray<Caller>) => Effect.forEach(of, rowOf)
