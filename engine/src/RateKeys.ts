/**
 * The limits of virtual keys over all providers: one scope for each key that has some and was used.
 *
 * Limits come with the grant of a request, so a key without limits costs nothing here, and a change holds from the next
 * request on: what has been taken lately counts under it. Keys are made by operators, so their number bounds the scopes.
 */
import type { Grant } from "./Grant.ts"
import { RateScope, type ScopeLimits } from "./RateScope.ts"

export interface KeyLimitStatus {
  readonly active: number
  readonly limits: ScopeLimits
}

interface KeyScope {
  readonly scope: RateScope
  changedAtMs: number
}

export class RateKeys {
  private readonly scopes = new Map<string, KeyScope>()

  /** The scope of a request's key; undefined when it has no limits. */
  scopeOf(grant: Grant | undefined, nowMs: number): RateScope | undefined {
    if (grant?.rateLimits === undefined) return undefined
    const { changedAtMs = 0, keyId, name, rateLimits } = grant
    const known = this.scopes.get(keyId)
    if (known === undefined) {
      const scope = new RateScope(`key ${name}`, rateLimits, `\u0000${keyId}`)
      this.scopes.set(keyId, { scope, changedAtMs })
      return scope
    }
    // A request that came before the last change goes on under the limits of those that came after it.
    if (changedAtMs > known.changedAtMs) {
      known.changedAtMs = changedAtMs
      known.scope.reconfigure(rateLimits, nowMs)
      known.scope.tell()
    }
    return known.scope
  }

  status(keyId: string, nowMs: number): KeyLimitStatus | undefined {
    const scope = this.scopes.get(keyId)?.scope
    return scope === undefined ? undefined : { active: scope.active, limits: scope.limits(nowMs) }
  }

  /** Forgets a key that is gone; whoever runs or waits under its limits still holds them. */
  forget(keyId: string): void {
    this.scopes.delete(keyId)
  }
}
