/**
 * The routes of the admin API about usage: sums, requests one by one, failures, export, retention, prices of the past.
 *
 * They read what the usage log has kept, or change its history when told to, and never act on a request of a caller. A
 * database that can't be read is a 503 that says why; a query that makes no sense is a 400 that names the field. An export
 * is written as it is read, page after page, no faster than its reader takes it.
 */
import { Clock, Effect, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import {
  AdminApi,
  BadRequest,
  type ErrorsQuery,
  NotFound,
  type PruneOrder,
  type RepriceOrder,
  type RequestQuery,
  StorageUnavailable,
  type UsageExportQuery,
  type UsageQuery
} from "../admin-api.ts"
import { Pricing } from "../Pricing.ts"
import { Routing } from "../Routing.ts"
import { contentTypeOf, fileNameOf, linesOf } from "../stores/UsageExport.ts"
import { prunable } from "../stores/UsagePrune.ts"
import { repriceStep } from "../stores/UsageReprice.ts"
import { affectedBy, hasRecordFilters, search, sums } from "../stores/UsageSearch.ts"
import {
  decodeCursor,
  encodeCursor,
  type ErrorGroup,
  InvalidCursor,
  UsageLog,
  type UsageUnavailable
} from "../UsageLog.ts"
import { toItem } from "../UsageRecord.ts"

const dayMs = 86_400_000
/** Requests that one call prices anew at most. */
const repriceRows = 20_000

export const usageHandlers = HttpApiBuilder.group(
  AdminApi,
  "usage",
  Effect.fnUntraced(function* (handlers) {
    const log = yield* UsageLog
    const { price } = yield* Pricing
    const routing = yield* Routing
    const { store } = log

    /** `provider/model` is taken apart, as it is where requests are routed; records have the two in fields of their own. */
    const apart = <Query extends { readonly model?: string | undefined; readonly provider?: string | undefined }>(
      query: Query
    ): Query => {
      const { model, provider } = query
      const slash = model?.indexOf("/") ?? -1
      if (model === undefined || provider !== undefined || slash <= 0 || slash === model.length - 1) return query
      const name = model.slice(0, slash)
      return routing.providerNames.includes(name) ? { ...query, provider: name, model: model.slice(slash + 1) } : query
    }

    const errors = Effect.fnUntraced(function* (query: ErrorsQuery) {
      const scan = yield* bounded(query)
      const groups = yield* store.errors({
        ...scan,
        bucket: query.bucket ?? "hour",
        limit: query.limit ?? 20
      })
      const [only] = groups
      const affected =
        query.fingerprint === undefined || only === undefined ? null : yield* affectedBy(store, only, scan)
      return { groups: groups.map((group) => ({ ...shown(group), affected })) }
    })

    const usage = Effect.fnUntraced(function* (query: UsageQuery) {
      const { bucket = "hour", groupBy, ...scan } = yield* bounded(query)
      // The report is what the schema says, made by the store, and as long as ten thousand points are.
      if (!hasRecordFilters(query)) {
        const text = yield* store.usageText({ ...scan, bucket, groupBy })
        return HttpServerResponse.text(text, { contentType: "application/json" })
      }
      return yield* sums(store, { ...scan, bucket, groupBy })
    })

    /** Requests one by one, by values that sums are kept for, or by any. */
    const requests = Effect.fnUntraced(function* (query: RequestQuery) {
      const asked = yield* ranged(query)
      if (!hasRecordFilters(query)) return yield* log.requests(asked)
      const { cursor, limit = 50, ...filters } = asked
      const after = cursor === undefined ? undefined : decodeCursor(cursor)
      if (cursor !== undefined && after === undefined) return yield* new InvalidCursor()
      const { found, next } = yield* search(store, { ...filters, limit, after })
      return {
        items: found.map(toItem),
        nextCursor: next === undefined ? null : encodeCursor(next)
      }
    })

    const exported = Effect.fnUntraced(function* (query: UsageExportQuery) {
      const { format = "csv", ...filters } = query
      const scan = yield* bounded(filters)
      const lines = yield* linesOf(store, format, scan)
      return HttpServerResponse.stream(Stream.encodeText(lines), {
        contentType: contentTypeOf(format),
        headers: {
          "content-disposition": `attachment; filename="${fileNameOf(format, scan.fromMs, scan.toMs)}"`
        }
      })
    })

    const prune = Effect.fnUntraced(function* ({ before, dryRun = false, keepRollups = false }: PruneOrder) {
      const beforeMs = Math.floor(before / dayMs) * dayMs
      const done = dryRun ? yield* prunable(store, beforeMs) : yield* store.prune({ beforeMs, keepRollups })
      return {
        dryRun,
        before: new Date(beforeMs).toISOString(),
        requests: done.rows,
        rollups: done.rollups
      }
    })

    const reprice = Effect.fnUntraced(function* ({ cursor, dryRun = false, from, to }: RepriceOrder) {
      const after = cursor === undefined ? undefined : decodeCursor(cursor)
      if (cursor !== undefined && after === undefined) {
        return yield* badRequest([{ field: "cursor", detail: "expected the nextCursor of the call before" }])
      }
      const toMs = to ?? (yield* Clock.currentTimeMillis) + 1
      yield* ranged({ from, to })
      const { next, ...found } = yield* repriceStep(store, {
        fromMs: from ?? 0,
        toMs,
        dryRun,
        price,
        after,
        rows: repriceRows
      })
      return { dryRun, ...found, nextCursor: next === undefined ? null : encodeCursor(next) }
    })

    return handlers.handleAll({
      usage: ({ query }) =>
        usage(apart(query)).pipe(
          Effect.catchTags({
            SeriesTooLong: (error) => Effect.fail(badRequest([{ field: "bucket", detail: error.message }])),
            TooManyRecords: (error) => Effect.fail(badRequest([{ field: "from", detail: error.message }])),
            UsageUnavailable: unavailable
          })
        ),
      requests: ({ query }) =>
        requests(apart(query)).pipe(
          Effect.catchTags({
            InvalidCursor: (error) => Effect.fail(badRequest([{ field: "cursor", detail: error.message }])),
            UsageUnavailable: unavailable
          })
        ),
      request: ({ params }) =>
        log.request(params.id).pipe(
          Effect.catchTag("UsageUnavailable", unavailable),
          Effect.flatMap((detail) =>
            detail === undefined
              ? Effect.fail(new NotFound({ message: "no request has this id, or its record is gone" }))
              : Effect.succeed(detail)
          )
        ),
      errors: ({ query }) => errors(apart(query)).pipe(Effect.catchTag("UsageUnavailable", unavailable)),
      exportUsage: ({ query }) => exported(apart(query)).pipe(Effect.catchTag("UsageUnavailable", unavailable)),
      pruneUsage: ({ payload }) => prune(payload).pipe(Effect.catchTag("UsageUnavailable", unavailable)),
      repriceUsage: ({ payload }) => reprice(payload).pipe(Effect.catchTag("UsageUnavailable", unavailable))
    })
  })
)

interface Range {
  readonly from?: number | undefined
  readonly to?: number | undefined
}

const ranged = <Query extends Range>({ from, to, ...query }: Query) =>
  from !== undefined && to !== undefined && from > to
    ? Effect.fail(badRequest([{ field: "from", detail: "expected a time that is not after to" }]))
    : Effect.succeed({ ...query, fromMs: from, toMs: to })

/** A range with its defaults: up to now, and the day before its end. */
const bounded = <Query extends Range>(query: Query) =>
  Effect.gen(function* () {
    const { fromMs, toMs = (yield* Clock.currentTimeMillis) + 1, ...rest } = yield* ranged(query)
    return { ...rest, fromMs: fromMs ?? toMs - dayMs, toMs }
  })

const shown = ({ firstSeenMs, lastSeenMs, series, ...group }: ErrorGroup) => ({
  ...group,
  firstSeen: new Date(firstSeenMs).toISOString(),
  lastSeen: new Date(lastSeenMs).toISOString(),
  series: series.map(({ count, startMs }) => ({ start: new Date(startMs).toISOString(), count }))
})

const unavailable = (error: UsageUnavailable) => Effect.fail(new StorageUnavailable({ message: error.message }))

export const badRequest = (issues: BadRequest["issues"]) =>
  new BadRequest({
    message: issues.map(({ detail, field }) => (field === "" ? detail : `${field}: ${detail}`)).join("\n"),
    issues
  })
