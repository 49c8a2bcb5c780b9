/**
 * The `ai_*` gauges of a registry, read from the engines in it whenever somebody scrapes.
 *
 * A host may run several engines on one registry: what they have of a provider of one name is added up, and the worst of
 * their circuits is shown. Each source is one concern's and may be handed in alone. Nothing here is set on the hot path.
 */
import { Counter, Gauge, type Registry } from "prom-client"
import {
  type LabelValueOf,
  type MetricDefinition,
  metricDefinitions,
  type MetricName,
  optionsOf
} from "./MetricDefinitions.ts"

/** Where the gauges of one engine are read. */
export interface GaugeSources {
  readonly providers?: () => ReadonlyArray<ProviderGauges>
  readonly cacheEntries?: () => ReadonlyArray<{ readonly kind: string; readonly entries: number }>
  /** Evictions since the start. */
  readonly cacheEvictions?: () => number
  /** Usage rows dropped since the start. */
  readonly rowsDropped?: () => number
  /** Absent where nothing is shared. */
  readonly redis?: () => {
    readonly healthy: boolean
    readonly roundTripMs: number | null
    readonly roundTrips: number
    readonly dropped: number
  }
  /** Undefined where limits are not shared. */
  readonly sharing?: () =>
    | { readonly instances: number; readonly waiting: number; readonly decidedAlone: number }
    | undefined
  /** Every budget in its current period; of several tenants, keys, models or providers the one that has used most of its own. */
  readonly budgets?: () => ReadonlyArray<{
    readonly budget: string
    readonly scope: string
    /** Spent and reserved as a share of what there is; 1 and more: all of it. */
    readonly usedRatio: number
  }>
  /** Counts since the start, by budget. */
  readonly budgetCounts?: () => {
    readonly warnings: ReadonlyMap<string, number>
    readonly refusals: ReadonlyMap<string, { readonly usd: number; readonly tokens: number }>
    readonly decidedAlone: number
  }
  /** How often the configuration was read again since the start, by what came of it. */
  readonly configReloads?: () => { readonly [outcome in LabelValueOf<"ai_config_reloads_total", "outcome">]: number }
}

export interface ProviderGauges {
  readonly name: string
  readonly active: number
  /** 0 closed, 1 half open, 2 open. */
  readonly circuit: number
  readonly queued: number
  readonly queueMax: number
  readonly oldestWaitMs: number
  readonly waitMsMax: number
  /** Limits in force and what is left of them; null where there is none. */
  readonly limits: ReadonlyArray<{
    readonly limit: string
    readonly value: number | null
    readonly available: number | null
  }>
}

/** Labels and value of one series. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

const engines = new WeakMap<Registry, Set<GaugeSources>>()

/** Adds sources to the gauges of a registry; the returned function takes them out again. */
export const observeGauges = (registry: Registry, sources: GaugeSources): (() => void) => {
  let observed = engines.get(registry)
  if (observed === undefined) engines.set(registry, (observed = new Set()))
  // Its host may have cleared it since.
  if (registry.getSingleMetric("ai_active_requests") === undefined) makeGauges(registry, observed)
  observed.add(sources)
  return () => observed.delete(sources)
}

const makeGauges = (registry: Registry, observed: ReadonlySet<GaugeSources>): void => {
  const registers = [registry]

  const gauge = (name: MetricName, read: (sources: GaugeSources) => Iterable<Sample> | undefined) => {
    const { together }: MetricDefinition = metricDefinitions[name]
    const created: Gauge = new Gauge({
      ...optionsOf(name),
      registers,
      collect: () => {
        const found = new Map<string, Sample>()
        for (const sources of observed) {
          for (const [labels, value] of read(sources) ?? []) {
            const key = JSON.stringify(Object.values(labels))
            const before = found.get(key)?.[1]
            const both =
              before === undefined ? value : together === "largest" ? Math.max(before, value) : before + value
            found.set(key, [labels, both])
          }
        }
        created.reset()
        for (const [labels, value] of found.values()) created.set(labels, value)
      }
    })
  }

  const ofProviders = (name: MetricName, read: (provider: ProviderGauges) => number) =>
    gauge(name, ({ providers }) => providers?.().map((provider) => [{ provider: provider.name }, read(provider)]))

  const ofLimits = (name: MetricName, read: (limit: ProviderGauges["limits"][number]) => number | null) =>
    gauge(name, ({ providers }) =>
      providers?.().flatMap((provider) =>
        provider.limits.flatMap((limit): ReadonlyArray<Sample> => {
          const value = read(limit)
          return value === null ? [] : [[{ provider: provider.name, limit: limit.limit }, value]]
        })
      )
    )

  const counters = (name: MetricName, read: (sources: GaugeSources) => Iterable<Sample> | undefined) => {
    const created: Counter = new Counter({
      ...optionsOf(name),
      registers,
      collect: () => {
        created.reset()
        for (const sources of observed) for (const [labels, value] of read(sources) ?? []) created.inc(labels, value)
      }
    })
  }

  const counter = (name: MetricName, read: (sources: GaugeSources) => number | undefined) =>
    counters(name, (sources) => [[{}, read(sources) ?? 0]])

  ofProviders("ai_active_requests", ({ active }) => active)
  ofProviders("ai_circuit_state", ({ circuit }) => circuit)
  ofProviders("ai_queue_depth", ({ queued }) => queued)
  ofProviders("ai_queue_limit", ({ queueMax }) => queueMax)
  ofProviders("ai_queue_oldest_wait_seconds", ({ oldestWaitMs }) => oldestWaitMs / 1000)
  ofProviders("ai_queue_wait_limit_seconds", ({ waitMsMax }) => waitMsMax / 1000)
  ofLimits("ai_rate_limit", ({ value }) => value)
  ofLimits("ai_rate_limit_available", ({ available }) => available)
  gauge("ai_cache_entries", ({ cacheEntries }) => cacheEntries?.().map(({ entries, kind }) => [{ kind }, entries]))
  gauge("ai_budget_used_ratio", ({ budgets }) =>
    budgets?.().map(({ budget, scope, usedRatio }) => [{ budget, scope }, usedRatio])
  )
  counters("ai_budget_warnings_total", ({ budgetCounts }) =>
    [...(budgetCounts?.().warnings ?? [])].map(([budget, count]) => [{ budget }, count])
  )
  counters("ai_budget_refusals_total", ({ budgetCounts }) =>
    [...(budgetCounts?.().refusals ?? [])].flatMap(([budget, { tokens, usd }]): ReadonlyArray<Sample> => [
      [{ budget, unit: "usd" }, usd],
      [{ budget, unit: "tokens" }, tokens]
    ])
  )
  counter("ai_budget_alone_total", ({ budgetCounts }) => budgetCounts?.().decidedAlone)
  counters("ai_config_reloads_total", ({ configReloads }) =>
    Object.entries(configReloads?.() ?? {}).map(([outcome, count]) => [{ outcome }, count])
  )
  gauge("ai_redis_down", ({ redis }) => (redis === undefined ? [] : [[{}, redis().healthy ? 0 : 1]]))
  gauge("ai_redis_round_trip_seconds", ({ redis }) => {
    const averageMs = redis?.().roundTripMs
    return averageMs == null ? [] : [[{}, averageMs / 1000]]
  })
  counter("ai_redis_round_trips_total", ({ redis }) => redis?.().roundTrips)
  counter("ai_redis_dropped_total", ({ redis }) => redis?.().dropped)
  const ofSharing = (read: "instances" | "waiting" | "decidedAlone") => (sources: GaugeSources) => {
    const value = sources.sharing?.()?.[read]
    return value === undefined ? [] : [[{}, value] as const]
  }
  gauge("ai_instances", ofSharing("instances"))
  gauge("ai_shared_queue_depth", ofSharing("waiting"))
  counters("ai_limits_alone_total", ofSharing("decidedAlone"))
  counter("ai_cache_evictions_total", ({ cacheEvictions }) => cacheEvictions?.())
  counter("ai_usage_rows_dropped_total", ({ rowsDropped }) => rowsDropped?.())
}
