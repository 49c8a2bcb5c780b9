/**
 * The limits of one scope: calls at once, requests and tokens in a sliding window.
 *
 * A scope is a provider, a model of a provider, a tenant, or a virtual key. An attempt takes a permit, one request and its tokens of every
 * scope that it belongs to in one synchronous step, and settles each of them with the true usage. A scope holds numbers
 * alone: it has no clock and knows no waiters.
 */
import { createHash } from "node:crypto"
import type { CallerLimit, CallerLimits } from "./Call.ts"
import { LearnedLimits, type Mark } from "./LearnedLimits.ts"
import type { LearnedRate } from "./LearnedRate.ts"
import type { LearnMode } from "./Provider.ts"
import type { SlidingWindow } from "./SlidingWindow.ts"

/** One limit: what was configured and what is left now; null where there is no such limit. */
export interface LimitStatus {
  readonly configured: number | null
  readonly learned: number | null
  readonly available: number | null
}

/** The limits of a scope, as configured; undefined where there is none. */
export interface ScopeRates {
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
  /** Calls at the same time. */
  readonly concurrent: number | undefined
  readonly windowMs: number
  /** Off unless told. */
  readonly learn?: LearnMode | undefined
}

export interface ScopeLimits {
  readonly requestsPerMinute: LimitStatus
  readonly tokensPerMinute: LimitStatus
  readonly concurrent: LimitStatus
}

/** Who waits for a scope, as far as it matters to the scope. */
export interface Claimant {
  readonly joinedAtMs: number
  /** Set when it was served or has left. */
  readonly gone: boolean
}

/** A queue in which waiters of a scope were passed over. */
export interface Watcher {
  /** Lets the waiters of a tenant take part again, and serves them if there is room. */
  readonly unpark: (tenant: string) => void
}

/** What an attempt holds of one scope until it is settled. */
export interface Hold extends Mark {
  readonly scope: RateScope
  /** The limits that were in force. */
  readonly learned: LearnedLimits
  readonly requestTicket: number
  readonly tokenTicket: number
}

export class RateScope<W extends Claimant = Claimant> {
  /** As errors name it: `openai`. */
  readonly name: string
  /** The same on all instances: providers and models by their name, tenants and keys by theirs. */
  readonly id: string
  active = 0
  /** The limits in force: as configured, or as the provider has taught. */
  learned: LearnedLimits
  /** The tenant whose scope it is; for other scopes a text that is no tenant's name. */
  readonly tenant: string
  /** Waiters that need it, where somebody counts them. */
  waiting = 0
  /** Queues in which a waiter was passed over because of this scope; each is told once when something is given back. */
  readonly watchers = new Set<Watcher>()
  /** Told when nobody holds it back any more. */
  onRoom: (() => void) | undefined
  private claimant: W | undefined
  private overtaken = 0
  /** Somebody who has taken from it waits for other instances. */
  private heldBack = false
  private rateLimits: ScopeRates

  constructor(name: string, rateLimits: ScopeRates, tenant = "") {
    this.name = name
    this.id = idOf(name, tenant)
    this.tenant = tenant
    this.rateLimits = rateLimits
    this.learned = new LearnedLimits(rateLimits)
  }

  /** Takes other limits. What is held and was taken lately counts under them; what the provider taught is forgotten. */
  reconfigure(rateLimits: ScopeRates, nowMs: number): void {
    if (sameRates(this.rateLimits, rateLimits)) return
    const before = this.learned
    this.rateLimits = rateLimits
    this.learned = new LearnedLimits(rateLimits)
    carry(before.requests, this.learned.requests, nowMs)
    carry(before.tokens, this.learned.tokens, nowMs)
  }

  get requests(): SlidingWindow | undefined {
    return this.learned.requests.limit
  }

  get tokens(): SlidingWindow | undefined {
    return this.learned.tokens.limit
  }

  /** Calls at once; infinite where there is no such limit. */
  get concurrent(): number {
    return this.learned.concurrent
  }

  /** True when nothing runs, nobody waits and the windows are as new. */
  idle(nowMs: number): boolean {
    if (this.active > 0 || this.watchers.size > 0) return false
    return (
      this.requests?.available(nowMs) === this.requests?.limit && this.tokens?.available(nowMs) === this.tokens?.limit
    )
  }

  get hasPlace(): boolean {
    return this.active < this.concurrent && !this.heldBack
  }

  /** Lets nobody take from it for now, or again. */
  holdBack(held: boolean): void {
    if (this.heldBack === held) return
    this.heldBack = held
    if (held) return
    this.onRoom?.()
    this.tell()
  }

  /** Milliseconds until the windows have room for one request of so many tokens, whoever waits; 0 when they have. */
  roomInMs(tokens: number, nowMs: number): number {
    const { requests, tokens: tokenRate } = this.learned
    const requestsMs = requests.limit === undefined ? 0 : requests.waitMs(1, nowMs)
    return Math.max(requestsMs, tokenRate.limit === undefined ? 0 : tokenRate.waitMs(tokens, nowMs))
  }

  /** Share of a window that an attempt takes, by whichever it takes more of; the same for all where there is none. */
  costOf(amount: number): number {
    const { requests, tokens } = this
    const cost = Math.max(
      requests === undefined ? 0 : 1 / requests.limit,
      tokens === undefined ? 0 : amount / tokens.limit
    )
    return cost > 0 ? cost : 1
  }

  /** Milliseconds that so many requests and tokens need at the paced rate. */
  paceMs(requests: number, tokens: number): number {
    return Math.max(this.requests?.paceMs(requests) ?? 0, this.tokens?.paceMs(tokens) ?? 0)
  }

  /**
   * Notes who was passed over for want of room. The one that came first has a claim: when so many others have gone before
   * it, the scope is kept for it, so that a large request does not starve beside small ones.
   */
  passOver(waiter: W): void {
    if (this.claimant !== undefined && !this.claimant.gone && this.claimant.joinedAtMs <= waiter.joinedAtMs) return
    this.claimant = waiter
    this.overtaken = 0
  }

  /** Somebody left without being served: a claim of theirs is over, and whoever was passed over may have room. */
  left(waiter: Claimant): void {
    if (this.claimant === waiter) this.claimant = undefined
    this.tell()
  }

  /** Who has a claim that is due: nobody else may take anything. */
  get keptFor(): W | undefined {
    return this.overtaken >= overtakenMax && this.claimant?.gone === false ? this.claimant : undefined
  }

  /** Takes a permit, a request and tokens; call it only when there is a place and room. */
  take(tokens: number, nowMs: number): Hold {
    this.active++
    if (this.claimant !== undefined) {
      if (this.claimant.gone) this.claimant = undefined
      else this.overtaken++
    }
    const { requests, tokens: tokenRate } = this.learned
    return {
      scope: this,
      learned: this.learned,
      tokens,
      requestTicket: requests.counts ? requests.window.take(1, nowMs) : 0,
      tokenTicket: tokenRate.counts ? tokenRate.window.take(tokens, nowMs) : 0,
      takenAtMs: nowMs,
      requestsHeld: requests.counts ? requests.window.usedAt(nowMs) : 0,
      tokensHeld: tokenRate.counts ? tokenRate.window.usedAt(nowMs) : 0,
      activeHeld: this.active
    }
  }

  /** Gives the permit back and replaces the reservation by what was used: requests (1 or 0) and tokens. */
  settle(hold: Hold, requests: number, tokens: number, outputTokens: number, nowMs: number): void {
    this.active--
    const { requests: requestRate, tokens: tokenRate } = hold.learned
    if (tokenRate.counts) tokenRate.window.correct(hold.tokenTicket, hold.tokens, tokens, nowMs, outputTokens)
    if (requests !== 1 && requestRate.counts) requestRate.window.correct(hold.requestTicket, 1, requests, nowMs)
  }

  /** Tells the queues that watch that there may be room; each is told once. */
  tell(): void {
    if (this.watchers.size === 0) return
    const watchers = [...this.watchers]
    this.watchers.clear()
    for (const watcher of watchers) watcher.unpark(this.tenant)
  }

  /** What is left of the rates, for whom they are the own limits. */
  callerLimits(nowMs: number): CallerLimits {
    const { requestsPerMinute, tokensPerMinute } = this.rateLimits
    return {
      requests: callerLimit(requestsPerMinute, this.requests, nowMs),
      tokens: callerLimit(tokensPerMinute, this.tokens, nowMs)
    }
  }

  limits(nowMs: number): ScopeLimits {
    const { concurrent, learnedConcurrent, requests, tokens } = this.learned
    return {
      requestsPerMinute: limitStatus(requests, nowMs),
      tokensPerMinute: limitStatus(tokens, nowMs),
      concurrent: Number.isFinite(concurrent)
        ? {
            configured: this.rateLimits.concurrent ?? null,
            learned: learnedConcurrent ?? null,
            available: Math.max(0, concurrent - this.active)
          }
        : noLimit
    }
  }
}

/** Longer names are told by their hash. */
const idLengthMax = 120

const idOf = (name: string, tenant: string): string => {
  const id = tenant === "" ? `at ${name}` : tenant.startsWith("\u0000") ? `key ${tenant.slice(1)}` : `tenant ${tenant}`
  return id.length <= idLengthMax ? id : `hash ${createHash("sha256").update(id).digest("base64url")}`
}

/** So many others may go before the one that has a claim. */
const overtakenMax = 8

/** What is left of a caller's own limits: of two the one of which less is left. */
export const callerLimitsOf = (
  tenant: RateScope | undefined,
  key: RateScope | undefined,
  nowMs: number
): CallerLimits | undefined => {
  const a = tenant?.callerLimits(nowMs)
  const b = key?.callerLimits(nowMs)
  if (a === undefined || b === undefined) return a ?? b
  return { requests: lesser(a.requests, b.requests), tokens: lesser(a.tokens, b.tokens) }
}

const lesser = (a: CallerLimit | undefined, b: CallerLimit | undefined): CallerLimit | undefined =>
  a === undefined || b === undefined ? (a ?? b) : b.remaining < a.remaining ? b : a

const sameRates = (a: ScopeRates, b: ScopeRates): boolean =>
  a.requestsPerMinute === b.requestsPerMinute &&
  a.tokensPerMinute === b.tokensPerMinute &&
  a.concurrent === b.concurrent &&
  a.windowMs === b.windowMs &&
  a.learn === b.learn

/** What one window holds is held by another one from now on. */
const carry = (from: LearnedRate, to: LearnedRate, nowMs: number): void => {
  if (from.counts && to.counts) to.window.inherit(from.window, nowMs)
}

const noLimit: LimitStatus = { configured: null, learned: null, available: null }

const limitStatus = ({ configured, learned, limit, remaining }: LearnedRate, nowMs: number): LimitStatus =>
  limit === undefined
    ? { ...noLimit, learned: learned === undefined ? null : Math.floor(learned), available: remaining ?? null }
    : {
        configured: configured ?? null,
        learned: learned === undefined ? null : Math.floor(learned),
        available: Math.floor(limit.available(nowMs))
      }

const callerLimit = (
  limit: number | undefined,
  window: SlidingWindow | undefined,
  nowMs: number
): CallerLimit | undefined => {
  if (limit === undefined || window === undefined) return undefined
  const available = window.available(nowMs)
  return { limit, remaining: Math.floor(available), resetMs: window.paceMs(window.limit - available) }
}
