/** What an operator should look at now, the worst first, each with the page where something can be done about it. */
import type { BudgetStatus, ErrorGroup, Limit, Status } from "millrace/admin-api"
import { duration, exactCount, share, text, usd } from "@/lib/format"
import { spikesIn } from "./spikes"

export interface Concern {
  readonly id: string
  readonly severity: "bad" | "warn"
  readonly title: string
  readonly detail: string
  readonly href: string
}

/** A limit with less than this share free counts as saturated. */
const scarceShare = 0.05
const nearShare = 0.9

export const concernsOf = (status: Status, errors: ReadonlyArray<ErrorGroup>, nowMs: number): ReadonlyArray<Concern> =>
  [
    ...storeConcerns(status),
    ...breakerConcerns(status),
    ...budgetConcerns(status.budgets?.items ?? []),
    ...limitConcerns(status),
    ...keyConcerns(status),
    ...spikeConcerns(errors, nowMs)
  ].toSorted((a, b) => Number(b.severity === "bad") - Number(a.severity === "bad"))

const storeConcerns = ({ stores, cache, budgets, keys }: Status): ReadonlyArray<Concern> => {
  const { database, redis } = stores
  const sick: Array<Concern> = []
  const add = (id: string, title: string, detail: string | null) =>
    sick.push({
      id: `store ${id}`,
      severity: "bad",
      title,
      detail: detail ?? "Requests are served without it.",
      href: "/settings"
    })
  if (!database.healthy) add("database", "The usage database is sick", database.reason)
  else if (database.rowsDropped > 0) {
    add("rows", "Usage records were lost", `${exactCount(database.rowsDropped)} since the start.`)
  }
  if (!cache.store.healthy) add("cache", "The store of the cache is sick", cache.store.reason)
  if (redis?.healthy === false) add("redis", "Redis is sick", redis.reason)
  if (budgets?.store.healthy === false) add("budgets", "The store of the budgets is sick", budgets.store.reason)
  if (keys !== undefined && (!keys.loaded || keys.reason !== null)) {
    add("keys", keys.loaded ? "Keys could not be read again" : "Keys could not be read", keys.reason)
  }
  return sick
}

const breakerConcerns = ({ providers }: Status): ReadonlyArray<Concern> =>
  providers
    .filter(({ breaker }) => breaker !== "closed")
    .map(({ name, breaker }) => ({
      id: `breaker ${name}`,
      severity: breaker === "open" ? "bad" : "warn",
      title: `The breaker of ${name} is ${breaker === "open" ? "open" : "half open"}`,
      detail: breaker === "open" ? "It gets no calls." : "It is being probed.",
      href: `/providers?provider=${encodeURIComponent(name)}`
    }))

const limitNames = {
  requestsPerMinute: "requests per minute",
  tokensPerMinute: "tokens per minute",
  concurrent: "concurrent calls"
} as const

const boundOf = ({ configured, learned }: Limit) =>
  learned === null ? configured : Math.min(learned, configured ?? learned)

const limitConcerns = ({ providers }: Status): ReadonlyArray<Concern> =>
  providers.flatMap(({ name, limits, queued, queue }) => {
    const full = (Object.keys(limitNames) as Array<keyof typeof limitNames>).filter((limit) => {
      const bound = boundOf(limits[limit])
      const { available } = limits[limit]
      return bound !== null && available !== null && available <= bound * scarceShare
    })
    if (full.length === 0 && queued === 0) return []
    const waiting =
      queued === 0
        ? "Nobody waits yet."
        : `${exactCount(queued)} waiting${queue === undefined ? "" : `, the oldest for ${text(duration(queue.oldestWaitMs))}`}.`
    return [
      {
        id: `limit ${name}`,
        severity: "warn" as const,
        title:
          full.length === 0
            ? `Calls wait for ${name}`
            : `${name} is at its limit of ${full.map((limit) => limitNames[limit]).join(" and ")}`,
        detail: waiting,
        href: "/live"
      }
    ]
  })

const budgetConcerns = (budgets: ReadonlyArray<BudgetStatus>): ReadonlyArray<Concern> =>
  budgets
    .filter(({ state, usedShare }) => state !== "ok" || usedShare >= nearShare)
    .map((budget) => {
      const amount = (figure: number) => (budget.unit === "usd" ? text(usd(figure)) : `${exactCount(figure)} tokens`)
      const whose = budget.of === null ? budget.budget : `${budget.budget} of ${budget.of}`
      return {
        id: `budget ${budget.budget} ${budget.of ?? ""} ${budget.unit}`,
        severity: budget.state === "exhausted" ? "bad" : "warn",
        title:
          budget.state === "exhausted"
            ? `The budget ${whose} is spent`
            : `The budget ${whose} is ${text(share(budget.usedShare))} used`,
        detail: `${amount(budget.left)} of ${amount(budget.limit)} left.`,
        href: "/budgets"
      }
    })

const keyConcerns = ({ providers }: Status): ReadonlyArray<Concern> =>
  providers.flatMap(({ name, keys }) => {
    const rejected = keys.filter(({ state, reason }) => state === "resting" && reason !== "rate-limited")
    if (rejected.length === 0) return []
    return [
      {
        id: `keys ${name}`,
        severity: rejected.length === keys.length ? ("bad" as const) : ("warn" as const),
        title: `${name} refuses ${exactCount(rejected.length)} of its ${exactCount(keys.length)} API keys`,
        detail: rejected.some(({ reason }) => reason === "quota")
          ? "A quota is used up."
          : "They are wrong or were revoked.",
        href: `/providers?provider=${encodeURIComponent(name)}`
      }
    ]
  })

const spikeConcerns = (groups: ReadonlyArray<ErrorGroup>, nowMs: number): ReadonlyArray<Concern> =>
  spikesIn(groups, nowMs).map(({ group, last, before }) => {
    const where = [group.provider, group.model].filter((part) => part !== null).join("/")
    return {
      id: `spike ${group.fingerprint}`,
      severity: "warn",
      title: `${group.kind ?? "Failures"}${where === "" ? "" : ` at ${where}`}: ${exactCount(last)} in the last hour`,
      detail:
        before === 0
          ? "None in the 23 hours before."
          : `${before < 10 ? before.toFixed(1) : exactCount(before)} an hour in the 23 hours before.`,
      href: `/requests?range=1h&status=error&fingerprint=${encodeURIComponent(group.fingerprint)}`
    }
  })
