/**
 * Virtual keys in the memory of this process: they are gone when it ends.
 */
import { Effect } from "effect"
import type { KeyRecord } from "../KeyRecord.ts"
import type { KeyStore } from "../KeyStore.ts"

export const make: Effect.Effect<KeyStore> = Effect.sync(() => {
  const records = new Map<string, KeyRecord>()
  let revision = 0
  return {
    kind: "memory",
    revision: Effect.sync(() => revision),
    load: Effect.sync(() => ({ revision, records: [...records.values()] })),
    insert: (record) =>
      Effect.sync(() => {
        records.set(record.id, record)
        revision++
      }),
    update: (id, f) =>
      Effect.sync(() => {
        const record = records.get(id)
        if (record === undefined) return undefined
        const next = { ...f(record), lastUsedAtMs: record.lastUsedAtMs }
        records.set(id, next)
        revision++
        return next
      }),
    remove: (id) =>
      Effect.sync(() => {
        const found = records.delete(id)
        if (found) revision++
        return found
      }),
    touch: (uses) =>
      Effect.sync(() => {
        for (const [id, atMs] of uses) {
          const record = records.get(id)
          if (record !== undefined && atMs > (record.lastUsedAtMs ?? 0)) {
            records.set(id, { ...record, lastUsedAtMs: atMs })
          }
        }
      })
  }
})
