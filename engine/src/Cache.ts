/**
 * Exact cache: an answer that was given once is given again, until its TTL or the bound on entries.
 *
 * At admission it looks up the key; a hit answers and nothing below runs. At settlement it stores the answer, and only a
 * complete one that finished normally (law 7): errors, broken streams, truncated and filtered answers never get in.
 * Least recently used entries leave first. It holds answers in memory and writes nothing to disk.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { LRUCache } from "lru-cache"
import { cacheKey, explain } from "./CacheKey.ts"
import type { Call, Outcome, Target } from "./Call.ts"
import { CacheOnlyMiss } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import type { Request } from "./Request.ts"
import type { Stage } from "./Stage.ts"

export interface CacheOptions {
  readonly enabled: boolean
  /** Entries, 1 or more. */
  readonly maxSize: number
  /** Milliseconds. */
  readonly ttlMs: number
  /** Requests with a higher temperature are neither looked up nor stored. */
  readonly maxTemperature: number | undefined
}

export interface CacheEntry {
  readonly completion: Reply.Completion
  readonly target: Target
  readonly storedAtMs: number
  /** How long the answer took when it was made. */
  readonly latencyMs: number
}

export interface CacheStats {
  readonly enabled: boolean
  readonly entries: number
  readonly bytes: number
  readonly maxSize: number
  readonly hits: number
  readonly semanticHits: number
  readonly coalesced: number
  readonly misses: number
  /** Share of lookups that were answered, 0–1; null before the first lookup. */
  readonly hitRate: number | null
}

export class Cache extends Context.Service<
  Cache,
  {
    readonly stage: Stage
    readonly stats: () => CacheStats
    /** Removes every entry, or those of a provider or model; returns how many. */
    readonly purge: (filter?: { readonly provider?: string; readonly model?: string }) => number
    readonly explain: typeof explain
  }
>()("millrace/Cache") {
  static readonly layer = (options: CacheOptions) => Layer.effect(Cache, make(options))
}

const make = (options: CacheOptions) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    // lru-cache takes 0 for "no time", and a virtual clock starts there.
    const now = () => clock.currentTimeMillisUnsafe() + 1
    let bytes = 0
    const entries = new LRUCache<string, CacheEntry>({
      max: options.maxSize,
      ttl: Math.ceil(options.ttlMs),
      ttlResolution: 0,
      perf: { now },
      dispose: (entry) => {
        bytes -= sizeOf(entry)
      }
    })
    let hits = 0
    let misses = 0

    const store = (key: string, call: Call, outcome: Outcome) => {
      if (outcome._tag !== "Success" || !storable(outcome.completion)) return
      const entry: CacheEntry = {
        completion: outcome.completion,
        target: call.journal.target!,
        storedAtMs: now(),
        latencyMs: clock.currentTimeMillisUnsafe() - call.journal.startedAtMs
      }
      // lru-cache serves an entry whose age is its TTL; here it is over then, and ages are whole milliseconds.
      entries.set(key, entry, { ttl: Math.max(0.5, (call.request.cacheTtlMs ?? options.ttlMs) - 0.5) })
      bytes += sizeOf(entry)
    }

    const stage: Stage = (next) => (call) =>
      Effect.suspend(() => {
        const { journal, request } = call
        if (!applies(options, request)) {
          if (request.cacheMode === "only") return Effect.fail(new CacheOnlyMiss())
          return next(call)
        }
        const key = cacheKey(request, journal.candidates)
        journal.cacheKey = key
        if (request.cacheMode !== "refresh") {
          const entry = entries.get(key)
          if (entry !== undefined) {
            hits++
            journal.cache = "hit"
            journal.cacheAgeMs = now() - entry.storedAtMs
            journal.target = entry.target
            return Effect.succeed(Reply.whole(entry.completion))
          }
          misses++
        }
        journal.cache = "miss"
        if (request.cacheMode === "only") return Effect.fail(new CacheOnlyMiss())
        call.settlement.addShared((outcome) => store(key, call, outcome))
        return next(call)
      })

    return Cache.of({
      stage,
      stats: () => ({
        enabled: options.enabled,
        entries: entries.size,
        bytes,
        maxSize: options.maxSize,
        hits,
        semanticHits: 0,
        coalesced: 0,
        misses,
        hitRate: hits + misses === 0 ? null : hits / (hits + misses)
      }),
      purge: (filter) => {
        let removed = 0
        for (const [key, entry] of entries.entries()) {
          if (filter?.provider !== undefined && entry.target.provider !== filter.provider) continue
          if (filter?.model !== undefined && entry.target.model !== filter.model) continue
          entries.delete(key)
          removed++
        }
        return removed
      },
      explain
    })
  })

/** Several choices are not collected from a stream, so they are not shared between streamed and whole calls. */
const applies = (options: CacheOptions, request: Request): boolean => {
  if (!options.enabled || request.cacheMode === "bypass") return false
  if (request.embed !== undefined) return true
  if (options.maxTemperature !== undefined && (request.temperature ?? 1) > options.maxTemperature) return false
  const body = request.wire?.body
  if (body === undefined) return true
  return (body["n"] ?? 1) === 1 && stateful.every((field) => (body[field] ?? undefined) === undefined)
}

/** Fields by which a provider adds the answer to something that it keeps; an answer of ours would be missing there. */
const stateful = ["conversation", "thread"]

const storable = ({ finishReason }: Reply.Completion): boolean =>
  finishReason === "stop" || finishReason === "tool-calls"

/** Bytes that an entry holds, by its texts and vectors; two for each UTF-16 unit, eight for each number. */
const sizeOf = ({ completion }: CacheEntry): number => {
  let units = completion.wire?.body.length ?? 0
  for (const block of completion.content) {
    units += block.type === "tool-call" ? block.name.length + block.arguments.length : block.text.length
  }
  for (const vector of completion.embeddings ?? []) units += 4 * vector.length
  return 2 * units
}
