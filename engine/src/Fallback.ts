/**
 * Tries the candidates of a call until one answers, and asks `Retry` when to try again.
 *
 * Candidates are taken in order. A rate limit or an open circuit goes to the next ready candidate at once, other
 * provider faults are retried in place while every untried candidate still has one attempt left; waiting is for when
 * nobody is ready. It ends with the first reply: after that nothing is retried (law 3). Callers' faults end at once.
 */
import { Effect, type Scope } from "effect"
import { openAttempt } from "./Attempt.ts"
import type { Breaker } from "./Breaker.ts"
import { type Call, type Target, upstreamAttempts } from "./Call.ts"
import { CircuitOpen, type EngineError, fallsBack, InternalError, retryAfterMsOf } from "./Errors.ts"
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
      notBeforeMs: 0
    }))
  }

  first(): Opened {
    const nowMs = this.nowMs
    const only = this.candidates.length === 1 ? this.candidates[0]! : undefined
    const candidate = only ?? this.candidates.find((candidate) => this.readyAtMs(candidate, nowMs) <= nowMs)
    if (candidate !== undefined && this.circuitOpenUntilMs(candidate, nowMs) === 0) return this.attempt(candidate)
    return this.next(this.firstOpenCircuit(nowMs))
  }

  private attempt(candidate: Candidate): Opened {
    candidate.tried = true
    return Effect.catch(openAttempt(this.call, candidate.target, this.open), (error) => this.failed(candidate, error))
  }

  private failed(candidate: Candidate, error: EngineError): Opened {
    const refused = error.fault === "policy" && error._tag !== "DeadlineExceeded"
    if (!fallsBack(error) && !refused) return Effect.fail(error)
    if (refused) {
      candidate.alive = false
      return this.next(error)
    }
    if (!error.retryable) {
      candidate.alive = false
      return this.next(error)
    }
    return Effect.flatMap(this.delayMs(error), (delayMs) => {
      if (delayMs === undefined) {
        candidate.alive = false
        return this.next(error)
      }
      candidate.notBeforeMs = this.nowMs + delayMs
      const moveOn = error._tag === "ProviderRateLimited" || error._tag === "CircuitOpen"
      if (!moveOn && this.attemptsLeft > this.untried) return this.again(candidate, error)
      if (!moveOn && this.untried > 0) candidate.alive = false
      return this.next(error)
    })
  }

  /** Goes on with another candidate, or waits for the one that is ready first. */
  private next(error: EngineError | undefined): Opened {
    const nowMs = this.nowMs
    const alive = this.candidates.filter((candidate) => candidate.alive)
    const ready = alive.find((candidate) => !candidate.tried && this.readyAtMs(candidate, nowMs) <= nowMs)
    if (ready !== undefined && this.attemptsLeft > 0) return this.attempt(ready)
    const closed = alive.filter((candidate) => this.circuitOpenUntilMs(candidate, nowMs) === 0)
    if (closed.length === 0) return Effect.fail(error ?? this.firstOpenCircuit(nowMs))
    let best = closed[0]!
    for (const candidate of closed) {
      if (this.readyAtMs(candidate, nowMs) < this.readyAtMs(best, nowMs)) best = candidate
    }
    if (this.attemptsLeft <= 0) return error === undefined ? this.attempt(best) : Effect.fail(error)
    return best.tried && error !== undefined ? this.again(best, error) : this.attempt(best)
  }

  /** Another attempt at a candidate that has failed before: waits, within the deadline and the retry budget. */
  private again(candidate: Candidate, error: EngineError): Opened {
    const nowMs = this.nowMs
    if (this.attemptsLeft <= 0) return Effect.fail(error)
    const waitMs = Math.max(0, candidate.notBeforeMs - nowMs)
    const { timeoutMs } = this.call.request
    if (timeoutMs !== undefined && nowMs + waitMs >= this.call.journal.startedAtMs + timeoutMs)
      return Effect.fail(error)
    const scheduled = error._tag === "ProviderRateLimited" && error.retryAfterMs !== undefined
    if (!scheduled && !this.services.retry.spend(nowMs)) return Effect.fail(error)
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

  private firstOpenCircuit(nowMs: number): EngineError {
    for (const candidate of this.candidates) {
      const untilMs = this.circuitOpenUntilMs(candidate, nowMs)
      if (untilMs > 0) return new CircuitOpen({ ...candidate.target, retryAfterMs: untilMs - nowMs })
    }
    return new InternalError({ detail: "the request has no candidate" })
  }

  private get attemptsLeft(): number {
    return this.services.retry.maxAttempts - upstreamAttempts(this.call.journal)
  }

  private get untried(): number {
    let untried = 0
    for (const candidate of this.candidates) if (candidate.alive && !candidate.tried) untried++
    return untried
  }

  private get nowMs(): number {
    return this.call.clock.currentTimeMillisUnsafe()
  }
}

/** Whole seconds for a Retry-After header, at least 1; undefined when the error names no delay. */
export const retryAfterSeconds = (error: EngineError): number | undefined => {
  const retryAfterMs = retryAfterMsOf(error)
  return retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1000))
}
