/**
 * The limits of one provider and the queue before them.
 *
 * Every method is synchronous, so every decision is atomic: a permit, a request and tokens are taken together or not at
 * all. A waiter is told its turn by the pump, which runs whenever something is given back and when a timer says that a
 * window has moved. It never opens a connection and holds nothing but numbers and waiters.
 */
import { type Clock, Effect } from "effect"
import type { Outcome } from "./Call.ts"
import { QueueFull, RateLimitExceeded, ShuttingDown } from "./Errors.ts"
import { FairQueue, type Waiter } from "./FairQueue.ts"
import type { RateLimits } from "./Provider.ts"
import { SlidingWindow } from "./SlidingWindow.ts"
import type { AttemptCall, OpenAttempt } from "./Stage.ts"
import { totalTokens } from "./Usage.ts"

export interface LaneOptions {
  readonly name: string
  readonly maxTokens: number | undefined
  readonly rateLimits: RateLimits
}

export interface QueueOptions {
  /** Waiters per provider. */
  readonly maxWaiting: number
  /** Milliseconds. */
  readonly maxWaitMs: number
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

/** Runs something after a delay in milliseconds; returns how to cancel it. */
export type Wake = (delayMs: number, run: () => void) => () => void

export interface LaneHost {
  readonly clock: Clock.Clock
  readonly wakeAfter: Wake
  readonly onWait: ((provider: string, waitedMs: number) => void) | undefined
}

type Refusal = QueueFull | RateLimitExceeded | ShuttingDown

interface LaneWaiter extends Waiter {
  readonly tokens: number
  readonly deadlineMs: number
  readonly admit: (reservation: Reservation, nowMs: number) => void
  readonly refuse: (refusal: Refusal) => void
}

/** What an attempt holds until it is settled. */
interface Reservation {
  readonly tokens: number
  readonly requestTicket: number
  readonly tokenTicket: number
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
  private readonly concurrent: number
  private readonly requests: SlidingWindow | undefined
  private readonly tokens: SlidingWindow | undefined
  private readonly queue = new FairQueue<LaneWaiter>()
  private active = 0
  private queuedTokens = 0
  private typicalCompletion = initialTypicalCompletion
  private timer: { readonly atMs: number; readonly cancel: () => void } | undefined
  private closed = false

  constructor(options: LaneOptions, queueOptions: QueueOptions, host: LaneHost) {
    this.options = options
    this.queueOptions = queueOptions
    this.host = host
    const { concurrent, requestsPerMinute, tokensPerMinute, windowMs } = options.rateLimits
    this.concurrent = concurrent
    if (requestsPerMinute !== undefined) {
      this.requests = SlidingWindow.perMinute(requestsPerMinute, windowMs, () => 10)
    }
    if (tokensPerMinute !== undefined) {
      this.tokens = SlidingWindow.perMinute(tokensPerMinute, windowMs, (limit) => limit / 4)
    }
  }

  admit(call: AttemptCall, next: OpenAttempt): ReturnType<OpenAttempt> {
    return Effect.suspend(() => {
      const nowMs = this.nowMs
      const prompt = call.journal.promptTokens ?? 0
      const asked = call.request.maxTokens
      if (this.tokens !== undefined && prompt + (asked ?? 0) > this.tokens.limit) {
        const detail = `prompt and answer may have ${prompt + (asked ?? 0)} tokens, the limit of a window is ${this.tokens.limit}`
        return Effect.fail(new RateLimitExceeded({ limit: `${this.options.name} tokens per minute`, detail }))
      }
      const tokens = prompt + Math.ceil(asked ?? Math.min(this.options.maxTokens ?? Infinity, this.typicalCompletion))
      if (this.queue.size === 0 && this.active < this.concurrent && this.roomInMs(tokens, nowMs) === 0) {
        this.hold(call, this.take(tokens, nowMs), nowMs)
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
    return this.active < this.concurrent && this.queue.size === 0 ? waitMs : Math.max(1, waitMs)
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

  /** Refuses whoever waits and sets no timer again. What is running is still settled. */
  close(): void {
    this.closed = true
    this.stopTimer()
    for (let waiter = this.queue.oldest(); waiter !== undefined; waiter = this.queue.oldest()) {
      this.remove(waiter)
      waiter.refuse(new ShuttingDown({}))
    }
  }

  private get nowMs(): number {
    return this.host.clock.currentTimeMillisUnsafe()
  }

  private wait(call: AttemptCall, tokens: number, joinedAtMs: number): Effect.Effect<void, Refusal> {
    return Effect.callback<void, Refusal>((resume) => {
      // Whoever is resumed goes on in a turn of its own, so that a long queue never becomes a deep stack.
      const waiter: LaneWaiter = {
        priority: call.request.priority,
        joinedAtMs,
        gone: false,
        tokens,
        deadlineMs: joinedAtMs + this.queueOptions.maxWaitMs,
        refuse: (refusal) => resume(Effect.andThen(Effect.yieldNow, Effect.fail(refusal))),
        admit: (reservation, nowMs) => {
          const waitedMs = nowMs - joinedAtMs
          call.attempt.queueMs += waitedMs
          call.journal.queueMs += waitedMs
          this.hold(call, reservation, nowMs)
          const told = Effect.sync(() => this.host.onWait?.(this.options.name, waitedMs))
          resume(Effect.andThen(Effect.yieldNow, told))
        }
      }
      this.queue.join(waiter)
      this.queuedTokens += tokens
      this.pump()
      return Effect.sync(() => {
        if (waiter.gone) return
        this.remove(waiter)
        this.pump()
      })
    })
  }

  /** Milliseconds until the limits have room for these tokens, whoever waits. */
  private roomInMs(tokens: number, nowMs: number): number {
    let waitMs = this.pausedUntilMs - nowMs
    if (this.requests !== undefined) waitMs = Math.max(waitMs, this.requests.waitMs(1, nowMs))
    if (this.tokens !== undefined) waitMs = Math.max(waitMs, this.tokens.waitMs(tokens, nowMs))
    return Math.max(0, waitMs)
  }

  private expectedWaitMs(tokens: number, nowMs: number): number {
    const roomInMs = this.roomInMs(tokens, nowMs)
    if (this.queue.size === 0) return roomInMs
    const requests = this.requests?.paceMs(this.queue.size) ?? 0
    const queued = this.tokens?.paceMs(this.queuedTokens) ?? 0
    return roomInMs + Math.max(requests, queued)
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
    call.settlement.add((outcome) => this.settle(call, reservation, outcome, takenAtMs))
  }

  private settle(call: AttemptCall, reservation: Reservation, outcome: Outcome, takenAtMs: number): void {
    const nowMs = this.nowMs
    this.active--
    this.tokens?.correct(reservation.tokenTicket, reservation.tokens, usedTokens(outcome), nowMs)
    if (outcome._tag === "Success") {
      this.typicalCompletion += (outcome.completion.usage.output - this.typicalCompletion) / 16
    } else if (!wasCounted(call, outcome)) {
      this.requests?.correct(reservation.requestTicket, 1, 0, nowMs)
    }
    if (outcome._tag === "Failure" && outcome.error._tag === "ProviderRateLimited") {
      const { retryAfterMs } = outcome.error
      if (retryAfterMs !== undefined && retryAfterMs > 0) this.pause(Math.max(nowMs, takenAtMs) + retryAfterMs)
    }
    this.pump()
  }

  /** Serves waiters while there is room, drops those whose time is over, and sets the timer for the next change. */
  private pump(): void {
    if (this.queue.size === 0) return this.stopTimer()
    const nowMs = this.nowMs
    do this.serve(nowMs)
    while (this.dropLate(nowMs))
    const oldest = this.queue.oldest()
    if (oldest === undefined) return this.stopTimer()
    const roomInMs = this.active < this.concurrent ? this.roomInMs(this.queue.peek()!.tokens, nowMs) : Infinity
    this.setTimer(Math.min(oldest.deadlineMs, nowMs + roomInMs), nowMs)
  }

  private serve(nowMs: number): void {
    for (let next = this.queue.peek(); next !== undefined; next = this.queue.peek()) {
      if (this.active >= this.concurrent || this.roomInMs(next.tokens, nowMs) > 0) return
      this.queuedTokens -= next.tokens
      this.queue.serve(next)
      next.admit(this.take(next.tokens, nowMs), nowMs)
    }
  }

  /** True when somebody was dropped, so that a smaller request may be first now. */
  private dropLate(nowMs: number): boolean {
    let dropped = false
    for (let oldest = this.queue.oldest(); oldest !== undefined; oldest = this.queue.oldest()) {
      if (oldest.deadlineMs > nowMs) return dropped
      this.remove(oldest)
      oldest.refuse(
        new RateLimitExceeded({
          limit: `${this.options.name} queue`,
          detail: `waited ${Math.round(nowMs - oldest.joinedAtMs)} ms for room (queue.maxWait)`,
          retryAfterMs: this.retryAfterMs(oldest.tokens, nowMs)
        })
      )
      dropped = true
    }
    return dropped
  }

  private remove(waiter: LaneWaiter): void {
    this.queuedTokens -= waiter.tokens
    this.queue.leave(waiter)
  }

  private setTimer(atMs: number, nowMs: number): void {
    if (this.closed) return
    if (this.timer !== undefined) {
      if (this.timer.atMs <= atMs && this.timer.atMs > nowMs) return
      this.timer.cancel()
    }
    const cancel = this.host.wakeAfter(Math.max(1, Math.ceil(atMs - nowMs)), () => {
      this.timer = undefined
      this.pump()
    })
    this.timer = { atMs, cancel }
  }

  private stopTimer(): void {
    this.timer?.cancel()
    this.timer = undefined
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

const limitStatus = (configured: number | undefined, window: SlidingWindow | undefined, nowMs: number): LimitStatus =>
  configured === undefined || window === undefined
    ? { configured: null, learned: null, available: null }
    : { configured, learned: null, available: Math.floor(window.available(nowMs)) }
