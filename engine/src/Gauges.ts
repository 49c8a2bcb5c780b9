/**
 * The `ai_*` gauges of a registry, read from the engines in it whenever somebody scrapes.
 *
 * A host may run several engines on one registry: what they have of a provider of one name is added up, and the worst of
 * their circuits is shown. Nothing here is set on the hot path.
 */
import { Counter, Gauge, type Registry } from "prom-client"

/** Where the gauges of one engine are read. */
export interface GaugeSources {
  readonly providers: () => ReadonlyArray<{
    readonly name: string
    readonly active: number
    readonly queued: number
    /** 0 closed, 1 half open, 2 open. */
    readonly circuit: number
  }>
  readonly cacheEntries: () => ReadonlyArray<{ readonly kind: string; readonly entries: number }>
  readonly rowsDropped: () => number
}

const engines = new WeakMap<Registry, Set<GaugeSources>>()

/** Adds an engine to the gauges of a registry; the returned function takes it out again. */
export const observeGauges = (registry: Registry, sources: GaugeSources): (() => void) => {
  let observed = engines.get(registry)
  if (observed === undefined) {
    engines.set(registry, (observed = new Set()))
    makeGauges(registry, observed)
  }
  observed.add(sources)
  return () => observed.delete(sources)
}

const makeGauges = (registry: Registry, observed: ReadonlySet<GaugeSources>): void => {
  const registers = [registry]
  const gauge = (
    name: string,
    help: string,
    label: "provider" | "kind",
    read: (sources: GaugeSources) => Iterable<readonly [value: string, amount: number]>,
    together: (a: number, b: number) => number = sum
  ) => {
    const created: Gauge = new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      collect: () => {
        const amounts = new Map<string, number>()
        for (const sources of observed) {
          for (const [value, amount] of read(sources)) amounts.set(value, together(amounts.get(value) ?? 0, amount))
        }
        created.reset()
        for (const [value, amount] of amounts) created.set({ [label]: value }, amount)
      }
    })
  }
  gauge("ai_active_requests", "Requests being served by a provider", "provider", ({ providers }) =>
    providers().map(({ active, name }) => [name, active])
  )
  gauge("ai_queue_depth", "Requests waiting for a provider's limits", "provider", ({ providers }) =>
    providers().map(({ name, queued }) => [name, queued])
  )
  gauge(
    "ai_circuit_state",
    "Circuit of a provider: 0 closed, 1 half open, 2 open",
    "provider",
    ({ providers }) => providers().map(({ circuit, name }) => [name, circuit]),
    Math.max
  )
  gauge("ai_cache_entries", "Entries in the cache", "kind", ({ cacheEntries }) =>
    cacheEntries().map(({ entries, kind }) => [kind, entries])
  )
  const dropped = new Counter({
    name: "ai_usage_rows_dropped_total",
    help: "Usage rows that were dropped because the database did not keep up",
    registers,
    collect: () => {
      dropped.reset()
      for (const sources of observed) dropped.inc(sources.rowsDropped())
    }
  })
}

const sum = (a: number, b: number): number => a + b
