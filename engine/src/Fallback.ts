/**
 * Tries the candidates of a call until one answers, and asks `Retry` when to try again.
 *
 * Candidates are taken in order. A rate limit or an open circuit goes to the next ready candidate at once, other
 * provider faults are retried in place while attempts are left over; every candidate keeps one, whatever the bound says.
 * Waiting is for when nobody is ready. It ends with the first reply: after that nothing is retried (law 3). Callers'
 * faults end at once.
 */
import { Effect, type Scope } from "effect"
import { openAttempt } from "./Attempt.ts"
import type { Breaker } from "./Breaker.ts"
import { type Call, type Target, upstreamAttempts } from "./Call.ts"
import {
  CircuitOpen,
  type EngineError,
  fallsBack,
  InternalError,
  ProviderRateLimited,
  retryAfterMsOf
} from "./Errors.ts"
import type { RateLimiter } from "./RateLimiter.ts"
import type { Reply } from "./Reply.ts"
import type { Backoff, Retry } from "./Retry.ts"
import type { Open, OpenAttempt } from "./Stage.ts"

export interface FallbackServices {
  readonly retry: Retry["Service"]
  readonly breaker: Breaker["Service"]
  readonly limiter: RateLimiter["Service"]
}

/** The end of the call's pipeline: everything below it happens once per attempt. */
export const fallback =
  (services: FallbackServices, open: OpenAttempt): Open =>
  (call) => {
    services.retry.onCall(call.clock.currentTimeMillisUnsafe())
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
    return Effect.catch(openAttempt(this.call, candidate.target, this.open), (error) => this.failed(candidate, error))
  }

  private failed(candidate: Candidate, error: EngineError): Opened {
    if (isRefusal(error)) return this.without(candidate, error)
    if (!fallsBack(error)) return Effect.fail(error)
    if (!error.retryable) return this.without(candidate, error)
    return Effect.flatMap(this.delayMs(error), (delayMs) => {
      if (delayMs === undefined) return this.without(candidate, error)
      candidate.notBeforeMs = this.nowMs + delayMs
      candidate.invited = error._tag === "ProviderRateLimited" && error.retryAfterMs !== undefined
      const elsewhere = error._tag === "ProviderRateLimited" || error._tag === "CircuitOpen"
      return !elsewhere && this.hasSpare(this.nowMs) ? this.again(candidate, error) : this.next(error)
    })
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

/** Our own limits, and abilities that this provider lacks: no call was made there, another candidate may do. */
const isRefusal = (error: EngineError): boolean =>
  error._tag === "UnsupportedAbility" || (error.fault === "policy" && error._tag !== "DeadlineExceeded")

/** Whole seconds for a Retry-After header, at least 1; undefined when the error names no delay. */
export const retryAfterSeconds = (error: EngineError): number | undefined => {
  const retryAfterMs = retryAfterMsOf(error)
  return retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1000))
}
