/**
 * One attempt of a call at one target: its own scope, its own settlement, its line in the journal.
 *
 * A failed attempt's connection is closed and then settled before anything else happens, so the next attempt never
 * overlaps it. A successful one is settled with the call, when the last part has been read (laws 1 and 3). Of two attempts
 * that run beside each other the first to answer is the call's; the other is closed and settled as one that was left.
 */
import { Cause, Effect, Exit, Scope } from "effect"
import { type Attempt, type Call, type Outcome, Settlement, type Target } from "./Call.ts"
import { Cancelled, type EngineError, InternalError } from "./Errors.ts"
import type { Completion, Reply } from "./Reply.ts"
import type { AttemptStage, OpenAttempt } from "./Stage.ts"
import { zero } from "./Usage.ts"

/** Two attempts of one call at the same time, of which one may answer. */
export class Twins {
  private winner: Attempt | undefined = undefined

  /** True for the first that asks, and whenever it asks again. */
  claim(attempt: Attempt): boolean {
    this.winner ??= attempt
    return this.winner === attempt
  }

  lost(attempt: Attempt): boolean {
    return this.winner !== undefined && this.winner !== attempt
  }
}

export interface AttemptOptions {
  /** The attempt runs beside another one. */
  readonly twins: Twins
  /** It is the later one. */
  readonly hedge: boolean
}

/** Opens an attempt; fails only before the first part. One that has lost to its twin never ends by itself. */
export const openAttempt = (
  call: Call,
  target: Target,
  open: OpenAttempt,
  options?: AttemptOptions
): Effect.Effect<Reply, EngineError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (parent) => {
    const attempt: Attempt = {
      target,
      startedAtMs: call.clock.currentTimeMillisUnsafe(),
      queueMs: 0,
      sentAtMs: undefined,
      firstPartAtMs: undefined,
      endedAtMs: undefined,
      error: undefined,
      hedge: options?.hedge === true,
      lost: undefined,
      reserved: undefined,
      otherKey: false,
      omitted: none
    }
    call.journal.attempts.push(attempt)
    const settlement = new Settlement()
    settlement.add((outcome) => {
      attempt.endedAtMs = call.clock.currentTimeMillisUnsafe()
      if (outcome._tag === "Failure") attempt.error = outcome.error
      else if (outcome._tag === "Cancelled" && attempt.sentAtMs === undefined) attempt.error = new Cancelled()
    })
    const scope = Scope.forkUnsafe(parent)
    const opened = Effect.onExitPrimitive(
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
        if (options !== undefined && options.twins.lost(attempt)) {
          settlement.release = Scope.close(scope, Exit.void)
          return settlement.breakOff(lostOutcome(call, attempt, exit))
        }
        call.journal.omitted = attempt.omitted ?? none
        if (Exit.isSuccess(exit)) {
          options?.twins.claim(attempt)
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
    if (options === undefined) return opened
    return Effect.flatMap(opened, (reply) => (options.twins.lost(attempt) ? Effect.never : Effect.succeed(reply)))
  })

const none: ReadonlyArray<string> = []

/** The last stage before the provider: from here on the attempt counts as one that reached it. */
export const send: AttemptStage = (next) => (call) => {
  call.attempt.sentAtMs = call.clock.currentTimeMillisUnsafe()
  return next(call)
}

/** How an attempt ended whose twin has answered: a failure of its own stays one, everything else was left by us. */
const lostOutcome = (call: Call, attempt: Attempt, exit: Exit.Exit<Reply, EngineError>): Outcome => {
  if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) return outcomeOfCause(exit.cause)
  if (attempt.sentAtMs === undefined) return { _tag: "Cancelled", partial: undefined }
  const partial =
    Exit.isSuccess(exit) && exit.value._tag === "Whole" ? exit.value.completion : unread(call, attempt.target)
  attempt.lost = { usage: partial.usage, cost: undefined }
  return { _tag: "Cancelled", partial }
}

/** An answer of which nothing was read: the provider has seen the prompt, and that is all we know. */
const unread = (call: Call, { model }: Target): Completion => ({
  id: "",
  model,
  content: [],
  finishReason: "other",
  rawFinishReason: undefined,
  usage: { ...zero, uncachedInput: Math.ceil(call.journal.promptTokens ?? 0), estimated: true }
})

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
