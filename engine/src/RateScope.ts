/**
 * The limits of one scope: calls at once, requests and tokens in a sliding window.
 *
 * A scope is a provider, a model of a provider, or a tenant. An attempt takes a permit, one request and its tokens of every
 * scope that it belongs to in one synchronous step, and settles each of them with the true usage. A scope holds numbers
 * alone: it has no clock and knows no waiters.
 */
import type { RateLimits } from "./Provider.ts"
import { SlidingWindow } from "./SlidingWindow.ts"

/** One limit: what was configured and what is left now; null where there is no such limit. */
export interface LimitStatus {
  readonly configured: number | null
  readonly learned: number | null
  readonly available: number | null
}

export interface ScopeLimits {
  readonly requestsPerMinute: LimitStatus
  readonly tokensPerMinute: LimitStatus
  readonly concurrent: LimitStatus
}

/** What an attempt holds of one scope until it is settled. */
export interface Hold {
  readonly scope: RateScope
  /** Tokens that were reserved. */
  readonly tokens: number
  readonly requestTicket: number
  readonly tokenTicket: number
}

export class RateScope {
  /** As errors name it: `openai`. */
  readonly name: string
  active = 0
  readonly requests: SlidingWindow | undefined
  readonly tokens: SlidingWindow | undefined
  private readonly rateLimits: RateLimits

  constructor(name: string, rateLimits: RateLimits) {
    this.name = name
    this.rateLimits = rateLimits
    const { requestsPerMinute, tokensPerMinute, windowMs } = rateLimits
    if (requestsPerMinute !== undefined) {
      this.requests = SlidingWindow.perMinute(requestsPerMinute, windowMs, () => 10)
    }
    if (tokensPerMinute !== undefined) {
      this.tokens = SlidingWindow.perMinute(tokensPerMinute, windowMs, (limit) => limit / 4)
    }
  }

  /** Calls at once. */
  get concurrent(): number {
    return this.rateLimits.concurrent
  }

  get hasPlace(): boolean {
    return this.active < this.rateLimits.concurrent
  }

  /** Milliseconds until the windows have room for one request of so many tokens, whoever waits; 0 when they have. */
  roomInMs(tokens: number, nowMs: number): number {
    const requestsMs = this.requests === undefined ? 0 : this.requests.waitMs(1, nowMs)
    const tokensMs = this.tokens === undefined ? 0 : this.tokens.waitMs(tokens, nowMs)
    return Math.max(requestsMs, tokensMs)
  }

  /** Milliseconds that so many requests and tokens need at the paced rate. */
  paceMs(requests: number, tokens: number): number {
    return Math.max(this.requests?.paceMs(requests) ?? 0, this.tokens?.paceMs(tokens) ?? 0)
  }

  /** Takes a permit, a request and tokens; call it only when there is a place and room. */
  take(tokens: number, nowMs: number): Hold {
    this.active++
    return {
      scope: this,
      tokens,
      requestTicket: this.requests?.take(1, nowMs) ?? 0,
      tokenTicket: this.tokens?.take(tokens, nowMs) ?? 0
    }
  }

  /** Gives the permit back and replaces the reservation by what was used: requests (1 or 0) and tokens. */
  settle(hold: Hold, requests: number, tokens: number, nowMs: number): void {
    this.active--
    this.tokens?.correct(hold.tokenTicket, hold.tokens, tokens, nowMs)
    if (requests !== 1) this.requests?.correct(hold.requestTicket, 1, requests, nowMs)
  }

  limits(nowMs: number): ScopeLimits {
    const { concurrent, requestsPerMinute, tokensPerMinute } = this.rateLimits
    return {
      requestsPerMinute: limitStatus(requestsPerMinute, this.requests, nowMs),
      tokensPerMinute: limitStatus(tokensPerMinute, this.tokens, nowMs),
      concurrent: { configured: concurrent, learned: null, available: Math.max(0, concurrent - this.active) }
    }
  }
}

const limitStatus = (configured: number | undefined, window: SlidingWindow | undefined, nowMs: number): LimitStatus =>
  configured === undefined || window === undefined
    ? { configured: null, learned: null, available: null }
    : { configured, learned: null, available: Math.floor(window.available(nowMs)) }
