/**
 * The attempts that wait for one provider, and the pump that serves them.
 *
 * The pump runs whenever something is given back and when a timer says that a window has moved. It serves who is next
 * while there is room, passes over those whose own limits have none, and drops those whose time is over. It works in slices, with a turn
 * of the event loop between them, so that no number of waiters stops the process. Whether there is room, and what is
 * taken, is for the lane to say; the queue holds waiters and one timer.
 */
import type { Clock } from "effect"
import type { ProviderRateLimited, QueueFull, RateLimitExceeded, ShuttingDown } from "./Errors.ts"
import { FairQueue, type Waiter } from "./FairQueue.ts"
import type { Standing } from "./FairQueue.ts"
import type { Place } from "./QueueFlow.ts"
import type { RateScope, Watcher } from "./RateScope.ts"
import type { AttemptCall, OpenAttempt } from "./Stage.ts"

export interface QueueOptions {
  /** Waiters per provider. */
  readonly maxWaiting: number
  /** Milliseconds. */
  readonly maxWaitMs: number
}

export type Refusal = ProviderRateLimited | QueueFull | RateLimitExceeded | ShuttingDown

export interface QueueHost {
  readonly clock: Clock.Clock
  /** Runs something after a delay in milliseconds; returns how to cancel it. */
  readonly wakeAfter: (delayMs: number, run: () => void) => () => void
  /** Runs something in a later turn of the event loop. */
  readonly later: (run: () => void) => void
}

/** The scopes that an attempt takes from beside its provider's. */
export interface Scopes {
  readonly model: RateScope<RateWaiter> | undefined
  readonly tenant: RateScope | undefined
  readonly key: RateScope | undefined
  /** The model's place among the limited ones of the provider, 0 for all others. */
  readonly line: number
  readonly weight: number
}

/** Goes on with what waited, or fails it. */
export type Resume = (effect: ReturnType<OpenAttempt>) => void

/** One attempt that waits. */
export class RateWaiter implements Waiter {
  gone = false
  place: Place | undefined = undefined
  readonly call: AttemptCall
  readonly scopes: Scopes
  /** Tokens that it will reserve. */
  readonly tokens: number
  readonly cost: number
  readonly joinedAtMs: number
  readonly next: OpenAttempt
  readonly resume: Resume
  /** Those that its key keeps back are passed over without their tenant. */
  readonly flow: string | undefined

  constructor(
    call: AttemptCall,
    scopes: Scopes,
    size: { readonly tokens: number; readonly cost: number },
    joinedAtMs: number,
    next: OpenAttempt,
    resume: Resume
  ) {
    this.call = call
    this.scopes = scopes
    this.tokens = size.tokens
    this.cost = size.cost
    this.joinedAtMs = joinedAtMs
    this.next = next
    this.resume = resume
    this.flow = scopes.key === undefined ? undefined : `${this.tenant}${scopes.key.tenant}`
  }

  get priority(): number {
    return this.call.request.priority
  }

  get tenant(): string {
    return this.scopes.tenant?.tenant ?? this.call.request.tenant
  }

  get weight(): number {
    return this.scopes.weight
  }

  get line(): number {
    return this.scopes.line
  }
}

/** What the lane decides for its queue. All of it is asked at the same instant, `nowMs`. */
export interface Admission {
  /** Milliseconds until the provider takes anybody; infinite while it has no place. */
  readonly openInMs: (nowMs: number) => number
  /** Milliseconds until the provider's windows have room for the waiter. */
  readonly roomInMs: (waiter: RateWaiter, nowMs: number) => number
  /** Takes what the waiter needs and lets it go on. */
  readonly admit: (waiter: RateWaiter, nowMs: number) => void
  readonly refuse: (waiter: RateWaiter, refusal: Refusal) => void
  /** Why a waiter is sent away whose time is over. */
  readonly lateness: (waiter: RateWaiter, nowMs: number) => Refusal
}

/** Waiters that are served or refused in one turn of the event loop. */
const sliceMax = 128

export class RateQueue implements Watcher {
  /** Tokens that all waiters together will reserve. */
  tokens = 0
  private readonly host: QueueHost
  /** Milliseconds that a waiter may wait. */
  maxWaitMs: number
  private readonly admission: Admission
  private readonly waiters = new FairQueue<RateWaiter>()
  /** Lines whose model had no room when the pump ran last. */
  private readonly closedLines = new Set<number>()
  private timer: { readonly atMs: number; readonly cancel: () => void } | undefined
  private pumping = false
  /** True while another slice is to come. */
  private sliced = false
  private closed = false

  constructor(host: QueueHost, maxWaitMs: number, admission: Admission) {
    this.host = host
    this.maxWaitMs = maxWaitMs
    this.admission = admission
  }

  get size(): number {
    return this.waiters.size
  }

  /** Waiters that only the provider keeps waiting. */
  get ready(): number {
    return this.waiters.ready(this.closedLines)
  }

  oldest(): RateWaiter | undefined {
    return this.waiters.oldest()
  }

  /** The waiters that have waited longest, at most `count`. */
  oldestOf(count: number): ReadonlyArray<RateWaiter> {
    return this.waiters.oldestOf(count)
  }

  groups(count: number): ReturnType<FairQueue<RateWaiter>["groups"]> {
    return this.waiters.groups(count)
  }

  standing(priority: number, tenant: string, weight: number, before?: number): Standing {
    const closed = this.closedLines
    return this.waiters.standing(priority, tenant, weight, before === undefined ? { closed } : { closed, before })
  }

  inLine(line: number, priority: number): number {
    return this.waiters.inLine(line, priority)
  }

  join(waiter: RateWaiter): void {
    this.waiters.join(waiter)
    if (waiter.scopes.key !== undefined) waiter.scopes.key.waiting++
    this.tokens += waiter.tokens
    this.pump()
  }

  /** Takes a waiter out that gave up; does nothing when it was served or refused. */
  leave(waiter: RateWaiter): void {
    if (waiter.gone) return
    this.remove(waiter)
    this.pump()
  }

  unpark(by: string): void {
    this.waiters.unpark(by)
    this.pump()
  }

  /** Serves waiters while there is room, drops those whose time is over, and sets the timer for the next change. */
  pump(): void {
    if (this.pumping || this.sliced || this.closed) return
    if (this.waiters.size === 0) return this.stopTimer()
    this.pumping = true
    const nowMs = this.host.clock.currentTimeMillisUnsafe()
    const nextAtMs = this.slice(nowMs)
    this.pumping = false
    if (this.waiters.size === 0) this.stopTimer()
    else if (nextAtMs <= nowMs) this.continueLater(() => this.pump())
    else this.setTimer(nextAtMs, nowMs)
  }

  /** Refuses whoever waits and sets no timer again. */
  close(refusal: Refusal): void {
    this.closed = true
    this.stopTimer()
    for (let count = 0; count < sliceMax; count++) {
      const waiter = this.oldest()
      if (waiter === undefined) return
      this.remove(waiter)
      this.admission.refuse(waiter, refusal)
    }
    this.continueLater(() => this.close(refusal))
  }

  private continueLater(run: () => void): void {
    this.sliced = true
    this.host.later(() => {
      this.sliced = false
      run()
    })
  }

  /** One slice of the pump. Returns when there is something to do again: now, when the slice was full. */
  private slice(nowMs: number): number {
    this.closedLines.clear()
    this.waiters.unparkDue(nowMs)
    let left = sliceMax
    for (;;) {
      const served = this.serve(nowMs, left)
      left -= served.count
      if (left <= 0) return nowMs
      const dropped = this.dropLate(nowMs, left)
      left -= dropped
      if (left <= 0) return nowMs
      const oldest = this.waiters.oldest()
      if (oldest === undefined) return Number.POSITIVE_INFINITY
      if (dropped === 0) return Math.min(served.nextAtMs, this.waiters.unparkAtMs(), oldest.joinedAtMs + this.maxWaitMs)
    }
  }

  private serve(nowMs: number, countMax: number): { readonly count: number; readonly nextAtMs: number } {
    let nextAtMs = Number.POSITIVE_INFINITY
    let count = 0
    while (count < countMax) {
      const openInMs = this.admission.openInMs(nowMs)
      if (openInMs > 0) return { count, nextAtMs: nowMs + openInMs }
      const first = this.waiters.peek(this.closedLines)
      if (first === undefined) return { count, nextAtMs }
      const kept = first.scopes.model?.keptFor
      const next = kept !== undefined && this.isFree(kept, nowMs) ? kept : first
      const { key, model, tenant } = next.scopes
      const tenantInMs = scopeInMs(tenant, next, nowMs)
      if (tenantInMs > 0) {
        tenant!.watchers.add(this)
        this.waiters.park(next, nowMs + tenantInMs)
        continue
      }
      const keyInMs = scopeInMs(key, next, nowMs)
      if (keyInMs > 0) {
        key!.watchers.add(this)
        this.waiters.park(next, nowMs + keyInMs, key!.tenant)
        continue
      }
      const modelInMs = scopeInMs(model, next, nowMs)
      if (modelInMs > 0) {
        this.closedLines.add(next.line)
        nextAtMs = Math.min(nextAtMs, nowMs + modelInMs)
        continue
      }
      const roomInMs = this.admission.roomInMs(next, nowMs)
      if (roomInMs > 0) return { count, nextAtMs: Math.min(nextAtMs, nowMs + roomInMs) }
      this.tokens -= next.tokens
      if (key !== undefined) key.waiting--
      const claimed = tenant?.keptFor === next
      const claimedKey = key?.keptFor === next
      this.waiters.serve(next)
      this.admission.admit(next, nowMs)
      if (claimed) tenant.tell()
      if (claimedKey) key.tell()
      count++
    }
    return { count, nextAtMs }
  }

  /** Whether the limits of its tenant and its key let a waiter go. */
  private isFree(waiter: RateWaiter, nowMs: number): boolean {
    const { key, tenant } = waiter.scopes
    return scopeInMs(tenant, waiter, nowMs) === 0 && scopeInMs(key, waiter, nowMs) === 0
  }

  /** Drops at most `countMax` whose time is over; returns how many. */
  private dropLate(nowMs: number, countMax: number): number {
    for (let count = 0; count < countMax; count++) {
      const oldest = this.oldest()
      if (oldest === undefined || oldest.joinedAtMs + this.maxWaitMs > nowMs) return count
      this.remove(oldest)
      this.admission.refuse(oldest, this.admission.lateness(oldest, nowMs))
    }
    return countMax
  }

  private remove(waiter: RateWaiter): void {
    this.tokens -= waiter.tokens
    this.waiters.leave(waiter)
    const { key, model, tenant } = waiter.scopes
    if (key !== undefined) key.waiting--
    model?.left(waiter)
    tenant?.left(waiter)
    key?.left(waiter)
  }

  private setTimer(atMs: number, nowMs: number): void {
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

/** Milliseconds until a scope has room for the waiter, which may get a claim; infinite while it has no place for it. */
const scopeInMs = (scope: RateScope | undefined, waiter: RateWaiter, nowMs: number): number => {
  if (scope === undefined) return 0
  const kept = scope.keptFor
  if (!scope.hasPlace || (kept !== undefined && kept !== waiter)) return Number.POSITIVE_INFINITY
  const roomInMs = scope.roomInMs(waiter.tokens, nowMs)
  if (roomInMs > 0) scope.passOver(waiter)
  return roomInMs
}
