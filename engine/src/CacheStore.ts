/**
 * Where entries of the exact cache are kept beside its memory: what a store has to do, whichever database it is.
 *
 * A store takes what is put and taken out, aside and in order. One that outlives the process hands everything back once, at
 * the next start; one that instances share is asked where memory has no answer. It fails no request and keeps none waiting
 * for longer than a bounded time: what it can't keep it drops and counts, and `health` says why (law 11).
 */
import type { Effect } from "effect"
import type { GroupFilter } from "./CacheGroup.ts"
import type { CacheRecord } from "./CacheRecord.ts"

export interface CacheStoreHealth {
  readonly kind: "memory" | "sqlite" | "redis"
  readonly healthy: boolean
  /** Entries that were dropped because the store did not keep up, or could not be reached. */
  readonly dropped: number
  /** What is wrong; null while it is well. */
  readonly reason: string | null
}

/** What takes the entries that memory takes. */
export interface CacheKeeper {
  /** Keeps an entry in the place of one with its key. */
  readonly put: (record: CacheRecord) => void
  readonly remove: (key: string) => void
  /** Forgets every entry that matches, also those that were put before and are still on their way. */
  readonly purge: (filter: GroupFilter) => void
  /** Ends when everything that was handed over before is kept, or the store is found to be unwell. */
  readonly flush: Effect.Effect<void>
  readonly health: () => CacheStoreHealth
}

/** A store that outlives the process. */
export interface CacheStore extends CacheKeeper {
  /**
   * Hands over the entries that are not over at a time, the newest `maxEntries` of them, from the oldest on and piece by
   * piece, so that nothing waits for it. Ends early, without failing, when the store can't be read.
   */
  readonly load: (
    options: { readonly nowMs: number; readonly maxEntries: number },
    take: (records: ReadonlyArray<CacheRecord>) => void
  ) => Effect.Effect<void>
}

/** An entry of another instance. Its times are of that one's clock; its age is by the clock of the store. */
export interface FoundRecord {
  readonly record: CacheRecord
  readonly ageMs: number
}

/** What other instances have taken out; all of it returns at once. */
export interface CacheRemovals {
  readonly removed: (key: string) => void
  readonly purged: (filter: GroupFilter) => void
  /** What matches and was stored until a time, in epoch milliseconds, was purged while nothing was heard. */
  readonly purgedBefore: (filter: GroupFilter, untilMs: number) => void
  /** What was taken out while nothing was heard is not known any more: what was found here is not to be trusted. */
  readonly lost: () => void
}

/** A store that instances share. */
export interface SharedCacheStore extends CacheKeeper {
  /** The entry of a key; undefined where there is none, or the store can't say in time. */
  readonly find: (key: string) => Effect.Effect<FoundRecord | undefined>
  /** Reads the answer of a script that looks the entry up beside other things (`CacheScripts.ts`). */
  readonly read: (key: string, reply: unknown) => FoundRecord | undefined
  /** Tells what others take out from now on. */
  readonly listen: (removals: CacheRemovals) => void
}
