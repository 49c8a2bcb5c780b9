/**
 * One attempt of a call at one target: its own scope, its own settlement, its line in the journal.
 *
 * A failed attempt's connection is closed and then settled before anything else happens, so the next attempt never
 * overlaps it. A successful one is settled with the call, when the last part has been read (laws 1 and 3).
 */
import { Cause, Effect, Exit, Scope } from "effect"
import { type Attempt, type Call, type Outcome, Settlement, type Target } from "./Call.ts"
import { Cancelled, type EngineError, InternalError } from "./Errors.ts"
import type { Reply } from "./Reply.ts"
import type { AttemptStage, OpenAttempt } from "./Stage.ts"

/** Opens an attempt; fails only before the first part. */
export const openAttempt = (
  call: Call,
  target: Target,
  open: OpenAttempt
): Effect.Effect<Reply, EngineError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (parent) => {
    const attempt: Attempt = {
      target,
      startedAtMs: call.clock.currentTimeMillisUnsafe(),
      queueMs: 0,
      sentAtMs: undefined,
      firstPartAtMs: undefined,
      endedAtMs: undefined,
      error: undefined
    }
    call.journal.attempts.push(attempt)
    const settlement = new Settlement()
    settlement.add((outcome) => {
      attempt.endedAtMs = call.clock.currentTimeMillisUnsafe()
      if (outcome._tag === "Failure") attempt.error = outcome.error
      else if (outcome._tag === "Cancelled" && attempt.sentAtMs === undefined) attempt.error = new Cancelled()
    })
    const scope = Scope.forkUnsafe(parent)
    return Effect.onExitPrimitive(
      Effect.provideService(
        Effect.suspend(() =>
          open({
            request: call.request,
            clock: call.clock,
            journal: call.journal,
            settlement,
            target,
            attempt
          })
        ),
        Scope.Scope,
        scope
      ),
      (exit) => {
        if (Exit.isSuccess(exit)) {
          attempt.firstPartAtMs = call.clock.currentTimeMillisUnsafe()
          call.journal.target = target
          call.settlement.release = Scope.close(scope, Exit.void)
          call.settlement.add((outcome) => settlement.run(outcome))
          return undefined
        }
        settlement.release = Scope.close(scope, exit)
        return settlement.breakOff(outcomeOfCause(exit.cause))
      }
    )
  })

/** The last stage before the provider: from here on the attempt counts as one that reached it. */
export const send: AttemptStage = (next) => (call) => {
  call.attempt.sentAtMs = call.clock.currentTimeMillisUnsafe()
  return next(call)
}

/** The outcome of something that ended without a reply. */
export const outcomeOfCause = (cause: Cause.Cause<EngineError>): Outcome => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return { _tag: "Failure", error: failure.error, partial: undefined }
  const defect = cause.reasons.find(Cause.isDieReason)
  if (defect !== undefined) return { _tag: "Failure", error: internalError(defect.defect), partial: undefined }
  return { _tag: "Cancelled", partial: undefined }
}

/** A defect as an error of the `engine` domain; its text stays in `cause` and reaches no caller. */
export const internalError = (cause: unknown): InternalError =>
  new InternalError({ detail: "an internal error stopped the request", cause })
