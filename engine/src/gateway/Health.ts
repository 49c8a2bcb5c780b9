/**
 * Readiness, with its reasons: whether a load balancer should send calls here.
 *
 * Not ready while shutting down, while the circuit of every provider is open, and while virtual keys are required that could
 * not be read yet. A sick store is told and changes nothing else: requests are served without it (law 11).
 */
import type { Status } from "../AdminAnswers.ts"
import type { KeysHealth } from "../Keys.ts"

export interface Health {
  readonly status: "ready" | "unavailable"
  /** Why it is unavailable, or what is degraded; empty when all is well. */
  readonly reasons: ReadonlyArray<string>
  readonly checks: {
    readonly database: StoreHealth
    readonly cache: StoreHealth
    /** Absent where none is configured. */
    readonly redis?: StoreHealth
    /** Absent where there are no budgets. */
    readonly budgets?: StoreHealth
    readonly keys: { readonly required: boolean; readonly loaded: boolean }
    /** State of each provider's circuit. */
    readonly providers: { readonly [name: string]: string }
  }
}

export interface StoreHealth {
  readonly healthy: boolean
  readonly kind: string
}

/** `keys` is given where they are required. */
export const healthOf = (status: Status, draining: boolean, keys?: KeysHealth): Health => {
  const { database, redis } = status.stores
  const { store: cache } = status.cache
  const budgets = status.budgets?.store
  const reasons: Array<string> = []
  if (draining) reasons.push("shutting down")
  const open = status.providers.filter((provider) => provider.breaker === "open")
  const allOpen = open.length === status.providers.length
  for (const provider of open) reasons.push(`circuit of ${provider.name} is open`)
  if (!database.healthy) reasons.push(`usage database: ${database.reason ?? "unhealthy"}`)
  if (!cache.healthy) reasons.push(`store of the cache: ${cache.reason ?? "unhealthy"}`)
  if (redis?.healthy === false) reasons.push(`redis: ${redis.reason ?? "unhealthy"}`)
  if (budgets?.healthy === false) reasons.push(`store of the budgets: ${budgets.reason ?? "unhealthy"}`)
  const locked = keys?.loaded === false
  if (locked) reasons.push(`keys: ${keys.reason ?? "not read yet"}`)
  return {
    status: draining || allOpen || locked ? "unavailable" : "ready",
    reasons,
    checks: {
      database: healthIn(database),
      cache: healthIn(cache),
      ...(redis === null ? {} : { redis: { healthy: redis.healthy, kind: "redis" } }),
      ...(budgets === undefined ? {} : { budgets: healthIn(budgets) }),
      keys: { required: keys !== undefined, loaded: status.keys?.loaded ?? true },
      providers: Object.fromEntries(status.providers.map(({ breaker, name }) => [name, breaker]))
    }
  }
}

const healthIn = ({ healthy, kind }: StoreHealth): StoreHealth => ({ healthy, kind })
