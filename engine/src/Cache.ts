/**
 * Exact cache: an answer that was given once is given again, until its time to live or a bound of the cache ends it.
 *
 * At admission it looks up the key; a hit answers and nothing below runs. At settlement it stores the answer, and only a
 * complete one that finished normally (law 7): errors, broken streams, truncated and filtered answers never get in. Where
 * it is configured, an answer whose time is over is served while a call of its own renews it, or when the call fails at
 * the provider. Requests are answered from memory, and where instances share entries from theirs in a bounded time; a store
 * of this process only takes copies aside (law 11).
 */
import { Clock, Context, Effect, FiberSet, Layer } from "effect"
import { CacheContents, type EntriesPage, type EntriesQuery, type EntryView } from "./CacheContents.ts"
import * as CacheKey from "./CacheKey.ts"
import { PacingRecorder, replay } from "./CachePacing.ts"
import { CacheLookups, type Lookup, type Neighbours } from "./CacheLookups.ts"
import type { CachedAnswer, CacheOptions, CacheStats } from "./CacheOptions.ts"
import type { CacheRecord } from "./CacheRecord.ts"
import type { CacheStoreHealth } from "./CacheStore.ts"
import type { GroupFilter } from "./CacheTable.ts"
import { type Call, makeCall, type Outcome } from "./Call.ts"
import { applies, isOutage, storable } from "./CacheRules.ts"
import { started } from "./CacheStart.ts"
import { CacheOnlyMiss, type InvalidRequest } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import { type AIRequest, fromAIRequest, priorityOf, type Request } from "./Request.ts"
import { makeRequestId } from "./RequestId.ts"
import { type Accept, SharedCache } from "./SharedCache.ts"
import type { Open, Stage } from "./Stage.ts"

export type { CacheOptions, CacheStats } from "./CacheOptions.ts"

export class Cache extends Context.Service<
  Cache,
  {
    readonly stage: Stage
    /** Below single flight: asks the other instances. No stage at all where nothing is shared. */
    readonly stageShared: Stage
    /** Undefined where nothing is shared. */
    readonly shared: SharedCache | undefined
    readonly stats: () => CacheStats
    /** Removes every entry, or those that match; returns how many. They are gone at once for every lookup. */
    readonly purge: (filter?: GroupFilter) => Effect.Effect<number>
    /** Removes one entry, on all instances; false when there is none under this key and nobody else may have one. */
    readonly evict: (key: string) => boolean
    /** One page of the entries, most recently used first unless told. */
    readonly entries: (query: EntriesQuery) => Effect.Effect<EntriesPage>
    readonly entry: (key: string) => EntryView | undefined
    /** An answer by its key, which counts as a use of it and as no lookup; undefined when its time is over. */
    readonly answer: (key: string) => CachedAnswer | undefined
    /** An entry as a record; undefined when its time is over. */
    readonly record: (key: string) => CacheRecord | undefined
    /** Entries as records, from a place on; `next` is the place from which to go on, undefined at the end. */
    readonly records: (from: number, limit: number) => ReturnType<CacheContents["records"]>
    /** Takes in records; returns how many were neither over, too large nor older than what is there. */
    readonly take: (records: ReadonlyArray<CacheRecord>) => number
    /** Key under which a routed request is looked up. */
    readonly keyOf: (routed: CacheKey.Routed) => string
    /** Paths of the fields in which two requests differ. */
    readonly explain: (a: CacheKey.Routed, b: CacheKey.Routed) => ReadonlyArray<string>
    /** What the request of a key was known by; undefined where neither an entry nor a lookup tells, or `explain` is off. */
    readonly fingerprint: (of: string | CacheKey.Routed) => CacheKey.Fingerprint | undefined
    /** How a request was looked up, while it is remembered. */
    readonly lookup: (id: string) => Lookup | undefined
    /** The earlier lookups that are nearest to a request's; undefined where it is not remembered. */
    readonly neighbours: (id: string, limit: number) => Effect.Effect<Neighbours | undefined>
    /** How background calls are opened: as any other call of the engine. Set once by whoever composes the pipeline. */
    readonly renewThrough: (open: Open) => void
  }
>()("millrace/Cache") {
  static readonly layer = (options: CacheOptions) => Layer.effect(Cache, make(options))

  /**
   * Paths of the fields in which two requests of one engine differ, empty when they share an answer.
   *
   * @example
   * Cache.explain({ prompt: "a" }, { prompt: "a", temperature: 0 }) // => ["temperature"]
   */
  static readonly explain = (a: AIRequest, b: AIRequest): Effect.Effect<ReadonlyArray<string>, InvalidRequest> =>
    Effect.zipWith(asWritten(a), asWritten(b), (left, right) => CacheKey.explain(left, right))
}

/** A request with the model that it names itself. */
const asWritten = (input: AIRequest): Effect.Effect<CacheKey.Routed, InvalidRequest> =>
  Effect.map(fromAIRequest(input, "explain"), (request) => ({
    request,
    candidates: [{ provider: request.provider ?? "", model: request.model ?? "" }]
  }))

/** Answers that are renewed at a time. */
const renewalsMax = 64

const memoryOnly: CacheStoreHealth = { kind: "memory", healthy: true, dropped: 0, reason: null }

const make = (options: CacheOptions) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const { kindOf, ttlMs } = options
    const staleWhileRevalidateMs = options.staleWhileRevalidateMs ?? 0
    const staleIfErrorMs = options.staleIfErrorMs ?? 0
    const maxBytes = options.maxBytes ?? 128_000_000
    const contents = new CacheContents({
      maxEntries: options.maxSize,
      maxBytes,
      graceMs: Math.max(staleWhileRevalidateMs, staleIfErrorMs),
      priceUsd: options.priceUsd
    })
    const { table } = contents
    const lookups = new CacheLookups(contents.fields)
    const now = () => clock.currentTimeMillisUnsafe()
    const renewals = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(renewals)<never>()
    const renewing = new Set<string>()
    const counts = { hits: 0, misses: 0, staleHits: 0, refreshes: 0, shared: 0, expired: 0, refreshed: 0 }
    let open: Open | undefined

    const keep = (key: string, place: number, call: Call, outcome: Outcome) => {
      const { journal, request } = call
      let fields: string | undefined
      if (options.explain !== false) {
        fields = contents.fields.encode(CacheKey.fingerprint(request, journal.candidates, kindOf))
        lookups.tell(place, request.id, fields)
      }
      if (outcome._tag !== "Success" || !storable(outcome.completion)) return
      if (journal.cache === "hit" || journal.cache === "semantic" || journal.target === undefined) return
      const storedAtMs = call.clock.currentTimeMillisUnsafe()
      const { cacheNamespace: namespace, tenant } = request
      const kept = {
        key,
        group: { target: journal.target, tenant, namespace },
        completion: outcome.completion,
        fields,
        omitted: journal.omitted,
        pacing: (journal.recorder as PacingRecorder | undefined)?.notes(),
        storedAtMs,
        expiresAtMs: storedAtMs + (request.cacheTtlMs ?? ttlMs),
        latencyMs: storedAtMs - journal.startedAtMs
      }
      contents.keep(kept, journal.elsewhere === true)
    }

    const serve = (call: Call, slot: number, nowMs: number): Effect.Effect<Reply.Reply> => {
      const { journal, request } = call
      counts.hits++
      journal.cache = "hit"
      journal.cacheAgeMs = nowMs - table.storedAtMs(slot)
      journal.target = table.groupOf(slot).target
      const completion = table.completionOf(slot)
      const extra = table.hasMore(slot) ? table.extraOf(slot) : undefined
      table.use(slot)
      if (extra === undefined) return Effect.succeed(Reply.whole(completion))
      if (extra.omitted.length > 0) journal.omitted = extra.omitted
      return Effect.succeed(
        extra.pacing !== undefined && request.stream && request.cachePacing === "original"
          ? Reply.parts(replay(completion, extra.pacing))
          : Reply.whole(completion)
      )
    }

    const serveStale = (call: Call, slot: number, nowMs: number, why: "revalidating" | "error") => {
      counts.staleHits++
      call.journal.cacheStale = why
      return serve(call, slot, nowMs)
    }

    /** Renews an answer by a call of its own, once at a time for a key. */
    const renew = (key: string, call: Call): void => {
      if (open === undefined || renewing.has(key) || renewing.size >= renewalsMax) return
      renewing.add(key)
      counts.refreshes++
      const request: Request = {
        ...call.request,
        id: makeRequestId(),
        cacheMode: "refresh",
        timeoutMs: undefined,
        priority: Math.max(call.request.priority, priorityOf("batch"))
      }
      const through = open
      const upstream = Effect.suspend(() =>
        Effect.scoped(Effect.flatMap(through(makeCall(request, call.clock)), Reply.collect))
      )
      fork(
        renewedElsewhere(key, upstream).pipe(
          Effect.ignore,
          Effect.ensuring(Effect.sync(() => void renewing.delete(key)))
        )
      )
    }

    /** Another instance may have renewed it already. */
    const renewedElsewhere = (key: string, upstream: Effect.Effect<unknown, unknown>) =>
      shared === undefined
        ? upstream
        : Effect.flatMap(shared.store.find(key), (record) => {
            if (record !== undefined) contents.copy(record, now())
            return found(key) === undefined ? upstream : Effect.void
          })

    /** What may be served of an entry now; undefined when its time is over. */
    const servable = (call: Call, key: string, slot: number, nowMs: number): Effect.Effect<Reply.Reply> | undefined => {
      const overMs = nowMs - table.expiresAtMs(slot)
      if (overMs < 0) return serve(call, slot, nowMs)
      if (overMs >= staleWhileRevalidateMs) return undefined
      if (call.request.cacheMode !== "only") renew(key, call)
      return serveStale(call, slot, nowMs, "revalidating")
    }

    const accept: Accept = (call, record) => {
      const key = call.journal.cacheKey!
      const nowMs = call.clock.currentTimeMillisUnsafe()
      contents.copy(record, nowMs)
      const slot = table.find(key)
      const reply = slot < 0 ? undefined : servable(call, key, slot, nowMs)
      // Each of the callers who share it counts it at settlement.
      if (reply !== undefined) counts.hits--
      return reply
    }

    /** A miss that another instance made a hit of. */
    const noteShared = (call: Call) =>
      call.settlement.add(() => {
        if (call.journal.cache !== "hit" || call.journal.cacheStale === "error") return
        counts.misses--
        counts.hits++
        counts.shared++
      })

    /** A failed call is answered with what is there, if the failure is not the caller's and came before the first part. */
    const orStale = (key: string, call: Call, opened: ReturnType<Open>): ReturnType<Open> =>
      Effect.catchCause(opened, (cause) => {
        const slot = contents.table.find(key)
        const nowMs = call.clock.currentTimeMillisUnsafe()
        if (slot < 0 || !isOutage(cause) || nowMs >= table.expiresAtMs(slot) + staleIfErrorMs) {
          return Effect.failCause(cause)
        }
        counts.misses--
        return serveStale(call, slot, nowMs, "error")
      })

    const stage: Stage = (next) => (call) =>
      Effect.suspend(() => {
        const { journal, request } = call
        if (!applies(options, request)) {
          if (request.cacheMode === "only") return Effect.fail(new CacheOnlyMiss())
          return next(call)
        }
        const key = CacheKey.cacheKey(request, journal.candidates, kindOf)
        journal.cacheKey = key
        const place = lookups.note(request.id, key, journal.startedAtMs)
        let stale = false
        if (request.cacheMode !== "refresh") {
          const slot = table.find(key)
          if (slot >= 0) {
            const nowMs = call.clock.currentTimeMillisUnsafe()
            const reply = servable(call, key, slot, nowMs)
            if (reply !== undefined) return reply
            stale = nowMs - table.expiresAtMs(slot) < staleIfErrorMs
            counts.expired++
            if (!stale) table.remove(slot)
          }
          counts.misses++
          if (shared !== undefined) {
            noteShared(call)
            stale ||= staleIfErrorMs > 0
          }
        } else counts.refreshed++
        journal.cache = "miss"
        if (request.cacheMode === "only") {
          if (shared === undefined) return Effect.fail(new CacheOnlyMiss())
          return Effect.flatMap(shared.find(call), (reply) =>
            reply === undefined ? Effect.fail(new CacheOnlyMiss()) : Effect.succeed(reply)
          )
        }
        if (request.stream) journal.recorder = new PacingRecorder(journal.startedAtMs)
        call.settlement.addShared((outcome) => keep(key, place, call, outcome))
        return stale ? orStale(key, call, next(call)) : next(call)
      })

    const found = (key: string): number | undefined => {
      const slot = table.find(key)
      return slot >= 0 && now() < table.expiresAtMs(slot) ? slot : undefined
    }

    const sharedStore = options.enabled && options.shared !== undefined ? yield* options.shared : undefined
    const shared = sharedStore === undefined ? undefined : new SharedCache(sharedStore, accept)
    if (sharedStore !== undefined) contents.share(sharedStore, now, fork)
    yield* started(options, contents, now)

    return Cache.of({
      stage,
      stageShared: shared?.stage ?? ((next) => next),
      shared,
      stats: () => ({
        enabled: options.enabled,
        entries: table.entries,
        bytes: table.bytes,
        maxSize: options.maxSize,
        maxBytes,
        hits: counts.hits,
        semanticHits: 0,
        coalesced: 0,
        misses: counts.misses,
        hitRate: counts.hits + counts.misses === 0 ? null : counts.hits / (counts.hits + counts.misses),
        missReasons: {
          absent: Math.max(0, counts.misses - counts.expired),
          expired: counts.expired,
          refresh: Math.max(0, counts.refreshed - counts.refreshes)
        },
        staleHits: counts.staleHits,
        refreshes: counts.refreshes,
        evictions: table.evictions,
        store: contents.attached?.health() ?? memoryOnly,
        ...(shared === undefined ? {} : { shared: { ...shared.stats(), hits: counts.shared } })
      }),
      purge: (filter = {}) => Effect.suspend(() => contents.purge(filter, now())),
      evict: (key) => contents.evict(key),
      entries: (query) => Effect.suspend(() => contents.list(query, now())),
      entry: (key) => {
        const slot = found(key)
        return slot === undefined ? undefined : contents.view(slot, now())
      },
      answer: (key) => {
        const slot = found(key)
        if (slot === undefined) return undefined
        table.use(slot)
        const { target } = table.groupOf(slot)
        return { completion: table.completionOf(slot), target, ageMs: now() - table.storedAtMs(slot) }
      },
      record: (key) => {
        const slot = found(key)
        return slot === undefined ? undefined : contents.recordOf(slot)
      },
      records: (from, limit) => contents.records(from, limit, now()),
      take: (records) => {
        let taken = 0
        for (const record of records) if (contents.restore(record, now(), true)) taken++
        return taken
      },
      keyOf: ({ candidates, request }) => CacheKey.cacheKey(request, candidates, kindOf),
      explain: (a, b) => CacheKey.explain(a, b, kindOf),
      fingerprint: (of) => {
        if (typeof of !== "string") return CacheKey.fingerprint(of.request, of.candidates, kindOf)
        const slot = found(of)
        return slot === undefined ? lookups.fieldsOf(of) : contents.fingerprintOf(slot)
      },
      lookup: (id) => lookups.find(id),
      neighbours: (id, limit) => lookups.neighbours(id, limit),
      renewThrough: (through) => {
        open = through
      }
    })
  })
