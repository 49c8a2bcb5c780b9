/**
 * What the admin API is asked: queries and bodies of its routes.
 *
 * It imports nothing but `effect`, so that it can be bundled for a browser. What is not known is an error that names it.
 */
import { Effect, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { Bucket, CacheKind, GroupBy, RequestStatus } from "./AdminAnswers.ts"

/** A point in time: ISO 8601 (UTC where no offset is given) or epoch milliseconds. Decodes to epoch milliseconds. */
export const Time = Schema.String.annotate({ description: "ISO 8601, or epoch milliseconds" }).pipe(
  Schema.decodeTo(
    Schema.Finite,
    SchemaTransformation.transformEffect({
      decode: (text, options) => {
        const timeMs = parseTime(text)
        return timeMs === undefined
          ? Effect.fail(
              new SchemaIssue.InvalidValue({ expected: "an ISO 8601 time or epoch milliseconds" }, text, options)
            )
          : Effect.succeed(timeMs)
      },
      encode: (timeMs) => Effect.succeed(String(timeMs))
    })
  )
)

export const filters = {
  /** A bare name, or `provider/model`. */
  model: Schema.optional(Schema.NonEmptyString),
  provider: Schema.optional(Schema.NonEmptyString),
  tenant: Schema.optional(Schema.NonEmptyString),
  key: Schema.optional(Schema.NonEmptyString),
  status: Schema.optional(RequestStatus),
  cache: Schema.optional(CacheKind)
}

/** What requests are told apart by besides; no sums are kept for it. */
export const recordFilters = {
  errorKind: Schema.optional(Schema.NonEmptyString),
  fault: Schema.optional(Schema.Literals(["caller", "policy", "provider", "engine"])),
  /** Of `GET errors`. */
  fingerprint: Schema.optional(Schema.NonEmptyString),
  minLatencyMs: Schema.optional(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))
}

/** `from` is included, `to` is not. */
export const range = {
  from: Schema.optional(Time),
  to: Schema.optional(Time)
}

/**
 * Without `to` the range ends now, without `from` it is 24 hours long; the bucket is `hour` by default. Filters that no sums
 * are kept for take records one by one, and no more than 50,000 of them.
 */
export const UsageQuery = Schema.Struct({
  ...range,
  bucket: Schema.optional(Bucket),
  groupBy: Schema.optional(GroupBy),
  ...filters,
  ...recordFilters
})
export type UsageQuery = typeof UsageQuery.Type

/** `limit` is 50 by default. A page may be short, or empty, and still have a next one where few requests are what is asked for. */
export const RequestQuery = Schema.Struct({
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
  cursor: Schema.optional(Schema.NonEmptyString),
  ...range,
  ...filters,
  ...recordFilters,
  /** An id, or the beginning of one. */
  search: Schema.optional(Schema.NonEmptyString)
})
export type RequestQuery = typeof RequestQuery.Type

/**
 * `open` refuses calls, `closed` lets them go whatever happens, `auto` leaves it to the outcomes again; for one model, or for
 * all. Without `forMs` an open circuit is probed after `breaker.openFor`, and a closed one opens again as its calls fail.
 */
export const BreakerOrder = Schema.Struct({
  state: Schema.Literals(["open", "closed", "auto"]),
  model: Schema.optional(Schema.NonEmptyString),
  /** Milliseconds that it holds, at most a week. */
  forMs: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 604_800_000 })))
}).annotate({ identifier: "BreakerOrder", parseOptions: { errors: "all", onExcessProperty: "error" } })
export type BreakerOrder = typeof BreakerOrder.Type

/** One small call to a provider; its default model unless another is named. */
export const ProbeOrder = Schema.Struct({ model: Schema.optional(Schema.NonEmptyString) }).annotate({
  identifier: "ProbeOrder",
  parseOptions: { errors: "all", onExcessProperty: "error" }
})
export type ProbeOrder = typeof ProbeOrder.Type

const cacheFilters = {
  provider: Schema.optional(Schema.NonEmptyString),
  model: Schema.optional(Schema.NonEmptyString),
  tenant: Schema.optional(Schema.NonEmptyString),
  namespace: Schema.optional(Schema.NonEmptyString)
}

/** `recent` (last used first) and 50 by default. */
export const CacheEntriesQuery = Schema.Struct({
  ...cacheFilters,
  sort: Schema.optional(Schema.Literals(["recent", "hits", "saved", "size"])),
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
  cursor: Schema.optional(Schema.NonEmptyString)
})
export type CacheEntriesQuery = typeof CacheEntriesQuery.Type

/** A request in the shape of `AIRequest` or of OpenAI's Chat Completions, the key of an entry, or the id of a request that is remembered. */
export const CacheComparison = Schema.Struct({
  a: Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Json)]),
  b: Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Json)])
})
export type CacheComparison = typeof CacheComparison.Type

/** 5 by default. */
export const CacheLookupQuery = Schema.Struct({
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })))
})

/** 200 records by default. */
export const CacheExportQuery = Schema.Struct({
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
  cursor: Schema.optional(Schema.NonEmptyString)
})

/** Records of an export. */
export const CacheRecords = Schema.Struct({ records: Schema.Array(Schema.Unknown).check(Schema.isMaxLength(1000)) })

const isoTime = /^\d{4}-\d\d(-\d\d)?(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/i
const maxTimeMs = 8.64e15

const parseTime = (text: string): number | undefined => {
  if (/^\d{1,16}$/.test(text)) return Number(text) <= maxTimeMs ? Number(text) : undefined
  // An unescaped plus sign reaches us as a space.
  const iso = text.replace(/ (?=\d\d:?\d\d$)/, "+")
  if (!isoTime.test(iso)) return undefined
  const zoned = /T/i.test(iso) && !/(Z|[+-]\d\d:?\d\d)$/i.test(iso) ? `${iso}Z` : iso
  const timeMs = Date.parse(zoned)
  return Number.isNaN(timeMs) ? undefined : timeMs
}
