/**
 * What each tenant may take: its weight in the queues, and its own limits over all providers.
 *
 * Tenants that are not listed get the defaults, each for itself. Their names may come from callers, so their number is
 * bounded: idle ones are forgotten, and what comes beyond the bound shares one scope. It never waits and never refuses.
 */
import { RateScope, type ScopeLimits, type ScopeRates } from "./RateScope.ts"

export interface TenantOptions {
  /** Share of a provider's queue within a priority, over 0. */
  readonly weight: number
  /** Undefined for none. */
  readonly rateLimits: ScopeRates | undefined
}

export interface TenantsOptions {
  /** By name; has no prototype. */
  readonly listed: { readonly [tenant: string]: TenantOptions }
  /** For each tenant that is not listed. */
  readonly others: TenantOptions
}

export interface TenantStatus {
  /** The tenant. */
  readonly name: string
  readonly active: number
  readonly limits: ScopeLimits
}

export const noTenants: TenantsOptions = {
  listed: Object.create(null) as TenantsOptions["listed"],
  others: { weight: 1, rateLimits: undefined }
}

/** Tenants that are not listed and have a scope of their own at a time. */
const othersMax = 10_000

/** What the tenants beyond the bound are called together; no caller can be called so. */
const restName = "\u0000rest"

export class RateTenants {
  private options: TenantsOptions
  private readonly listed = new Map<string, RateScope>()
  private readonly others = new Map<string, RateScope>()
  /** True when all tenants have the same weight and none has limits. */
  alike: boolean
  private rest: RateScope | undefined
  private sweptAtMs = 0

  constructor(options: TenantsOptions) {
    this.options = options
    this.alike = areAlike(options)
    this.reconfigure(options, 0)
  }

  /** Goes on under other weights and limits; what tenants have taken lately counts under them. */
  reconfigure(options: TenantsOptions, nowMs: number): void {
    const { listed, others } = options
    this.options = options
    this.alike = areAlike(options)
    for (const name of this.listed.keys()) if (listed[name]?.rateLimits === undefined) this.listed.delete(name)
    for (const [name, { rateLimits }] of Object.entries(listed)) {
      if (rateLimits === undefined) continue
      const known = this.listed.get(name)
      if (known === undefined) this.listed.set(name, new RateScope(`tenant ${name}`, rateLimits, name))
      else known.reconfigure(rateLimits, nowMs)
    }
    if (others.rateLimits === undefined) {
      this.others.clear()
      this.rest = undefined
      return
    }
    for (const scope of this.others.values()) scope.reconfigure(others.rateLimits, nowMs)
    this.rest?.reconfigure(others.rateLimits, nowMs)
  }

  weightOf(tenant: string): number {
    return (this.options.listed[tenant] ?? this.options.others).weight
  }

  /** The scope of a tenant; undefined when it has no limits. */
  scopeOf(tenant: string, nowMs: number): RateScope | undefined {
    if (this.options.listed[tenant] !== undefined) return this.listed.get(tenant)
    const { rateLimits } = this.options.others
    if (rateLimits === undefined) return undefined
    const known = this.others.get(tenant)
    if (known !== undefined) return known
    if (this.others.size >= othersMax) this.forget(nowMs)
    if (this.others.size >= othersMax)
      return (this.rest ??= new RateScope("tenants that are not listed", rateLimits, restName))
    const scope = new RateScope(`tenant ${tenant}`, rateLimits, tenant)
    this.others.set(tenant, scope)
    return scope
  }

  /** Tenants with limits, the listed ones first, at most `count`. */
  status(nowMs: number, count: number): ReadonlyArray<TenantStatus> {
    const out: Array<TenantStatus> = []
    for (const scopes of [this.listed, this.others]) {
      for (const [name, scope] of scopes) {
        if (out.length === count) return out
        out.push({ name, active: scope.active, limits: scope.limits(nowMs) })
      }
    }
    return out
  }

  /** Forgets those of whom nothing is remembered; looks at most once a second. */
  private forget(nowMs: number): void {
    if (nowMs - this.sweptAtMs < 1000) return
    this.sweptAtMs = nowMs
    for (const [tenant, scope] of this.others) if (scope.idle(nowMs)) this.others.delete(tenant)
  }
}

const areAlike = ({ listed, others }: TenantsOptions): boolean =>
  others.rateLimits === undefined && Object.keys(listed).length === 0
