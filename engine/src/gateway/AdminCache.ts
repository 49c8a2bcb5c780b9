/**
 * The routes of the admin API about the exact cache: figures, entries, purging, explanations, export and import.
 *
 * Keys and figures are shown to whoever has the token, texts of answers only where content logging is on; an export
 * carries the answers, because that is what it is for. Nothing here acts on a request of a caller.
 */
import { Effect, Predicate, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import {
  AdminApi,
  BadRequest,
  type CacheComparison,
  type CacheEntriesQuery,
  type CacheEntry,
  NotFound
} from "../admin-api.ts"
import { AdminSources } from "../AdminSources.ts"
import { Cache } from "../Cache.ts"
import { type EntryView, reachable } from "../CacheContents.ts"
import { explainFingerprints, type Fingerprint, type Routed } from "../CacheKey.ts"
import { type Lookup, lookupsMax } from "../CacheLookups.ts"
import { decodeRecord, recordVersion } from "../CacheRecord.ts"
import type { EngineError } from "../Errors.ts"
import { defaultTenant, fromAIRequest, priorityOf, type Request } from "../Request.ts"
import { Routing } from "../Routing.ts"
import { chatDialect } from "./ChatAnswer.ts"

type Body = Exclude<CacheComparison["a"], string>
type Side = "a" | "b"

export const cacheHandlers = HttpApiBuilder.group(
  AdminApi,
  "cache",
  Effect.fnUntraced(function* (handlers) {
    const sources = yield* AdminSources
    const cache = yield* Cache
    const routing = yield* Routing

    const entries = (query: CacheEntriesQuery) => {
      const offset = query.cursor === undefined ? 0 : Number(query.cursor)
      if (!Number.isSafeInteger(offset) || offset < 0 || offset >= reachable) {
        return badRequest("cursor", "expected the nextCursor of an earlier page")
      }
      const { cursor: _, limit = 50, ...rest } = query
      return Effect.map(cache.entries({ ...rest, limit, offset }), ({ entries: found, total }) => {
        const next = offset + limit
        return {
          items: found.map((view) => entryOf(view, sources.showsContent)),
          total,
          nextCursor: found.length < limit || next >= Math.min(total, reachable) ? null : String(next)
        }
      })
    }

    const routed = (side: Side, request: Request): Effect.Effect<Routed, BadRequest> => {
      const found = routing.resolve(request)
      return isError(found) ? badRequest(side, found.message) : Effect.succeed({ request, candidates: found })
    }

    /** The request of a side, in the shape that both sides have. */
    const requestOf = (side: Side, body: Body, shape: "chat" | "own"): Effect.Effect<Routed, BadRequest> => {
      if (shape === "own") {
        return Effect.flatMap(
          Effect.mapError(fromAIRequest(body, "explain"), ({ detail, field }) => wrong(`${side}.${field}`, detail)),
          (request) => routed(side, request)
        )
      }
      const decoded = chatDialect.decode(body, defaultTenant)
      if (Result.isFailure(decoded)) return badRequest(`${side}.${decoded.failure.field}`, decoded.failure.detail)
      return routed(side, { ...asked, ...decoded.success })
    }

    const explain = ({ a, b }: CacheComparison) =>
      Effect.gen(function* () {
        const bodies = [a, b].filter((given) => typeof given !== "string")
        const own = bodies.every((body) =>
          Result.isSuccess(Effect.runSync(Effect.result(fromAIRequest(body, "explain"))))
        )
        const sides: Array<Known> = []
        for (const [side, given] of [
          ["a", a],
          ["b", b]
        ] as const) {
          if (typeof given === "string") {
            const lookup = cache.lookup(given)
            if (lookup === undefined && cache.entry(given) === undefined && cache.fingerprint(given) === undefined) {
              return yield* new NotFound({
                message: `${side}: there is no such entry, and no such request is remembered`
              })
            }
            sides.push({ key: lookup?.key ?? given, fields: lookup?.fields, routed: undefined })
          } else {
            const found = yield* requestOf(side, given, own ? "own" : "chat")
            sides.push({ key: cache.keyOf(found), fields: undefined, routed: found })
          }
        }
        const [left, right] = sides as [Known, Known]
        const same = left.key === right.key
        const fields = same ? [] : yield* difference(left, right)
        const stored = ({ key }: Known) => ({ key, stored: cache.entry(key) !== undefined })
        return { same, fields, a: stored(left), b: stored(right) }
      })

    const difference = (left: Known, right: Known): Effect.Effect<ReadonlyArray<string>, BadRequest> => {
      if (left.routed !== undefined && right.routed !== undefined) {
        return Effect.succeed(cache.explain(left.routed, right.routed))
      }
      const [a, b] = [left, right].map(({ fields, key, routed: found }) => fields ?? cache.fingerprint(found ?? key))
      if (a === undefined || b === undefined) {
        return badRequest(a === undefined ? "a" : "b", "it has no fingerprint; cache.explain keeps one of each")
      }
      return Effect.succeed(explainFingerprints(a, b))
    }

    const lookup = (id: string, limit: number) =>
      Effect.gen(function* () {
        const found = cache.lookup(id)
        const neighbours = found === undefined ? undefined : yield* cache.neighbours(id, limit)
        if (found === undefined || neighbours === undefined) return yield* new NotFound({ message: notRemembered })
        const shown = ({ id: requestId, key, timeMs }: Lookup) => ({
          id: requestId,
          key,
          time: new Date(timeMs).toISOString(),
          stored: cache.entry(key) !== undefined
        })
        return {
          ...shown(found),
          known: (found.fields ?? cache.fingerprint(found.key)) !== undefined,
          same: neighbours.same === undefined ? null : shown(neighbours.same),
          nearest: neighbours.nearest.map((near) => ({ ...shown(near), fields: near.differing })),
          compared: neighbours.compared
        }
      })

    const exported = ({
      cursor,
      limit = 200
    }: {
      readonly cursor?: string | undefined
      readonly limit?: number | undefined
    }) => {
      const from = cursor === undefined ? 0 : Number(cursor)
      if (!Number.isSafeInteger(from) || from < 0)
        return badRequest("cursor", "expected the nextCursor of an earlier page")
      const { next, records } = cache.records(from, limit)
      return Effect.succeed({ version: recordVersion, records, nextCursor: next === undefined ? null : String(next) })
    }

    const imported = (inputs: ReadonlyArray<unknown>) =>
      Effect.sync(() => {
        const bad: Array<{ index: number; detail: string }> = []
        const records = inputs.flatMap((input, index) => {
          const decoded = decodeRecord(input)
          if (Result.isSuccess(decoded)) return [decoded.success]
          bad.push({ index, detail: decoded.failure })
          return []
        })
        const taken = cache.take(records)
        return { imported: taken, skipped: records.length - taken, bad }
      })

    return handlers.handleAll({
      cache: () => sources.cache,
      cacheEntries: ({ query }) => entries(query),
      evictCacheEntry: ({ params }) =>
        Effect.flatMap(sources.evictCacheEntry(params.key), (evicted) =>
          evicted ? Effect.succeed({ evicted: true }) : Effect.fail(new NotFound({ message: "there is no such entry" }))
        ),
      purgeCache: ({ payload }) => Effect.map(sources.purgeCache(payload ?? {}), (purged) => ({ purged })),
      explainCache: ({ payload }) => explain(payload),
      cacheLookup: ({ params, query }) => lookup(params.id, query.limit ?? 5),
      exportCache: ({ query }) => exported(query),
      importCache: ({ payload }) => imported(payload.records)
    })
  })
)

/** One side of a comparison. */
interface Known {
  readonly key: string
  /** Of a request that is remembered. */
  readonly fields: Fingerprint | undefined
  readonly routed: Routed | undefined
}

const notRemembered = `the cache was not asked for this request, or more than ${lookupsMax} have come since`

/** What a request has beside its body, where no header says anything. */
const asked = {
  id: "explain",
  provider: undefined,
  metadata: undefined,
  tenant: defaultTenant,
  priority: priorityOf(undefined),
  timeoutMs: undefined,
  cacheMode: "default",
  cacheTtlMs: undefined,
  cacheNamespace: undefined,
  cacheSemantic: undefined,
  providerOptions: undefined,
  embed: undefined
} as const

const isError = (found: ReturnType<Routing["Service"]["resolve"]>): found is EngineError =>
  Predicate.hasProperty(found, "_tag")

const entryOf = ({ content, storedAtMs, ...view }: EntryView, showsContent: boolean): CacheEntry => ({
  ...view,
  storedAt: new Date(storedAtMs).toISOString(),
  ttlLeftMs: Math.max(0, view.ttlLeftMs),
  content: showsContent ? content : null
})

const wrong = (field: string, detail: string) =>
  new BadRequest({ message: `${field}: ${detail}`, issues: [{ field, detail }] })

const badRequest = (field: string, detail: string) => Effect.fail(wrong(field, detail))
