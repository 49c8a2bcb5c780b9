/**
 * The admin API as a definition: paths, queries, answers and errors, from which server, typed client and OpenAPI come.
 *
 * It imports nothing but `effect`, so that it can be bundled for a browser. The answers are in `AdminAnswers`, and
 * exported from here too.
 */
import { Schema } from "effect"
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
  CacheEntries,
  CacheExplanation,
  CacheExport,
  CacheImport,
  CacheLookup,
  CachePurge,
  CacheStatus,
  EvictResult,
  Provider,
  ProviderList,
  ProviderProbe,
  PurgeResult,
  RedactedConfig,
  Status
} from "./AdminAnswers.ts"
import { ConfigCandidate, ConfigReload, ConfigSources, ConfigValidation } from "./AdminConfigAnswers.ts"
import { budgetsGroup } from "./AdminBudgetApi.ts"
import { keysGroup } from "./AdminKeysApi.ts"
import { BadRequest, NotFound, TooManyRequests, Unauthorized } from "./AdminErrors.ts"
import { ModelsQuery, PriceList, PricesQuery } from "./AdminPriceAnswers.ts"
import {
  BreakerOrder,
  CacheComparison,
  CacheEntriesQuery,
  CacheExportQuery,
  CacheLookupQuery,
  CacheRecords,
  ProbeOrder
} from "./AdminQueries.ts"
import {
  CacheFeedback,
  CacheFeedbackResult,
  SemanticPairList,
  SemanticPairsTaken,
  SemanticStatus
} from "./AdminSemanticAnswers.ts"
import { usageGroup } from "./AdminUsageApi.ts"

export * from "./AdminAnswers.ts"
export * from "./AdminConfigAnswers.ts"
export * from "./AdminErrors.ts"
export * from "./AdminKeysAnswers.ts"
export * from "./AdminPriceAnswers.ts"
export * from "./AdminQueries.ts"
export * from "./AdminSemanticAnswers.ts"
export * from "./AdminBudgetApi.ts"
export * from "./AdminUsageApi.ts"

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
  .add(
    HttpApiEndpoint.post("probe", "/providers/:name/probe", {
      params: { name: Schema.NonEmptyString },
      payload: [ProbeOrder, Schema.Null],
      success: ProviderProbe,
      error: NotFound
    })
  )
  .add(HttpApiEndpoint.get("config", "/config", { success: RedactedConfig }))
  .annotateMerge(
    OpenApi.annotations({ title: "Status", description: "What runs, how it is configured, how it is doing" })
  )

const pricesGroup = HttpApiGroup.make("prices", { topLevel: true })
  .add(HttpApiEndpoint.get("prices", "/prices", { query: PricesQuery, success: PriceList, error: NotFound }))
  .add(HttpApiEndpoint.get("models", "/models", { query: ModelsQuery, success: PriceList, error: NotFound }))
  .annotateMerge(OpenApi.annotations({ title: "Prices", description: "Windows, abilities and prices of models" }))

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
  .add(
    HttpApiEndpoint.get("cacheLookup", "/cache/lookups/:id", {
      params: { id: Schema.NonEmptyString },
      query: CacheLookupQuery,
      success: CacheLookup,
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

const configurationGroup = HttpApiGroup.make("configuration", { topLevel: true })
  .add(HttpApiEndpoint.get("configSources", "/config/sources", { success: ConfigSources }))
  .add(HttpApiEndpoint.post("reloadConfig", "/config/reload", { success: ConfigReload }))
  .add(
    HttpApiEndpoint.post("validateConfig", "/config/validate", {
      payload: [ConfigCandidate, Schema.Null],
      success: ConfigValidation
    })
  )
  .annotateMerge(OpenApi.annotations({ title: "Configuration", description: "Trying one and putting one in force" }))

/** The whole admin API under `/admin/api`. A query parameter that is not known is an error. */
export const AdminApi = HttpApi.make("millrace-admin")
  .add(statusGroup, configurationGroup, usageGroup, pricesGroup, cacheGroup, semanticGroup, keysGroup, budgetsGroup)
  .annotate(HttpApi.QueryParseOptions, { errors: "all", onExcessProperty: "error" })
  .annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" })
  .middleware(RequestCheck)
  .middleware(AdminAuth)
  .prefix("/admin/api")
  .annotateMerge(OpenApi.annotations({ title: "Millrace admin API", version: "1" }))
