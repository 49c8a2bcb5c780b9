/**
 * The part of the admin API about usage: sums, requests, failures, export, retention, prices of the past.
 *
 * It imports nothing but `effect`, so that it can be bundled for a browser; `admin-api` joins it with the other parts.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import {
  Bucket,
  ErrorReport,
  PruneResult,
  RepriceResult,
  RequestDetail,
  RequestPage,
  UsageReport
} from "./AdminUsageAnswers.ts"
import { NotFound, StorageUnavailable } from "./AdminErrors.ts"
import { filters, range, recordFilters, RequestQuery, Time, UsageQuery } from "./AdminQueries.ts"

/** The 24 hours before `to` where `from` is missing; buckets of an hour and 20 groups by default. One fingerprint alone says who is affected. */
export const ErrorsQuery = Schema.Struct({
  ...range,
  bucket: Schema.optional(Bucket),
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))),
  kind: Schema.optional(Schema.NonEmptyString),
  fingerprint: Schema.optional(Schema.NonEmptyString),
  model: filters.model,
  provider: filters.provider,
  tenant: filters.tenant,
  key: filters.key
})
export type ErrorsQuery = typeof ErrorsQuery.Type

/** `csv` by default; the 24 hours before `to` where `from` is missing. */
export const UsageExportQuery = Schema.Struct({
  format: Schema.optional(Schema.Literals(["csv", "ndjson"])),
  ...range,
  ...filters,
  ...recordFilters
})
export type UsageExportQuery = typeof UsageExportQuery.Type

const given = { parseOptions: { errors: "all", onExcessProperty: "error" } } as const

/** Forgets whole days of UTC that end before `before`. */
export const PruneOrder = Schema.Struct({
  before: Schema.Union([Schema.Finite, Time]),
  /** Keeps the sums of what is deleted; false by default. */
  keepRollups: Schema.optional(Schema.Boolean),
  /** Says what would be deleted. */
  dryRun: Schema.optional(Schema.Boolean)
}).annotate({ identifier: "PruneOrder", ...given })
export type PruneOrder = typeof PruneOrder.Type

/** All of history where neither `from` nor `to` is given. */
export const RepriceOrder = Schema.Struct({
  from: Schema.optional(Schema.Union([Schema.Finite, Time])),
  to: Schema.optional(Schema.Union([Schema.Finite, Time])),
  /** Says what would change. */
  dryRun: Schema.optional(Schema.Boolean),
  cursor: Schema.optional(Schema.NonEmptyString)
}).annotate({ identifier: "RepriceOrder", ...given })
export type RepriceOrder = typeof RepriceOrder.Type

export const usageGroup = HttpApiGroup.make("usage", { topLevel: true })
  .add(HttpApiEndpoint.get("usage", "/usage", { query: UsageQuery, success: UsageReport, error: StorageUnavailable }))
  .add(
    HttpApiEndpoint.get("exportUsage", "/usage/export", {
      query: UsageExportQuery,
      success: HttpApiSchema.StreamUint8Array({ contentType: ["text/csv", "application/x-ndjson"] }),
      error: StorageUnavailable
    })
  )
  .add(
    HttpApiEndpoint.post("pruneUsage", "/usage/prune", {
      payload: PruneOrder,
      success: PruneResult,
      error: StorageUnavailable
    })
  )
  .add(
    HttpApiEndpoint.post("repriceUsage", "/usage/reprice", {
      payload: RepriceOrder,
      success: RepriceResult,
      error: StorageUnavailable
    })
  )
  .add(
    HttpApiEndpoint.get("errors", "/errors", { query: ErrorsQuery, success: ErrorReport, error: StorageUnavailable })
  )
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
  .annotateMerge(
    OpenApi.annotations({ title: "Usage", description: "Every settled request: sums, one by one, failures, export" })
  )
