/**
 * What the admin API says about the exact cache: figures, entries, explanations, export and import.
 *
 * Plain JSON, as in `AdminAnswers.ts`: times are ISO 8601 in UTC, durations milliseconds, money US dollars. `content` is
 * null unless content logging is on; only an export carries answers, and none carries a prompt.
 */
import { Schema } from "effect"

const NullableNumber = Schema.NullOr(Schema.Finite)
const NullableString = Schema.NullOr(Schema.String)

/** Counters since the process started; `hitRate` is the share of lookups that were served, null before the first. */
export const CacheStatus = Schema.Struct({
  enabled: Schema.Boolean,
  entries: Schema.Finite,
  bytes: Schema.Finite,
  maxSize: Schema.Finite,
  hits: Schema.Finite,
  semanticHits: Schema.Finite,
  coalesced: Schema.Finite,
  misses: Schema.Finite,
  hitRate: NullableNumber,
  /**
   * Why the exact cache had no answer: nothing was there, its time was over, or the caller asked for a new one
   * (`x-millrace-cache: refresh`, which is no look-up and not among `misses`).
   */
  missReasons: Schema.optional(
    Schema.Struct({ absent: Schema.Finite, expired: Schema.Finite, refresh: Schema.Finite })
  ),
  /** Bound on `bytes`. */
  maxBytes: Schema.Finite,
  /** Hits whose time to live was over; among `hits`. */
  staleHits: Schema.Finite,
  /** Calls that were made to renew an answer. */
  refreshes: Schema.Finite,
  /** Entries that had to leave for others. */
  evictions: Schema.Finite,
  /** Where entries survive the process; `reason` says what is wrong while `healthy` is false. */
  store: Schema.Struct({
    kind: Schema.Literals(["memory", "sqlite", "redis"]),
    healthy: Schema.Boolean,
    /** Entries that were not kept, because the store did not keep up. */
    dropped: Schema.Finite,
    reason: NullableString
  }),
  /** What was asked of the entries that instances share; absent where nothing is shared. */
  shared: Schema.optional(
    Schema.Struct({
      healthy: Schema.Boolean,
      reason: NullableString,
      lookups: Schema.Finite,
      /** Among `hits`. */
      hits: Schema.Finite,
      /** Entries that were not shared: too large, or nobody there to take them. */
      dropped: Schema.Finite
    })
  )
}).annotate({ identifier: "CacheStatus" })
export type CacheStatus = typeof CacheStatus.Type

export const CacheEntry = Schema.Struct({
  key: Schema.String,
  provider: Schema.String,
  model: Schema.String,
  tenant: Schema.String,
  /** null for an entry of its tenant alone. */
  namespace: NullableString,
  storedAt: Schema.String,
  ageMs: Schema.Finite,
  /** 0 when the time to live is over and the entry may only be served stale. */
  ttlLeftMs: Schema.Finite,
  /** How long the answer took when it was made. */
  latencyMs: Schema.Finite,
  hits: Schema.Finite,
  bytes: Schema.Finite,
  /** What its hits would have cost, by the price of today; null when there is none. */
  savedUsd: NullableNumber,
  /** Text of the answer; null unless `logging.content` is on. */
  content: NullableString
}).annotate({ identifier: "CacheEntry" })
export type CacheEntry = typeof CacheEntry.Type

export const CacheEntries = Schema.Struct({
  items: Schema.Array(CacheEntry),
  /** Entries that match, on all pages. */
  total: Schema.Finite,
  /** null on the last page. Entries move while they are used, so an entry can come twice. */
  nextCursor: NullableString
}).annotate({ identifier: "CacheEntries" })
export type CacheEntries = typeof CacheEntries.Type

export const EvictResult = Schema.Struct({ evicted: Schema.Boolean }).annotate({ identifier: "EvictResult" })
export type EvictResult = typeof EvictResult.Type

const Explained = Schema.Struct({
  key: Schema.String,
  /** Whether there is an answer under the key now. */
  stored: Schema.Boolean
})

/** Why two requests share an answer or do not. */
export const CacheExplanation = Schema.Struct({
  same: Schema.Boolean,
  /** Paths of the fields that differ; empty when they share an answer. */
  fields: Schema.Array(Schema.String),
  a: Explained,
  b: Explained
}).annotate({ identifier: "CacheExplanation" })
export type CacheExplanation = typeof CacheExplanation.Type

const rememberedLookup = {
  /** Id of the request that was looked up. */
  id: Schema.String,
  time: Schema.String,
  key: Schema.String,
  /** Whether there is an answer under the key now. */
  stored: Schema.Boolean
}

/** How a request was looked up in the cache, and which earlier ones were nearest to it. */
export const CacheLookup = Schema.Struct({
  ...rememberedLookup,
  /** False while the request runs, and where `cache.explain` is off: then nothing can be said about its fields. */
  known: Schema.Boolean,
  /** The latest earlier request under the same key. */
  same: Schema.NullOr(Schema.Struct(rememberedLookup)),
  /** Earlier requests under other keys, those that differ in the fewest fields first; one for each key. */
  nearest: Schema.Array(Schema.Struct({ ...rememberedLookup, fields: Schema.Array(Schema.String) })),
  /** Earlier requests that were compared. */
  compared: Schema.Finite
}).annotate({ identifier: "CacheLookup" })
export type CacheLookup = typeof CacheLookup.Type

/** Lines of a file of entries, without its first line. */
export const CacheExport = Schema.Struct({
  version: Schema.Finite,
  records: Schema.Array(Schema.Unknown),
  /** null at the end. */
  nextCursor: NullableString
}).annotate({ identifier: "CacheExport" })
export type CacheExport = typeof CacheExport.Type

export const CacheImport = Schema.Struct({
  /** Entries that were taken. */
  imported: Schema.Finite,
  /** Entries that are over, too large, or older than what is there. */
  skipped: Schema.Finite,
  /** Records that are none, by their place in the request from 0 on. */
  bad: Schema.Array(Schema.Struct({ index: Schema.Finite, detail: Schema.String }))
}).annotate({ identifier: "CacheImport" })
export type CacheImport = typeof CacheImport.Type

/** What a purge chooses by: entries that match all of it, everything when nothing is given. */
export const CachePurge = Schema.Struct({
  provider: Schema.optional(Schema.NonEmptyString),
  model: Schema.optional(Schema.NonEmptyString),
  tenant: Schema.optional(Schema.NonEmptyString),
  namespace: Schema.optional(Schema.NonEmptyString)
})
export type CachePurge = typeof CachePurge.Type
