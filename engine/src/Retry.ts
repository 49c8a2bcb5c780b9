/**
 * Whether and when to try again. The only owner of retries in the process (law 4).
 *
 * `Fallback` asks after each failed attempt: the delay is the provider's Retry-After where it names one, else it comes from
 * a `Schedule` (decorrelated jitter, capped), and is refused when the budget is spent: a share of recent calls, with a floor,
 * so that a bad provider day can't multiply load. Retry itself never calls a provider.
 */
import { Clock, Context, Duration, Effect, Layer, Pull, Random, Schedule, type Scope } from "effect"
import type { CountExchange } from "./CountExchange.ts"
import { type EngineError, retryAfterMsOf } from "./Errors.ts"
import { SharedRetries } from "./SharedRetries.ts"

export interface RetryOptions {
  /** Attempts of one request over all its candidates, the first included; 1 or more. */
  readonly maxAttempts: number
  /** Shortest delay in milliseconds; the first one is up to three times as long. */
  readonly baseDelayMs: number
  /** Longest delay in milliseconds; a longer Retry-After is not waited for. */
  readonly maxDelayMs: number
  /** Retries as a share of the calls of the last ten seconds, 0–1. */
  readonly budget: number
  /** How calls and retries of other instances are known; the budget is for this process alone without it. */
  readonly shared?: CountExchange | undefined
}

/** Backoff of one request: each step gives the delay before the next try. */
export interface Backoff {
  /** Milliseconds to wait after this error, or undefined when the wait would be longer than `maxDelayMs`. */
  readonly next: (error: EngineError, nowMs: number) => Effect.Effect<number | undefined>
}

export class Retry extends Context.Service<
  Retry,
  {
    readonly maxAttempts: number
    /** The longest wait that the provider may ask for; a longer one is told to the caller. */
    readonly maxDelayMs: number
    /** Counts a call, so that the budget is a share of recent traffic. */
    readonly onCall: (nowMs: number) => void
    /** Takes one retry from the process-wide budget; false when it is spent. */
    readonly spend: (nowMs: number) => boolean
    readonly backoff: Effect.Effect<Backoff>
    /** Retries and calls of the last ten seconds, for `status`. */
    readonly recent: (nowMs: number) => { readonly calls: number; readonly retries: number }
  }
>()("millrace/Retry") {
  static readonly layer = (options: RetryOptions) => Layer.effect(Retry, make(options))
}

/** Retries that are always allowed in ten seconds, so that a quiet process can retry at all. */
const floorRetries = 10

const make = (options: RetryOptions): Effect.Effect<Retry["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const calls = new RecentCount()
    const retries = new RecentCount()
    const { shared } = options
    const clock = yield* Clock.Clock
    const own = () => {
      const nowMs = clock.currentTimeMillisUnsafe()
      return { calls: calls.sum(nowMs), retries: retries.sum(nowMs) }
    }
    const allowed = (callsOfAll: number): number => Math.max(floorRetries, options.budget * callsOfAll)
    const others = shared === undefined ? undefined : new SharedRetries(own, allowed)
    if (others !== undefined) {
      yield* Effect.acquireRelease(
        Effect.sync(() => shared!.add(others)),
        (stop) => Effect.sync(stop)
      )
    }
    const schedule = decorrelated(options)
    const shortestMs = Math.min(options.baseDelayMs, options.maxDelayMs)
    return Retry.of({
      maxAttempts: options.maxAttempts,
      maxDelayMs: options.maxDelayMs,
      onCall: (nowMs) => calls.add(nowMs),
      spend: (nowMs) => {
        if (retries.sum(nowMs) >= allowed(calls.sum(nowMs) + (others?.calls ?? 0))) return false
        if (others !== undefined && !others.take()) return false
        retries.add(nowMs)
        return true
      },
      backoff: Effect.map(Schedule.toStep(schedule), (step) => ({
        next: (error, nowMs) => {
          const retryAfterMs = retryAfterMsOf(error)
          if (retryAfterMs !== undefined) {
            return Effect.succeed(
              retryAfterMs > options.maxDelayMs ? undefined : Math.max(shortestMs, Math.ceil(retryAfterMs))
            )
          }
          return step(nowMs, undefined).pipe(
            Effect.map(([delayMs]) => delayMs),
            Pull.catchDone(() => Effect.succeed(undefined))
          )
        }
      })),
      recent: (nowMs) => ({ calls: calls.sum(nowMs), retries: retries.sum(nowMs) })
    })
  })

/**
 * Each delay is drawn between the base and three times the one before, so that calls which failed together come back apart,
 * and further apart each time. Source: Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 */
const decorrelated = ({ baseDelayMs, maxDelayMs }: RetryOptions): Schedule.Schedule<number> =>
  Schedule.fromStep(
    Effect.sync(() => {
      let previousMs = baseDelayMs
      return () =>
        Effect.map(Random.next, (random): [number, Duration.Duration] => {
          const drawnMs = baseDelayMs + random * (previousMs * 3 - baseDelayMs)
          previousMs = Math.min(maxDelayMs, Math.max(baseDelayMs, drawnMs))
          const delayMs = Math.ceil(Math.min(maxDelayMs, previousMs))
          return [delayMs, Duration.millis(delayMs)]
        })
    })
  )

const sliceMs = 1000
const slices = 10

/** A count over the last ten seconds. */
class RecentCount {
  private readonly counts = new Float64Array(slices)
  private sliceNumber = 0
  private total = 0

  add(nowMs: number): void {
    this.advance(nowMs)
    this.counts[this.sliceNumber % slices]! += 1
    this.total++
  }

  sum(nowMs: number): number {
    this.advance(nowMs)
    return this.total
  }

  private advance(nowMs: number): void {
    const number = Math.floor(nowMs / sliceMs)
    const steps = Math.min(number - this.sliceNumber, slices)
    for (let i = 1; i <= steps; i++) {
      const slice = (this.sliceNumber + i) % slices
      this.total -= this.counts[slice]!
      this.counts[slice] = 0
    }
    if (steps > 0) this.sliceNumber = number
  }
}
