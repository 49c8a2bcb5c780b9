/**
 * The attempts that wait for one provider, and the pump that serves them.
 *
 * The pump runs whenever something is given back and when a timer says that a window has moved. It serves the next waiter
 * while there is room and drops those whose time is over. Whether there is room, and what is taken, is for the lane to
 * say; the queue holds waiters and one timer.
 */
import type { Clock } from "effect"
import type { QueueFull, RateLimitExceeded, ShuttingDown } from "./Errors.ts"
import { FairQueue, type Waiter } from "./FairQueue.ts"

export interface QueueOptions {
  /** Waiters per provider. */
  readonly maxWaiting: number
  /** Milliseconds. */
  readonly maxWaitMs: number
}

export type Refusal = QueueFull | RateLimitExceeded | ShuttingDown

/** Runs something after a delay in milliseconds; returns how to cancel it. */
export type Wake = (delayMs: number, run: () => void) => () => void

export interface QueueHost {
  readonly clock: Clock.Clock
  readonly wakeAfter: Wake
}

export interface RateWaiter extends Waiter {
  readonly tokens: number
  readonly deadlineMs: number
  /** Takes what the attempt needs and lets it go on. */
  readonly admit: (nowMs: number) => void
  readonly refuse: (refusal: Refusal) => void
}

/** What the lane decides for its queue. */
export interface Admission {
  /** Milliseconds until there is room for the waiter; infinite while a permit is missing. */
  readonly roomInMs: (waiter: RateWaiter, nowMs: number) => number
  /** Why a waiter is sent away whose time is over. */
  readonly lateness: (waiter: RateWaiter, nowMs: number) => Refusal
}

export class RateQueue {
  /** Tokens that all waiters together will reserve. */
  tokens = 0
  private readonly host: QueueHost
  private readonly admission: Admission
  private readonly waiters = new FairQueue<RateWaiter>()
  private timer: { readonly atMs: number; readonly cancel: () => void } | undefined
  private closed = false

  constructor(host: QueueHost, admission: Admission) {
    this.host = host
    this.admission = admission
  }

  get size(): number {
    return this.waiters.size
  }

  oldest(): RateWaiter | undefined {
    return this.waiters.oldest()
  }

  join(waiter: RateWaiter): void {
    this.waiters.join(waiter)
    this.tokens += waiter.tokens
    this.pump()
  }

  /** Takes a waiter out that gave up; does nothing when it was served or refused. */
  leave(waiter: RateWaiter): void {
    if (waiter.gone) return
    this.remove(waiter)
    this.pump()
  }

  /** Serves waiters while there is room, drops those whose time is over, and sets the timer for the next change. */
  pump(): void {
    if (this.waiters.size === 0) return this.stopTimer()
    const nowMs = this.host.clock.currentTimeMillisUnsafe()
    do this.serve(nowMs)
    while (this.dropLate(nowMs))
    const oldest = this.waiters.oldest()
    if (oldest === undefined) return this.stopTimer()
    const roomInMs = this.admission.roomInMs(this.waiters.peek()!, nowMs)
    this.setTimer(Math.min(oldest.deadlineMs, nowMs + roomInMs), nowMs)
  }

  /** Refuses whoever waits and sets no timer again. */
  close(refusal: () => Refusal): void {
    this.closed = true
    this.stopTimer()
    for (let waiter = this.oldest(); waiter !== undefined; waiter = this.oldest()) {
      this.remove(waiter)
      waiter.refuse(refusal())
    }
  }

  private serve(nowMs: number): void {
    for (let next = this.waiters.peek(); next !== undefined; next = this.waiters.peek()) {
      if (this.admission.roomInMs(next, nowMs) > 0) return
      this.tokens -= next.tokens
      this.waiters.serve(next)
      next.admit(nowMs)
    }
  }

  /** True when somebody was dropped, so that a smaller request may be first now. */
  private dropLate(nowMs: number): boolean {
    let dropped = false
    for (let oldest = this.oldest(); oldest !== undefined; oldest = this.oldest()) {
      if (oldest.deadlineMs > nowMs) return dropped
      this.remove(oldest)
      oldest.refuse(this.admission.lateness(oldest, nowMs))
      dropped = true
    }
    return dropped
  }

  private remove(waiter: RateWaiter): void {
    this.tokens -= waiter.tokens
    this.waiters.leave(waiter)
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
}
