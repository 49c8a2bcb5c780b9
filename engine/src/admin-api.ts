/**
 * The admin API as a definition: paths, queries, answers and errors, from which server, typed client and OpenAPI come.
 *
 * It imports nothing but `effect`, so that it can be bundled for a browser. The answers are in `AdminAnswers`, and
 * exported from here too.
 */
import { Effect, Schema, SchemaIssue, SchemaTransformation } from "effect"
import {
  HttpApi,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  HttpApiSecurity,
  OpenApi
} from "effect/http-api"
import {
  Bucket,
  CacheEntries,
  CacheExplanation,
  CacheExport,
  CacheImport,
  CacheKind,
  CachePurge,
  CacheStatus,
  EvictResult,
  GroupBy,
  Provider,
  ProviderList,
  PurgeResult,
  RedactedConfig,
  RequestDetail,
  RequestPage,
  RequestStatus,
  Status,
  UsageReport
} from "./AdminAnswers.ts"
import {
  CacheFeedback,
  CacheFeedbackResult,
  SemanticPairList,
  SemanticPairsTaken,
  SemanticStatus
} from "./AdminSemanticAnswers.ts"

export * from "./AdminAnswers.ts"
export * from "./AdminSemanticAnswers.ts"

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

const filters = {
  model: Schema.optional(Schema.NonEmptyString),
  provider: Schema.optional(Schema.NonEmptyString),
  tenant: Schema.optional(Schema.NonEmptyString),
  key: Schema.optional(Schema.NonEmptyString),
  status: Schema.optional(RequestStatus),
  cache: Schema.optional(CacheKind)
}

/** `from` is included, `to` is not. */
const range = {
  from: Schema.optional(Time),
  to: Schema.optional(Time)
}

/** Without `to` the range ends now, without `from` it is 24 hours long; the bucket is `hour` by default. */
export const UsageQuery = Schema.Struct({
  ...range,
  bucket: Schema.optional(Bucket),
  groupBy: Schema.optional(GroupBy),
  ...filters
})
export type UsageQuery = typeof UsageQuery.Type

/** `limit` is 50 by default. */
export const RequestQuery = Schema.Struct({
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
  cursor: Schema.optional(Schema.NonEmptyString),
  ...range,
  ...filters
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

/** A request in the shape of `AIRequest` or of OpenAI's Chat Completions, or the key of an entry. */
export const CacheComparison = Schema.Struct({
  a: Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Json)]),
  b: Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Json)])
})
export type CacheComparison = typeof CacheComparison.Type

/** 200 records by default. */
export const CacheExportQuery = Schema.Struct({
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
  cursor: Schema.optional(Schema.NonEmptyString)
})

/** Records of an export. */
export const CacheRecords = Schema.Struct({ records: Schema.Array(Schema.Unknown).check(Schema.isMaxLength(1000)) })

/** The bearer token is missing or wrong. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()(
  "Unauthorized",
  { message: Schema.String },
  { httpApiStatus: 401, description: "The admin token is missing or wrong" }
) {}

/** Too many wrong tokens came from this address. The right token is always let in. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()(
  "TooManyRequests",
  { message: Schema.String, retryAfterSeconds: Schema.Finite },
  { httpApiStatus: 429, description: "Too many failed authentications from this address" }
) {}

/** A query parameter or the body is wrong; every wrong field is named. */
export class BadRequest extends Schema.TaggedError<BadRequest>()(
  "BadRequest",
  { message: Schema.String, issues: Schema.Array(Schema.Struct({ field: Schema.String, detail: Schema.String })) },
  { httpApiStatus: 400, description: "Fields of the request are wrong; each is named" }
) {}

export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { message: Schema.String },
  { httpApiStatus: 404, description: "There is nothing under this path or id" }
) {}

/** The usage database can't be read now. */
export class StorageUnavailable extends Schema.TaggedError<StorageUnavailable>()(
  "StorageUnavailable",
  { message: Schema.String },
  { httpApiStatus: 503, description: "The usage database can't be read now" }
) {}

/** `Authorization: Bearer <adminToken>`, on every route. */
export class AdminAuth extends HttpApiMiddleware.Service<AdminAuth>()("millrace/AdminAuth", {
  security: { bearer: HttpApiSecurity.bearer },
  error: [Unauthorized, TooManyRequests]
}) {}

/** Turns decode failures of a request into `BadRequest`. */
export class RequestCheck extends HttpApiMiddleware.Service<RequestCheck>()("millrace/RequestCheck", {
  error: BadRequest
}) {}

/** One event of `GET events`: the status, once a second. */
export const StatusEvent = Schema.Struct({
  id: Schema.optional(Schema.String),
  event: Schema.Literal("status"),
  data: Schema.fromJsonString(Status)
})

const statusGroup = HttpApiGroup.make("status", { topLevel: true })
  .add(HttpApiEndpoint.get("status", "/status", { success: Status }))
  .add(HttpApiEndpoint.get("events", "/events", { success: HttpApiSchema.StreamSse({ events: StatusEvent }) }))
  .add(HttpApiEndpoint.get("providers", "/providers", { success: ProviderList }))
  .add(
    HttpApiEndpoint.post("breaker", "/providers/:name/breaker", {
      params: { name: Schema.NonEmptyString },
      payload: BreakerOrder,
      success: Provider,
      error: NotFound
    })
  )
  .add(HttpApiEndpoint.get("config", "/config", { success: RedactedConfig }))
  .annotateMerge(
    OpenApi.annotations({ title: "Status", description: "What runs, how it is configured, how it is doing" })
  )

const usageGroup = HttpApiGroup.make("usage", { topLevel: true })
  .add(HttpApiEndpoint.get("usage", "/usage", { query: UsageQuery, success: UsageReport, error: StorageUnavailable }))
  .add(
    HttpApiEndpoint.get("requests", "/requests", {
      query: RequestQuery,
      success: RequestPage,
      error: StorageUnavailable
    })
  )
  .add(
    HttpApiEndpoint.get("request", "/requests/:id", {
      params: { id: Schema.NonEmptyString },
      success: RequestDetail,
      error: [NotFound, StorageUnavailable]
    })
  )
  .annotateMerge(OpenApi.annotations({ title: "Usage", description: "Every settled request, as sums and one by one" }))

const cacheGroup = HttpApiGroup.make("cache", { topLevel: true })
  .add(HttpApiEndpoint.get("cache", "/cache", { success: CacheStatus }))
  .add(HttpApiEndpoint.get("cacheEntries", "/cache/entries", { query: CacheEntriesQuery, success: CacheEntries }))
  .add(
    HttpApiEndpoint.delete("evictCacheEntry", "/cache/entries/:key", {
      params: { key: Schema.NonEmptyString },
      success: EvictResult,
      error: NotFound
    })
  )
  .add(
    HttpApiEndpoint.post("purgeCache", "/cache/purge", {
      payload: [CachePurge, Schema.Null],
      success: PurgeResult
    })
  )
  .add(
    HttpApiEndpoint.post("explainCache", "/cache/explain", {
      payload: CacheComparison,
      success: CacheExplanation,
      error: NotFound
    })
  )
  .add(HttpApiEndpoint.get("exportCache", "/cache/export", { query: CacheExportQuery, success: CacheExport }))
  .add(HttpApiEndpoint.post("importCache", "/cache/import", { payload: CacheRecords, success: CacheImport }))
  .annotateMerge(OpenApi.annotations({ title: "Cache", description: "Figures of the cache, and emptying it" }))

const semanticGroup = HttpApiGroup.make("semantic", { topLevel: true })
  .add(HttpApiEndpoint.get("semanticCache", "/cache/semantic", { success: SemanticStatus }))
  .add(HttpApiEndpoint.get("wrongPairs", "/cache/semantic/pairs", { success: SemanticPairList }))
  .add(
    HttpApiEndpoint.post("takeWrongPairs", "/cache/semantic/pairs", {
      payload: SemanticPairList,
      success: SemanticPairsTaken
    })
  )
  .add(
    HttpApiEndpoint.post("cacheFeedback", "/cache/feedback", {
      payload: CacheFeedback,
      success: CacheFeedbackResult,
      error: NotFound
    })
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Semantic cache", description: "What it serves or would serve, and wrong hits" })
  )

/** The whole admin API under `/admin/api`. A query parameter that is not known is an error. */
export const AdminApi = HttpApi.make("millrace-admin")
  .add(statusGroup, usageGroup, cacheGroup, semanticGroup)
  .annotate(HttpApi.QueryParseOptions, { errors: "all", onExcessProperty: "error" })
  .annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" })
  .middleware(RequestCheck)
  .middleware(AdminAuth)
  .prefix("/admin/api")
  .annotateMerge(OpenApi.annotations({ title: "Millrace admin API", version: "1" }))

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
