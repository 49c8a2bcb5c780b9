/**
 * Where entries of the exact cache survive the process: what a store has to do, whichever database it is.
 *
 * The cache answers from memory alone. A store takes what is put and taken out, aside and in order, and hands everything
 * back once, at the next start. It never waits on behalf of a request and never fails one: what it can't keep it drops
 * and counts, and `health` says why (law 11).
 */
import type { Effect } from "effect"
import type { CacheRecord } from "./CacheRecord.ts"
import type { GroupFilter } from "./CacheTable.ts"

export interface CacheStoreHealth {
  readonly kind: "memory" | "sqlite"
  readonly healthy: boolean
  /** Entries that were dropped because the store did not keep up. */
  readonly dropped: number
  /** What is wrong; null while it is well. */
  readonly reason: string | null
}

export interface CacheStore {
  /** Keeps an entry in the place of one with its key. */
  readonly put: (record: CacheRecord) => void
  readonly remove: (key: string) => void
  /** Forgets every entry that matches, also those that were put before and are still on their way. */
  readonly purge: (filter: GroupFilter) => void
  /**
   * Hands over the entries that are not over at a time, the newest `maxEntries` of them, from the oldest on and piece by
   * piece, so that nothing waits for it. Ends early, without failing, when the store can't be read.
   */
  readonly load: (
    options: { readonly nowMs: number; readonly maxEntries: number },
    take: (records: ReadonlyArray<CacheRecord>) => void
  ) => Effect.Effect<void>
  /** Ends when everything that was handed over before is kept, or the store is found to be unwell. */
  readonly flush: Effect.Effect<void>
  readonly health: () => CacheStoreHealth
}
