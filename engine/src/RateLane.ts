/**
 * The way of attempts to one provider: what they reserve, whether they go, wait or are refused, and their settlement.
 *
 * Every decision is synchronous, so it is atomic: a permit, a request and tokens are taken together or not at all. The
 * limits are in `RateScope`, the waiters in `RateQueue`. A lane never opens a connection.
 */
import { Effect } from "effect"
import type { Outcome } from "./Call.ts"
import { QueueFull, RateLimitExceeded, ShuttingDown } from "./Errors.ts"
import type { RateLimits } from "./Provider.ts"
import { type QueueHost, type QueueOptions, RateQueue, type RateWaiter, type Refusal } from "./RateQueue.ts"
import { type Hold, RateScope, type ScopeLimits } from "./RateScope.ts"
import type { AttemptCall, OpenAttempt } from "./Stage.ts"
import { totalTokens } from "./Usage.ts"

export interface LaneOptions {
  readonly name: string
  readonly maxTokens: number | undefined
  readonly rateLimits: RateLimits
}

export interface LaneStatus {
  readonly active: number
  readonly queued: number
  readonly oldestWaitMs: number
  readonly limits: ScopeLimits
}

export interface LaneHost extends QueueHost {
  readonly onWait: ((provider: string, waitedMs: number) => void) | undefined
}

/** Completion tokens that are reserved for a request that names no bound, until some have been seen. */
const initialTypicalCompletion = 256

/** Shortest time in milliseconds that a refused caller is told to wait. */
const retryAfterMsMin = 1000

export class RateLane {
  /** Epoch milliseconds until which nothing goes; 0 when the provider never asked for a pause. */
  pausedUntilMs = 0
  private readonly options: LaneOptions
  private readonly queueOptions: QueueOptions
  private readonly host: LaneHost
  private readonly scope: RateScope
  private readonly queue: RateQueue
  private typicalCompletion = initialTypicalCompletion
  private closed = false

  constructor(options: LaneOptions, queueOptions: QueueOptions, host: LaneHost) {
    this.options = options
    this.queueOptions = queueOptions
    this.host = host
    this.scope = new RateScope(options.name, options.rateLimits)
    this.queue = new RateQueue(host, {
      roomInMs: ({ tokens }, nowMs) => (this.scope.hasPlace ? this.roomInMs(tokens, nowMs) : Infinity),
      lateness: (waiter, nowMs) => this.lateness(waiter, nowMs)
    })
  }

  admit(call: AttemptCall, next: OpenAttempt): ReturnType<OpenAttempt> {
    return Effect.suspend(() => {
      const nowMs = this.nowMs
      const prompt = call.journal.promptTokens ?? 0
      const asked = call.request.maxTokens
      const { tokens: window } = this.scope
      if (window !== undefined && prompt + (asked ?? 0) > window.limit) {
        const detail = `prompt and answer may have ${prompt + (asked ?? 0)} tokens, the limit of a window is ${window.limit}`
        return Effect.fail(new RateLimitExceeded({ limit: `${this.options.name} tokens per minute`, detail }))
      }
      const tokens = prompt + Math.ceil(asked ?? Math.min(this.options.maxTokens ?? Infinity, this.typicalCompletion))
      if (this.queue.size === 0 && this.scope.hasPlace && this.roomInMs(tokens, nowMs) === 0) {
        this.take(call, tokens, nowMs)
        return next(call)
      }
      const refusal = this.refusal(tokens, nowMs)
      if (refusal !== undefined) return Effect.fail(refusal)
      return Effect.flatMap(this.wait(call, tokens, nowMs), () => next(call))
    })
  }

  /** Milliseconds until an attempt of this size could start, behind those who wait already; 0 when it could now. */
  waitMs(tokens: number, nowMs: number): number {
    const waitMs = this.expectedWaitMs(tokens, nowMs)
    return this.scope.hasPlace && this.queue.size === 0 ? waitMs : Math.max(1, waitMs)
  }

  pause(untilMs: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, untilMs)
  }

  status(nowMs: number): LaneStatus {
    const oldest = this.queue.oldest()
    return {
      active: this.scope.active,
      queued: this.queue.size,
      oldestWaitMs: oldest === undefined ? 0 : nowMs - oldest.joinedAtMs,
      limits: this.scope.limits(nowMs)
    }
  }

  /** Refuses whoever waits and lets nobody join. What is running is still settled. */
  close(): void {
    this.closed = true
    this.queue.close(() => new ShuttingDown({}))
  }

  private get nowMs(): number {
    return this.host.clock.currentTimeMillisUnsafe()
  }

  private wait(call: AttemptCall, tokens: number, joinedAtMs: number): Effect.Effect<void, Refusal> {
    return Effect.callback<void, Refusal>((resume) => {
      // Whoever is resumed goes on in a turn of its own, so that a long queue never becomes a deep stack.
      const waiter: RateWaiter = {
        priority: call.request.priority,
        joinedAtMs,
        gone: false,
        tokens,
        deadlineMs: joinedAtMs + this.queueOptions.maxWaitMs,
        refuse: (refusal) => resume(Effect.andThen(Effect.yieldNow, Effect.fail(refusal))),
        admit: (nowMs) => {
          const waitedMs = nowMs - joinedAtMs
          call.attempt.queueMs += waitedMs
          call.journal.queueMs += waitedMs
          this.take(call, tokens, nowMs)
          const told = Effect.sync(() => this.host.onWait?.(this.options.name, waitedMs))
          resume(Effect.andThen(Effect.yieldNow, told))
        }
      }
      this.queue.join(waiter)
      return Effect.sync(() => this.queue.leave(waiter))
    })
  }

  /** Milliseconds until the limits have room for these tokens, whoever waits. */
  private roomInMs(tokens: number, nowMs: number): number {
    return Math.max(0, this.pausedUntilMs - nowMs, this.scope.roomInMs(tokens, nowMs))
  }

  private expectedWaitMs(tokens: number, nowMs: number): number {
    return this.roomInMs(tokens, nowMs) + this.scope.paceMs(this.queue.size, this.queue.tokens)
  }

  private take(call: AttemptCall, tokens: number, nowMs: number): void {
    const hold = this.scope.take(tokens, nowMs)
    call.settlement.add((outcome) => this.settle(call, hold, outcome, nowMs))
  }

  private settle(call: AttemptCall, hold: Hold, outcome: Outcome, takenAtMs: number): void {
    const nowMs = this.nowMs
    const counted = outcome._tag === "Success" || wasCounted(call, outcome)
    hold.scope.settle(hold, counted ? 1 : 0, usedTokens(outcome), nowMs)
    if (outcome._tag === "Success") {
      this.typicalCompletion += (outcome.completion.usage.output - this.typicalCompletion) / 16
    } else if (outcome._tag === "Failure" && outcome.error._tag === "ProviderRateLimited") {
      const { retryAfterMs } = outcome.error
      if (retryAfterMs !== undefined && retryAfterMs > 0) this.pause(Math.max(nowMs, takenAtMs) + retryAfterMs)
    }
    this.queue.pump()
  }

  private lateness({ joinedAtMs, tokens }: RateWaiter, nowMs: number): Refusal {
    return new RateLimitExceeded({
      limit: `${this.options.name} queue`,
      detail: `waited ${Math.round(nowMs - joinedAtMs)} ms for room (queue.maxWait)`,
      retryAfterMs: this.retryAfterMs(tokens, nowMs)
    })
  }

  /** Why a new waiter can't join; undefined when it can. */
  private refusal(tokens: number, nowMs: number): Refusal | undefined {
    if (this.closed) return new ShuttingDown({})
    const { maxWaiting, maxWaitMs } = this.queueOptions
    if (this.queue.size >= maxWaiting) {
      const retryAfterMs = this.retryAfterMs(tokens, nowMs)
      return new QueueFull({ provider: this.options.name, maxWaiting, retryAfterMs })
    }
    const expectedMs = this.expectedWaitMs(tokens, nowMs)
    if (expectedMs <= maxWaitMs) return undefined
    return new RateLimitExceeded({
      limit: `${this.options.name} ${this.pausedUntilMs > nowMs ? "pause (Retry-After)" : "rate limit"}`,
      detail: `the expected wait of ${Math.ceil(expectedMs)} ms is longer than queue.maxWait (${maxWaitMs} ms)`,
      retryAfterMs: this.retryAfterMs(tokens, nowMs)
    })
  }

  /** When the queue is short enough that a request of this size, if it joined then, would be served in time. */
  private retryAfterMs(tokens: number, nowMs: number): number {
    const lateMs = this.expectedWaitMs(tokens, nowMs) - this.queueOptions.maxWaitMs
    return Math.ceil(Math.max(retryAfterMsMin, this.roomInMs(tokens, nowMs), lateMs))
  }
}

/** Tokens that the provider has counted for an attempt; an attempt that failed before its first part gets all back. */
const usedTokens = (outcome: Outcome): number => {
  const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
  return completion === undefined ? 0 : totalTokens(completion.usage)
}

/** False when nothing was sent, so that the provider can't have counted the request. */
const wasCounted = ({ attempt }: AttemptCall, outcome: Outcome): boolean =>
  attempt.sentAtMs !== undefined &&
  !(
    outcome._tag === "Failure" &&
    (outcome.error._tag === "ProviderUnreachable" || outcome.error._tag === "UnsupportedAbility")
  )
