/**
 * How long an attempt would wait at a provider: what refusals, `Retry-After` and the status tell.
 *
 * Windows and paces are known; how long a permit is held is followed from the attempts that came back. The wait is the
 * longest of what provider, model, tenant and key ask for, for everybody who would be served before. It is an estimate for
 * the queue as it stands: better priorities that come later lengthen it. O(1), and nothing is remembered but one mean.
 */
import type { RateQueue, Scopes } from "./RateQueue.ts"
import type { RateScope } from "./RateScope.ts"

/** Who would wait. */
export interface Candidate {
  readonly priority: number
  readonly tenant: string
  readonly scopes: Scopes
  /** Tokens that it would reserve. */
  readonly tokens: number
}

export interface Estimate {
  /** How many are served before. */
  readonly position: number
  readonly expectedMs: number
  /** Whose limit it waits for longest. */
  readonly by: RateScope
}

const nobody = { ahead: 0, own: 0 }

export class RateWait {
  private readonly provider: RateScope
  private readonly queue: RateQueue
  /** Milliseconds for which a permit is held, as a moving mean; 0 until one has come back. */
  private heldMs = 0

  constructor(provider: RateScope, queue: RateQueue) {
    this.provider = provider
    this.queue = queue
  }

  /** Follows how long attempts hold their permit. */
  learn(heldMs: number): void {
    this.heldMs = this.heldMs === 0 ? heldMs : this.heldMs + (heldMs - this.heldMs) / 16
  }

  /** Of a new attempt; 0 ms when it would be served at once. */
  ofNew(candidate: Candidate, nowMs: number): Estimate {
    return this.estimate(candidate, undefined, nowMs)
  }

  /** The same for one that waits already, behind `before` of its own tenant. */
  ofWaiter(waiter: Candidate, before: number, nowMs: number): Estimate {
    return this.estimate(waiter, before, nowMs)
  }

  private estimate(candidate: Candidate, before: number | undefined, nowMs: number): Estimate {
    const { priority, scopes, tenant, tokens } = candidate
    const { model } = scopes
    const { size } = this.queue
    const { ahead, own } = size === 0 ? nobody : this.queue.standing(priority, tenant, scopes.weight, before)
    const inLine = model === undefined || size === 0 ? 0 : (before ?? this.queue.inLine(scopes.line, priority))
    let by = this.provider
    let expectedMs = this.scopeMs(by, ahead, tokens, nowMs)
    const consider = (scope: RateScope | undefined, before: number) => {
      const scopeMs = scope === undefined ? 0 : this.scopeMs(scope, before, tokens, nowMs)
      if (scope === undefined || scopeMs <= expectedMs) return
      by = scope
      expectedMs = scopeMs
    }
    consider(model, inLine)
    consider(scopes.tenant, own)
    consider(scopes.key, Math.min(own, scopes.key?.waiting ?? 0))
    return { position: Math.floor(ahead), expectedMs, by }
  }

  /** Milliseconds until the provider would serve an attempt of this size behind everybody that could be served. */
  behindAllMs(tokens: number, nowMs: number): number {
    return this.scopeMs(this.provider, this.queue.ready, tokens, nowMs)
  }

  private scopeMs(scope: RateScope, ahead: number, tokens: number, nowMs: number): number {
    const roomInMs = scope.roomInMs(tokens, nowMs)
    const short = ahead + 1 - (scope.concurrent - scope.active)
    const placeInMs = short > 0 ? (short / scope.concurrent) * this.heldMs : 0
    if (ahead === 0) return Math.max(roomInMs, placeInMs)
    const queuedTokens = (ahead * this.queue.tokens) / this.queue.size
    return Math.max(roomInMs + scope.paceMs(ahead, queuedTokens), placeInMs)
  }
}
