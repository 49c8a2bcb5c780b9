/**
 * Tries the candidates of a call until one answers, and asks `Retry` when to try again.
 *
 * Candidates are taken in order. Every fault of a provider goes to the next candidate at once that is ready and has not been
 * tried; waiting, and asking one again, is for when there is none, and then whoever is ready first is asked. Every candidate
 * keeps one attempt, whatever the bound says. It ends with the first reply: after that nothing is retried (law 3).
 * Callers' faults end at once.
 */
import { Effect, type Scope } from "effect"
import { openAttempt, Twins } from "./Attempt.ts"
import type { Breaker } from "./Breaker.ts"
import { type Attempt, type Call, type Target, upstreamAttempts } from "./Call.ts"
import {
  CircuitOpen,
  type EngineError,
  fallsBack,
  InternalError,
  ProviderRateLimited,
  retryAfterMsOf
} from "./Errors.ts"
import type { Hedge } from "./Hedge.ts"
import type { RateLimiter } from "./RateLimiter.ts"
import type { Reply } from "./Reply.ts"
import type { Backoff, Retry } from "./Retry.ts"
import type { Open, OpenAttempt } from "./Stage.ts"

export interface FallbackServices {
  readonly retry: Retry["Service"]
  readonly breaker: Breaker["Service"]
  readonly limiter: RateLimiter["Service"]
  readonly hedge: Hedge["Service"]
  /** Tokens of prompt and answer that a target takes; undefined where that is not known. */
  readonly windowOf: (target: Target) => number | undefined
}

/** The end of the call's pipeline: everything below it happens once per attempt. */
export const fallback =
  (services: FallbackServices, open: OpenAttempt): Open =>
  (call) => {
    services.retry.onCall(call.clock.currentTimeMillisUnsafe())
    const { hedge } = services
    if (hedge.enabled) {
      hedge.onCall()
      call.settlement.add(() => {
        for (const attempt of call.journal.attempts) hedge.learn(attempt, call.request)
      })
    }
    const tries = new Tries(services, call, open)
    return tries.first()
  }

interface Candidate {
  readonly target: Target
  tried: boolean
  /** False once another attempt there can't help. */
  alive: boolean
  /** Epoch milliseconds before which it is not asked again. */
  notBeforeMs: number
  /** True when the provider itself has named that time: coming back then is no extra load. */
  invited: boolean
}

type Opened = Effect.Effect<Reply, EngineError, Scope.Scope>

/** The course of one call over its candidates. */
class Tries {
  private readonly services: FallbackServices
  private readonly call: Call
  private readonly open: OpenAttempt
  private readonly candidates: ReadonlyArray<Candidate>
  private backoff: Backoff | undefined
  /** True once a second attempt was made beside another: a call gets one. */
  private hedged = false

  constructor(services: FallbackServices, call: Call, open: OpenAttempt) {
    this.services = services
    this.call = call
    this.open = open
    this.candidates = call.journal.candidates.map((target) => ({
      target,
      tried: false,
      alive: true,
      notBeforeMs: 0,
      invited: false
    }))
  }

  first(): Opened {
    const only = this.candidates.length === 1 ? this.candidates[0]! : undefined
    return only !== undefined && this.circuitOpenUntilMs(only, this.nowMs) === 0 ? this.attempt(only) : this.next()
  }

  private attempt(candidate: Candidate): Opened {
    candidate.tried = true
    const paused = this.paused(candidate)
    if (paused !== undefined) return this.without(candidate, paused)
    return Effect.catch(this.opened(candidate), (error) => this.failed(candidate, error))
  }

  /** One attempt, or two of which one answers. */
  private opened(candidate: Candidate): Opened {
    const { hedge } = this.services
    const delayMs = hedge.enabled && !this.hedged ? hedge.delayMs(candidate.target, this.call.request) : undefined
    return delayMs === undefined
      ? openAttempt(this.call, candidate.target, this.open)
      : this.besides(candidate, delayMs)
  }

  private failed(candidate: Candidate, error: EngineError): Opened {
    if (ends(error)) return Effect.fail(error)
    const another = this.attemptOf(candidate)?.otherKey === true
    return Effect.flatMap(this.note(candidate, error), () => {
      if (!candidate.alive) return this.next(error)
      return another && this.hasSpare(this.nowMs) ? this.attempt(candidate) : this.next(error)
    })
  }

  /** What a failure says about asking this candidate, and others, again. */
  private note(candidate: Candidate, error: EngineError): Effect.Effect<void> {
    if (isTooLong(error)) this.dropSmaller(candidate)
    else if (this.attemptOf(candidate)?.otherKey === true) {
      candidate.notBeforeMs = this.nowMs
      candidate.invited = true
      return Effect.void
    }
    if (isRefusal(error) || !error.retryable) {
      candidate.alive = false
      return Effect.void
    }
    return Effect.map(this.delayMs(error), (delayMs) => {
      if (delayMs === undefined) {
        candidate.alive = false
        return
      }
      candidate.notBeforeMs = this.nowMs + delayMs
      candidate.invited = error._tag === "ProviderRateLimited" && error.retryAfterMs !== undefined
    })
  }

  /** A prompt that is too long here is too long wherever the window is known to be no larger. */
  private dropSmaller({ target }: Candidate): void {
    const tooSmall = this.services.windowOf(target)
    for (const candidate of this.candidates) {
      const window = this.services.windowOf(candidate.target)
      if (tooSmall !== undefined && window !== undefined && window <= tooSmall) candidate.alive = false
    }
  }

  private attemptOf({ target }: Candidate): Attempt | undefined {
    return this.call.journal.attempts.findLast((attempt) => attempt.target === target)
  }

  /**
   * An attempt and, when its first part is late, another one beside it: the first to answer is the call's, the other is
   * closed at once. Both run in fibers of their own. It fails as the first attempt does, when the other is over too.
   */
  private besides(candidate: Candidate, delayMs: number): Opened {
    const twins = new Twins()
    const first = this.call.journal.attempts.length
    let failure: EngineError | undefined
    let running = false
    const early = Effect.catch(
      openAttempt(this.call, candidate.target, this.open, { twins, hedge: false }),
      (error) => {
        failure = error
        return running && !ends(error) ? Effect.never : Effect.fail(error)
      }
    )
    const late: Opened = Effect.suspend(() => {
      const sentAtMs = this.call.journal.attempts[first]!.sentAtMs
      // What waits for our own limits is not late: nobody has been asked.
      const waitMs = sentAtMs === undefined ? Math.max(1, delayMs) : sentAtMs + delayMs - this.nowMs
      if (waitMs > 0) return Effect.andThen(Effect.sleep(waitMs), late)
      const other = this.readyBeside(candidate)
      if (other === undefined || !this.services.hedge.spend()) return Effect.never
      other.tried = true
      this.hedged = true
      running = true
      return Effect.catch(openAttempt(this.call, other.target, this.open, { twins, hedge: true }), (error) => {
        running = false
        const noted = other === candidate ? Effect.void : this.note(other, error)
        return Effect.flatMap(noted, () => (failure === undefined ? Effect.never : Effect.fail(failure)))
      })
    })
    return Effect.raceFirst(early, late)
  }

  /** Who can be asked at once beside an attempt: a candidate that nobody has tried, else the same one again. */
  private readyBeside(first: Candidate): Candidate | undefined {
    const nowMs = this.nowMs
    const ready = (candidate: Candidate) => candidate.alive && this.readyAtMs(candidate, nowMs) <= nowMs
    const other = this.candidates.find((candidate) => !candidate.tried && ready(candidate))
    return other ?? (this.hasSpare(nowMs) && ready(first) ? first : undefined)
  }

  /** Goes on with a candidate that has not been tried and is ready, else with whoever is ready first. */
  private next(error?: EngineError): Opened {
    const nowMs = this.nowMs
    const spare = this.hasSpare(nowMs)
    let best: Candidate | undefined
    let bestAtMs = Number.POSITIVE_INFINITY
    for (const candidate of this.candidates) {
      if (!candidate.alive || (candidate.tried && !spare) || this.circuitOpenUntilMs(candidate, nowMs) > 0) continue
      const readyAtMs = this.readyAtMs(candidate, nowMs)
      if (!candidate.tried && readyAtMs <= nowMs) return this.attempt(candidate)
      if (readyAtMs < bestAtMs) {
        best = candidate
        bestAtMs = readyAtMs
      }
    }
    if (best === undefined) return Effect.fail(error ?? this.nobody(nowMs))
    return best.tried && error !== undefined ? this.again(best, error) : this.attempt(best)
  }

  private without(candidate: Candidate, error: EngineError): Opened {
    candidate.alive = false
    return this.next(error)
  }

  /** Another attempt at a candidate that has failed before: waits, within the deadline and the retry budget. */
  private again(candidate: Candidate, error: EngineError): Opened {
    const nowMs = this.nowMs
    const waitMs = Math.max(0, candidate.notBeforeMs - nowMs)
    const { timeoutMs } = this.call.request
    if (timeoutMs !== undefined && nowMs + waitMs >= this.call.journal.startedAtMs + timeoutMs) {
      return this.without(candidate, error)
    }
    if (!candidate.invited && !this.services.retry.spend(nowMs)) return this.without(candidate, error)
    return Effect.andThen(
      Effect.sleep(waitMs),
      Effect.suspend(() => this.attempt(candidate))
    )
  }

  private delayMs(error: EngineError): Effect.Effect<number | undefined> {
    const nowMs = this.nowMs
    if (this.backoff !== undefined) return this.backoff.next(error, nowMs)
    return Effect.flatMap(this.services.retry.backoff, (backoff) => {
      this.backoff = backoff
      return backoff.next(error, nowMs)
    })
  }

  private readyAtMs(candidate: Candidate, nowMs: number): number {
    const tokens = (this.call.journal.promptTokens ?? 0) + (this.call.request.maxTokens ?? 0)
    const { provider } = candidate.target
    return Math.max(
      candidate.notBeforeMs,
      this.circuitOpenUntilMs(candidate, nowMs),
      nowMs + this.services.limiter.waitMs(provider, tokens, nowMs)
    )
  }

  private circuitOpenUntilMs(candidate: Candidate, nowMs: number): number {
    return this.services.breaker.retryAtMs(candidate.target, nowMs)
  }

  /** The provider's own 429 again, counted down, while it asks for a longer pause than anybody waits. */
  private paused({ target }: Candidate): ProviderRateLimited | undefined {
    const { limiter, retry } = this.services
    const retryAfterMs = limiter.pausedUntilMs(target.provider) - this.nowMs
    if (retryAfterMs <= retry.maxDelayMs) return undefined
    const detail = "it asked for a pause (Retry-After) that is not over"
    return new ProviderRateLimited({ ...target, detail, upstreamStatus: 429, retryAfterMs })
  }

  /** Nobody can be asked: every circuit is open, the first probe tells when to come back. */
  private nobody(nowMs: number): EngineError {
    let soonest: CircuitOpen | undefined
    for (const candidate of this.candidates) {
      const retryAfterMs = this.circuitOpenUntilMs(candidate, nowMs) - nowMs
      if (retryAfterMs > 0 && retryAfterMs < (soonest?.retryAfterMs ?? Number.POSITIVE_INFINITY)) {
        soonest = new CircuitOpen({ ...candidate.target, retryAfterMs })
      }
    }
    return soonest ?? new InternalError({ detail: "the request has no candidate" })
  }

  /** True while an attempt is left over after one for each candidate that has not been tried and can be. */
  private hasSpare(nowMs: number): boolean {
    let left = this.services.retry.maxAttempts - upstreamAttempts(this.call.journal)
    for (const candidate of this.candidates) {
      if (candidate.alive && !candidate.tried && this.circuitOpenUntilMs(candidate, nowMs) === 0) left--
    }
    return left > 0
  }

  private get nowMs(): number {
    return this.call.clock.currentTimeMillisUnsafe()
  }
}

/** What nobody else can heal either: the request is wrong, its time is over, or Millrace is. */
const ends = (error: EngineError): boolean =>
  isSpentForAll(error) || (!isRefusal(error) && !fallsBack(error) && !isTooLong(error))

/** A budget that every candidate of the call is charged to; one of a provider or a model leaves room elsewhere. */
const isSpentForAll = (error: EngineError): boolean =>
  error._tag === "BudgetExceeded" &&
  error.reason !== "unpriced" &&
  error.scope !== "provider" &&
  error.scope !== "model"

/** A provider found the prompt too long that we took for one that fits: a larger window may hold it. */
const isTooLong = (error: EngineError): boolean => error._tag === "RequestRejected" && error.kind === "context_length"

/** Our own limits, and abilities that this provider lacks: no call was made there, another candidate may do. */
const isRefusal = (error: EngineError): boolean =>
  error._tag === "UnsupportedAbility" ||
  (error.fault === "policy" && error._tag !== "DeadlineExceeded" && error._tag !== "ShuttingDown")

/** Whole seconds for a Retry-After header, at least 1; undefined when the error names no delay. */
export const retryAfterSeconds = (error: EngineError): number | undefined => {
  const retryAfterMs = retryAfterMsOf(error)
  return retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1000))
}
