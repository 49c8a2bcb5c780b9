/**
 * What the exact cache is told, and the figures it gives.
 */
import type { Effect, Scope } from "effect"
import type { ContentsOptions } from "./CacheContents.ts"
import type { KindOf } from "./CacheDefaults.ts"
import type { CacheRecord } from "./CacheRecord.ts"
import type { CacheStore, CacheStoreHealth, SharedCacheStore } from "./CacheStore.ts"
import type { Target } from "./Call.ts"
import type { Completion } from "./Reply.ts"

export interface CacheOptions extends Pick<ContentsOptions, "priceUsd"> {
  readonly enabled: boolean
  /** Entries, 1 or more. */
  readonly maxSize: number
  /** Bytes of all entries, by the texts they hold and what they take beside them; 128 MB by default. */
  readonly maxBytes?: number | undefined
  /** Milliseconds. */
  readonly ttlMs: number
  /** Milliseconds after the TTL in which an answer is served and renewed in the background; 0 by default. */
  readonly staleWhileRevalidateMs?: number | undefined
  /** Milliseconds after the TTL in which an answer is served when the call fails; 0 by default. */
  readonly staleIfErrorMs?: number | undefined
  /** Requests with a higher temperature are neither looked up nor stored. */
  readonly maxTemperature: number | undefined
  /** Keeps a hash of each field of a request, so that a stored key can be explained; true by default. */
  readonly explain?: boolean | undefined
  /** Kinds of the providers, which say what their defaults are. */
  readonly kindOf?: KindOf | undefined
  /** Where entries survive the process. */
  readonly store?: Effect.Effect<CacheStore, never, Scope.Scope> | undefined
  /** Where instances share entries. */
  readonly shared?: Effect.Effect<SharedCacheStore, never, Scope.Scope> | undefined
  /** Hands over entries at start. */
  readonly warmup?: ((take: (records: ReadonlyArray<CacheRecord>) => void) => Effect.Effect<void>) | undefined
}

/** An answer for another stage to serve. */
export interface CachedAnswer {
  readonly completion: Completion
  readonly target: Target
  readonly ageMs: number
}

export interface CacheStats {
  readonly enabled: boolean
  readonly entries: number
  readonly bytes: number
  readonly maxSize: number
  readonly maxBytes: number
  readonly hits: number
  readonly semanticHits: number
  readonly coalesced: number
  readonly misses: number
  /** Share of lookups that were answered, 0–1; null before the first lookup. */
  readonly hitRate: number | null
  /** Why look-ups missed: nothing was there, its time was over, or the caller wanted a new answer. */
  readonly missReasons: { readonly absent: number; readonly expired: number; readonly refresh: number }
  /** Hits whose time to live was over; among `hits`. */
  readonly staleHits: number
  /** Calls that were made to renew an answer. */
  readonly refreshes: number
  /** Entries that had to leave for others. */
  readonly evictions: number
  readonly store: CacheStoreHealth
  /** Absent where nothing is shared. */
  readonly shared?: SharedCacheStats
}

/** What was asked of the store that instances share, since the start. */
export interface SharedCacheStats extends Omit<CacheStoreHealth, "kind"> {
  readonly lookups: number
  /** Hits that another instance had made; among `hits` of the cache. */
  readonly hits: number
}
