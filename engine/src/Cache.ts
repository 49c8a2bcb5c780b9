/**
 * Exact cache: an answer that was given once is given again, until its time to live or a bound of the cache ends it.
 *
 * At admission it looks up the key; a hit answers and nothing below runs. At settlement it stores the answer, and only a
 * complete one that finished normally (law 7): errors, broken streams, truncated and filtered answers never get in. Where
 * it is configured, an answer whose time is over is served while a call of its own renews it, or when the call fails at
 * the provider. Requests are answered from memory alone; a store only takes copies aside (law 11).
 */
import { Cause, Clock, Context, Effect, Fiber, FiberSet, Layer } from "effect"
import { CacheContents, type EntriesPage, type EntriesQuery, type EntryView } from "./CacheContents.ts"
import * as CacheKey from "./CacheKey.ts"
import { PacingRecorder, replay } from "./CachePacing.ts"
import { CacheLookups, type Lookup, type Neighbours } from "./CacheLookups.ts"
import type { CachedAnswer, CacheOptions, CacheStats } from "./CacheOptions.ts"
import type { CacheRecord } from "./CacheRecord.ts"
import type { CacheStoreHealth } from "./CacheStore.ts"
import type { GroupFilter } from "./CacheTable.ts"
import { type Call, makeCall, type Outcome } from "./Call.ts"
import { CacheOnlyMiss, type EngineError, type InvalidRequest } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import { type AIRequest, fromAIRequest, priorityOf, type Request } from "./Request.ts"
import { makeRequestId } from "./RequestId.ts"
import type { Open, Stage } from "./Stage.ts"

export type { CacheOptions, CacheStats } from "./CacheOptions.ts"

export class Cache extends Context.Service<
  Cache,
  {
    readonly stage: Stage
    readonly stats: () => CacheStats
    /** Removes every entry, or those that match; returns how many. They are gone at once for every lookup. */
    readonly purge: (filter?: GroupFilter) => Effect.Effect<number>
    /** Removes one entry; false when there is none under this key. */
    readonly evict: (key: string) => boolean
    /** One page of the entries, most recently used first unless told. */
    readonly entries: (query: EntriesQuery) => Effect.Effect<EntriesPage>
    readonly entry: (key: string) => EntryView | undefined
    /** An answer by its key, which counts as a use of it and as no lookup; undefined when its time is over. */
    readonly answer: (key: string) => CachedAnswer | undefined
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

/** Milliseconds of real time that the start waits for a store and a warm-up file; they go on aside after it. */
const startWaitMs = 1000

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
    const counts = { hits: 0, misses: 0, staleHits: 0, refreshes: 0 }
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
      contents.keep({
        key,
        group: { target: journal.target, tenant, namespace },
        completion: outcome.completion,
        fields,
        omitted: journal.omitted,
        pacing: (journal.recorder as PacingRecorder | undefined)?.notes(),
        storedAtMs,
        expiresAtMs: storedAtMs + (request.cacheTtlMs ?? ttlMs),
        latencyMs: storedAtMs - journal.startedAtMs
      })
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
      fork(
        Effect.suspend(() => Effect.scoped(Effect.flatMap(through(makeCall(request, call.clock)), Reply.collect))).pipe(
          Effect.ignore,
          Effect.ensuring(Effect.sync(() => void renewing.delete(key)))
        )
      )
    }

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
            const overMs = nowMs - table.expiresAtMs(slot)
            if (overMs < 0) return serve(call, slot, nowMs)
            if (overMs < staleWhileRevalidateMs) {
              if (request.cacheMode !== "only") renew(key, call)
              return serveStale(call, slot, nowMs, "revalidating")
            }
            stale = overMs < staleIfErrorMs
            if (!stale) table.remove(slot)
          }
          counts.misses++
        }
        journal.cache = "miss"
        if (request.cacheMode === "only") return Effect.fail(new CacheOnlyMiss())
        if (request.stream) journal.recorder = new PacingRecorder(journal.startedAtMs)
        call.settlement.addShared((outcome) => keep(key, place, call, outcome))
        return stale ? orStale(key, call, next(call)) : next(call)
      })

    const found = (key: string): number | undefined => {
      const slot = table.find(key)
      return slot >= 0 && now() < table.expiresAtMs(slot) ? slot : undefined
    }

    yield* started(options, contents, now)

    return Cache.of({
      stage,
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
        staleHits: counts.staleHits,
        refreshes: counts.refreshes,
        evictions: table.evictions,
        store: contents.attached?.health() ?? memoryOnly
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

/** Loads what a store and a warm-up file have; a start waits a moment for it, and no request ever does. */
const started = (options: CacheOptions, contents: CacheContents, now: () => number) =>
  Effect.gen(function* () {
    if (!options.enabled) return
    const loads: Array<Effect.Effect<void>> = []
    if (options.store !== undefined) loads.push(contents.attach(yield* options.store, now))
    if (options.warmup !== undefined) {
      loads.push(
        options.warmup((records) => {
          for (const record of records) contents.restore(record, now(), true)
        })
      )
    }
    if (loads.length === 0) return
    const loading = yield* Effect.forkScoped(Effect.all(loads, { discard: true }))
    yield* Effect.raceFirst(Fiber.await(loading), realPause(startWaitMs))
  })

/** A pause of real time, whatever Effect's Clock says: what is waited for is a disk. */
const realPause = (ms: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(Effect.void), ms)
    return Effect.sync(() => clearTimeout(timer))
  })

/** Faults of a provider or of the engine itself; a caller's, and our own limits, are told as they are. */
const isOutage = (cause: Cause.Cause<EngineError>): boolean => {
  if (Cause.hasInterruptsOnly(cause)) return false
  const error = cause.reasons.find(Cause.isFailReason)?.error
  return error === undefined ? Cause.hasDies(cause) : error.fault === "provider" || error.fault === "engine"
}

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
