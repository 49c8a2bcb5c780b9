/**
 * The one verb and the one shape: `Open` and `Stage`.
 *
 * `open` succeeds when the first part of the reply is in hand; its scope owns the connection. A stage wraps an `open`
 * in one concern. Stages above the choice of a provider are `Stage`, those below it `AttemptStage`; order is written
 * in `Engine.ts` alone.
 */
import type { Effect, Scope } from "effect"
import type { Attempt, Call, Target } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import type { Reply } from "./Reply.ts"

/** Opens a call. Fails before the first part, never after it: later failures are in the reply's stream. */
export type Open = (call: Call) => Effect.Effect<Reply, EngineError, Scope.Scope>

/** One concern around a call. */
export type Stage = (next: Open) => Open

/** One attempt of a call at one target. Its call carries a settlement of the attempt alone. */
export interface AttemptCall extends Call {
  readonly target: Target
  readonly attempt: Attempt
}

export type OpenAttempt = (call: AttemptCall) => Effect.Effect<Reply, EngineError, Scope.Scope>

/** One concern around an attempt. */
export type AttemptStage = (next: OpenAttempt) => OpenAttempt

/** Composes stages, outermost first: `compose(a, b)(open)` is `a(b(open))`. */
export const compose =
  (...stages: ReadonlyArray<Stage>): Stage =>
  (open) =>
    stages.reduceRight((next, stage) => stage(next), open)

export const composeAttempt =
  (...stages: ReadonlyArray<AttemptStage>): AttemptStage =>
  (open) =>
    stages.reduceRight((next, stage) => stage(next), open)
