/**
 * Entries of the exact cache in a map: a store that outlives an engine, but not the process.
 *
 * For engines of one process that hand their entries on, and for tests; it shares the records and copies nothing.
 */
import { Effect } from "effect"
import type { CacheRecord } from "../CacheRecord.ts"
import type { CacheStore } from "../CacheStore.ts"
import { matches } from "../CacheTable.ts"

/** A store of its own for each time it is made. */
export const make = (options: { readonly maxRecords?: number | undefined } = {}): CacheStore => {
  const maxRecords = options.maxRecords ?? 100_000
  const records = new Map<string, CacheRecord>()
  return {
    put: (record) => {
      records.delete(record.key)
      records.set(record.key, record)
      if (records.size > maxRecords) records.delete(records.keys().next().value!)
    },
    remove: (key) => {
      records.delete(key)
    },
    purge: (filter) => {
      for (const record of records.values()) {
        const { model, namespace, provider, tenant } = record
        const group = { target: { provider, model }, tenant, namespace: namespace ?? undefined }
        if (matches(filter, group)) records.delete(record.key)
      }
    },
    load: ({ maxEntries, nowMs }, take) =>
      Effect.sync(() => {
        const alive = [...records.values()].filter(({ expiresAtMs }) => expiresAtMs > nowMs)
        take(alive.toSorted((a, b) => a.storedAtMs - b.storedAtMs).slice(-maxEntries))
      }),
    flush: Effect.void,
    health: () => ({ kind: "memory", healthy: true, dropped: 0, reason: null })
  }
}
