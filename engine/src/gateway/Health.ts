/**
 * Readiness, with its reasons: whether a load balancer should send calls here.
 *
 * Not ready while shutting down, and while the circuit of every provider is open. A sick database is told and changes
 * nothing: requests are served without it (law 11).
 */
import type { Status } from "../AdminAnswers.ts"

export interface Health {
  readonly status: "ready" | "unavailable"
  /** Why it is unavailable, or what is degraded; empty when all is well. */
  readonly reasons: ReadonlyArray<string>
  readonly checks: {
    readonly database: { readonly healthy: boolean; readonly kind: string }
    readonly providers: { readonly [name: string]: string }
  }
}

export const healthOf = (status: Status, draining: boolean): Health => {
  const { database } = status.stores
  const reasons: Array<string> = []
  if (draining) reasons.push("shutting down")
  const open = status.providers.filter((provider) => provider.breaker === "open")
  const allOpen = open.length === status.providers.length
  for (const provider of open) reasons.push(`circuit of ${provider.name} is open`)
  if (!database.healthy) reasons.push(`usage database: ${database.reason ?? "unhealthy"}`)
  return {
    status: draining || allOpen ? "unavailable" : "ready",
    reasons,
    checks: {
      database: { healthy: database.healthy, kind: database.kind },
      providers: Object.fromEntries(status.providers.map(({ breaker, name }) => [name, breaker]))
    }
  }
}
