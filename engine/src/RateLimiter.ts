/**
 * Keeps every provider's limits: calls at once, requests and tokens in a sliding window.
 *
 * At admission an attempt takes a permit and reserves one request and its tokens, all in one synchronous step (law 5);
 * if there is no room it waits in the provider's fair queue, up to `queue.maxWaitMs`, or is refused at once when the wait
 * would be longer. At settlement the permit goes back and the reservation is replaced by the true usage. The limiter
 * never calls a provider and never retries.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { AttemptCall, AttemptStage } from "./Stage.ts"
import type { Outcome } from "./Call.ts"
import { QueueFull, RateLimitExceeded } from "./Errors.ts"
import { FairQueue, type Waiter } from "./FairQueue.ts"
import { SlidingWindow } from "./SlidingWindow.ts"
import { totalTokens } from "./Usage.ts"

export interface LaneOptions {
  readonly name: string
  readonly maxTokens: number | undefined
  readonly rateLimits: {
    readonly requestsPerMinute: number | undefined
    readonly tokensPerMinute: number | undefined
    readonly concurrent: number
    readonly windowMs: number
  }
}

export interface RateLimiterOptions {
  readonly providers: ReadonlyArray<LaneOptions>
  readonly queue: {
    /** Waiters per provider. */
    readonly maxWaiting: number
    /** Milliseconds. */
    readonly maxWaitMs: number
  }
  /** Told about every wait that ended with admission. */
  readonly onWait?: ((provider: string, waitedMs: number) => void) | undefined
}

/** One limit of a provider: what was configured and what is left now; null where there is no such limit. */
export interface LimitStatus {
  readonly configured: number | null
  readonly learned: number | null
  readonly available: number | null
}

export interface LaneStatus {
  readonly active: number
  readonly queued: number
  readonly oldestWaitMs: number
  readonly limits: {
    readonly requestsPerMinute: LimitStatus
    readonly tokensPerMinute: LimitStatus
    readonly concurrent: LimitStatus
  }
}

export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    readonly stage: AttemptStage
    /** Milliseconds until an attempt of this size could start at the provider; 0 when it could start now. */
    readonly waitMs: (provider: string, tokens: number, nowMs: number) => number
    /** Lets nothing through to a provider before `untilMs` (its Retry-After). */
    readonly pause: (provider: string, untilMs: number) => void
    /** Epoch milliseconds until which a provider is paused, 0 when it is not. */
    readonly pausedUntilMs: (provider: string) => number
    readonly status: (provider: string, nowMs: number) => LaneStatus | undefined
  }
>()("millrace/RateLimiter") {
  /** Limits of this process alone. */
  static readonly layer = (options: RateLimiterOptions) =>
    Layer.effect(
      RateLimiter,
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const runFork = Effect.runForkWith(yield* Effect.context<never>())
        const lanes = new Map<string, Lane>()
        const wakeAfter: Wake = (delayMs, run) => {
          const fiber = runFork(Effect.andThen(Effect.sleep(delayMs), Effect.sync(run)))
          return () => fiber.interruptUnsafe()
        }
        for (const provider of options.providers) {
          lanes.set(provider.name, new Lane(provider, options, clock, wakeAfter))
        }
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            for (const lane of lanes.values()) lane.stopTimer()
          })
        )
        return make(lanes)
      })
    )
}

const make = (lanes: Map<string, Lane>): RateLimiter["Service"] =>
  RateLimiter.of({
    stage: (next) => (call) => {
      const lane = lanes.get(call.target.provider)
      return lane === undefined ? next(call) : lane.admit(call, next)
    },
    waitMs: (provider, tokens, nowMs) => lanes.get(provider)?.waitMs(tokens, nowMs) ?? 0,
    pause: (provider, untilMs) => lanes.get(provider)?.pause(untilMs),
    pausedUntilMs: (provider) => lanes.get(provider)?.pausedUntilMs ?? 0,
    status: (provider, nowMs) => lanes.get(provider)?.status(nowMs)
  })

type Wake = (delayMs: number, run: () => void) => () => void

interface LaneWaiter extends Waiter {
  readonly tokens: number
  readonly deadlineMs: number
  readonly resume: (ticket: Reservation | RateLimitExceeded) => void
}

/** What an attempt holds until it is settled. */
interface Reservation {
  readonly tokens: number
  readonly requestTicket: number
  readonly tokenTicket: number
}

/** Completion tokens that are reserved for a request that names no bound, until some have been seen. */
const initialTypicalCompletion = 256

/** The state of one provider. Every method is synchronous, so every decision is atomic. */
class Lane {
  pausedUntilMs = 0
  private readonly options: LaneOptions
  private readonly limiter: RateLimiterOptions
  private readonly clock: Clock.Clock
  private readonly wakeAfter: Wake
  private readonly requests: SlidingWindow | undefined
  private readonly tokens: SlidingWindow | undefined
  private readonly queue = new FairQueue<LaneWaiter>()
  private active = 0
  private queuedTokens = 0
  private typicalCompletion = initialTypicalCompletion
  private timer: { readonly atMs: number; readonly cancel: () => void } | undefined

  constructor(options: LaneOptions, limiter: RateLimiterOptions, clock: Clock.Clock, wakeAfter: Wake) {
    this.options = options
    this.limiter = limiter
    this.clock = clock
    this.wakeAfter = wakeAfter
    const { requestsPerMinute, tokensPerMinute, windowMs } = options.rateLimits
    if (requestsPerMinute !== undefined) {
      this.requests = new SlidingWindow({
        limit: Math.max(1, Math.floor((requestsPerMinute * windowMs) / 60_000)),
        windowMs,
        minimumBurst: 10
      })
    }
    if (tokensPerMinute !== undefined) {
      const limit = Math.max(1, Math.floor((tokensPerMinute * windowMs) / 60_000))
      this.tokens = new SlidingWindow({ limit, windowMs, minimumBurst: limit / 4 })
    }
  }

  admit(call: AttemptCall, next: Parameters<AttemptStage>[0]): ReturnType<ReturnType<AttemptStage>> {
    const { name } = this.options
    return Effect.suspend(() => {
      const nowMs = this.clock.currentTimeMillisUnsafe()
      const prompt = call.journal.promptTokens ?? 0
      if (this.tokens !== undefined && prompt > this.tokens.limit) {
        return Effect.fail(
          new RateLimitExceeded({
            limit: `${name} tokens per minute`,
            detail: `the prompt has about ${prompt} tokens and the limit of a window is ${this.tokens.limit}`
          })
        )
      }
      const completion = call.request.maxTokens ?? Math.min(this.options.maxTokens ?? Infinity, this.typicalCompletion)
      const tokens = prompt + Math.ceil(completion)
      if (this.queue.size === 0 && this.waitMs(tokens, nowMs) === 0 && this.active < this.concurrent) {
        this.hold(call, this.take(tokens, nowMs), nowMs)
        return next(call)
      }
      const refusal = this.refusal(tokens, nowMs)
      if (refusal !== undefined) return Effect.fail(refusal)
      return Effect.flatMap(this.wait(call, tokens, nowMs), () => next(call))
    })
  }

  waitMs(tokens: number, nowMs: number): number {
    let waitMs = this.pausedUntilMs - nowMs
    if (this.requests !== undefined) waitMs = Math.max(waitMs, this.requests.waitMs(1, nowMs))
    if (this.tokens !== undefined) waitMs = Math.max(waitMs, this.tokens.waitMs(tokens, nowMs))
    return Math.max(0, waitMs)
  }

  pause(untilMs: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, untilMs)
  }

  status(nowMs: number): LaneStatus {
    const { requestsPerMinute, tokensPerMinute } = this.options.rateLimits
    const oldest = this.queue.oldest()
    return {
      active: this.active,
      queued: this.queue.size,
      oldestWaitMs: oldest === undefined ? 0 : nowMs - oldest.joinedAtMs,
      limits: {
        requestsPerMinute: limitStatus(requestsPerMinute, this.requests, nowMs),
        tokensPerMinute: limitStatus(tokensPerMinute, this.tokens, nowMs),
        concurrent: {
          configured: this.concurrent,
          learned: null,
          available: Math.max(0, this.concurrent - this.active)
        }
      }
    }
  }

  stopTimer(): void {
    this.timer?.cancel()
    this.timer = undefined
  }

  private get concurrent(): number {
    return this.options.rateLimits.concurrent
  }

  private wait(call: AttemptCall, tokens: number, joinedAtMs: number): Effect.Effect<void, RateLimitExceeded> {
    return Effect.callback<void, RateLimitExceeded>((resume) => {
      const waiter: LaneWaiter = {
        priority: call.request.priority,
        joinedAtMs,
        gone: false,
        tokens,
        deadlineMs: joinedAtMs + this.limiter.queue.maxWaitMs,
        resume: (ticket) => {
          if (ticket instanceof RateLimitExceeded) return resume(Effect.fail(ticket))
          const nowMs = this.clock.currentTimeMillisUnsafe()
          const waitedMs = nowMs - joinedAtMs
          call.attempt.queueMs += waitedMs
          call.journal.queueMs += waitedMs
          this.limiter.onWait?.(this.options.name, waitedMs)
          this.hold(call, ticket, nowMs)
          resume(Effect.void)
        }
      }
      this.queue.join(waiter)
      this.queuedTokens += tokens
      this.pump()
      return Effect.sync(() => {
        if (waiter.gone) return
        this.queuedTokens -= tokens
        this.queue.leave(waiter)
        this.pump()
      })
    })
  }

  private take(tokens: number, nowMs: number): Reservation {
    this.active++
    return {
      tokens,
      requestTicket: this.requests?.take(1, nowMs) ?? 0,
      tokenTicket: this.tokens?.take(tokens, nowMs) ?? 0
    }
  }

  private hold(call: AttemptCall, reservation: Reservation, takenAtMs: number): void {
    call.settlement.add((outcome) => this.settle(reservation, outcome, takenAtMs))
  }

  private settle(reservation: Reservation, outcome: Outcome, takenAtMs: number): void {
    const nowMs = this.clock.currentTimeMillisUnsafe()
    this.active--
    const actual = this.actualTokens(reservation, outcome)
    if (this.tokens !== undefined) this.tokens.correct(reservation.tokenTicket, reservation.tokens, actual, nowMs)
    if (outcome._tag === "Success") {
      this.typicalCompletion += (outcome.completion.usage.output - this.typicalCompletion) / 16
    } else if (this.requests !== undefined && neverReached(outcome)) {
      this.requests.correct(reservation.requestTicket, 1, 0, nowMs)
    }
    if (outcome._tag === "Failure" && outcome.error._tag === "ProviderRateLimited") {
      const { retryAfterMs } = outcome.error
      if (retryAfterMs !== undefined && retryAfterMs > 0) this.pause(Math.max(nowMs, takenAtMs) + retryAfterMs)
    }
    this.pump()
  }

  private actualTokens(reservation: Reservation, outcome: Outcome): number {
    if (outcome._tag === "Success") return totalTokens(outcome.completion.usage)
    if (outcome.partial !== undefined) return Math.max(reservation.tokens, totalTokens(outcome.partial.usage))
    return 0
  }

  /** Serves waiters while there is room, drops those whose time is over, and sets the timer for the next change. */
  private pump(): void {
    const nowMs = this.clock.currentTimeMillisUnsafe()
    for (let oldest = this.queue.oldest(); oldest !== undefined; oldest = this.queue.oldest()) {
      if (oldest.deadlineMs > nowMs) break
      this.drop(oldest, nowMs)
    }
    let wakeAtMs = this.queue.oldest()?.deadlineMs ?? Number.POSITIVE_INFINITY
    for (let next = this.queue.peek(); next !== undefined; next = this.queue.peek()) {
      if (this.active >= this.concurrent) break
      const waitMs = this.waitMs(next.tokens, nowMs)
      if (waitMs > 0) {
        wakeAtMs = Math.min(wakeAtMs, nowMs + waitMs)
        break
      }
      this.queuedTokens -= next.tokens
      this.queue.serve(next)
      next.resume(this.take(next.tokens, nowMs))
    }
    if (this.queue.size === 0) this.stopTimer()
    else if (wakeAtMs !== Number.POSITIVE_INFINITY) this.setTimer(wakeAtMs, nowMs)
  }

  private setTimer(atMs: number, nowMs: number): void {
    if (this.timer !== undefined) {
      if (this.timer.atMs <= atMs && this.timer.atMs > nowMs) return
      this.timer.cancel()
    }
    const cancel = this.wakeAfter(Math.max(1, Math.ceil(atMs - nowMs)), () => {
      this.timer = undefined
      this.pump()
    })
    this.timer = { atMs, cancel }
  }

  private drop(waiter: LaneWaiter, nowMs: number): void {
    this.queuedTokens -= waiter.tokens
    this.queue.leave(waiter)
    waiter.resume(
      new RateLimitExceeded({
        limit: `${this.options.name} queue`,
        detail: `waited ${nowMs - waiter.joinedAtMs} ms for room (queue.maxWait)`,
        retryAfterMs: Math.max(1000, this.waitMs(waiter.tokens, nowMs))
      })
    )
  }

  /** Why a new waiter can't join; undefined when it can. */
  private refusal(tokens: number, nowMs: number): QueueFull | RateLimitExceeded | undefined {
    const { maxWaiting, maxWaitMs } = this.limiter.queue
    const expectedMs = this.expectedWaitMs(tokens, nowMs)
    if (this.queue.size >= maxWaiting) {
      return new QueueFull({ provider: this.options.name, maxWaiting, retryAfterMs: Math.max(1000, expectedMs) })
    }
    if (expectedMs <= maxWaitMs) return undefined
    return new RateLimitExceeded({
      limit: `${this.options.name} ${this.pausedUntilMs > nowMs ? "pause (Retry-After)" : "rate limit"}`,
      detail: `the expected wait of ${Math.ceil(expectedMs)} ms is longer than queue.maxWait (${maxWaitMs} ms)`,
      retryAfterMs: Math.max(1000, expectedMs - maxWaitMs)
    })
  }

  private expectedWaitMs(tokens: number, nowMs: number): number {
    const requests = this.requests?.paceMs(this.queue.size) ?? 0
    const queued = this.tokens?.paceMs(this.queuedTokens) ?? 0
    return this.waitMs(tokens, nowMs) + Math.max(requests, queued)
  }
}

/** True when the attempt failed before anything was sent, so that the provider has not counted it. */
const neverReached = (outcome: Outcome): boolean =>
  outcome._tag === "Failure" &&
  (outcome.error._tag === "ProviderUnreachable" ||
    outcome.error._tag === "CircuitOpen" ||
    outcome.error.fault === "engine" ||
    outcome.error._tag === "UnsupportedAbility")

const limitStatus = (
  configured: number | undefined,
  window: SlidingWindow | undefined,
  nowMs: number
): LimitStatus =>
  configured === undefined || window === undefined
    ? { configured: null, learned: null, available: null }
    : { configured, learned: null, available: Math.floor(window.available(nowMs)) }
