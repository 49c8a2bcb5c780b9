/**
 * What the admin API answers about usage: sums over time, requests one by one, failures that are alike.
 *
 * Shapes of the wire and of the services behind it alike, as in `AdminAnswers`. Nothing here carries a key; prompt and
 * answer of a request are there only where content logging is switched on.
 */
import { Schema } from "effect"

const NullableNumber = Schema.NullOr(Schema.Finite)
const NullableString = Schema.NullOr(Schema.String)

export const RequestStatus = Schema.Literals(["success", "error", "cancelled"])
export type RequestStatus = typeof RequestStatus.Type

export const CacheKind = Schema.Literals(["hit", "semantic", "coalesced", "miss", "bypass"])
export type CacheKind = typeof CacheKind.Type

export const Bucket = Schema.Literals(["minute", "hour", "day"])
export type Bucket = typeof Bucket.Type

export const GroupBy = Schema.Literals(["model", "provider", "tenant", "key", "status", "cache"])
export type GroupBy = typeof GroupBy.Type

const rowFields = {
  requests: Schema.Finite,
  /** Requests with status `error`; cancelled ones are not among them. */
  errors: Schema.Finite,
  /** Requests that the cache served: `hit`, `semantic` and `coalesced`. */
  cacheHits: Schema.Finite,
  promptTokens: Schema.Finite,
  completionTokens: Schema.Finite,
  /** Prompt tokens that the provider read from its own cache; a part of `promptTokens`. */
  cachedTokens: Schema.Finite,
  /** A part of `completionTokens`. */
  reasoningTokens: Schema.Finite,
  /** Sum over the requests that have a price. */
  costUsd: Schema.Finite,
  /** Requests that used tokens and have no price; their cost is missing in `costUsd`. */
  unpriced: Schema.Finite,
  savedUsd: Schema.Finite,
  savedTokens: Schema.Finite,
  /** What the providers' own prompt caches saved; negative where they wrote more than they read. Not in `savedUsd`. */
  providerCacheSavedUsd: Schema.Finite,
  latencyMsP50: NullableNumber,
  latencyMsP95: NullableNumber,
  ttftMsP50: NullableNumber,
  ttftMsP95: NullableNumber
}

/** Figures of a set of requests. Percentiles are by nearest rank; null when no request has the figure. */
export const UsageRow = Schema.Struct(rowFields).annotate({ identifier: "UsageRow" })
export type UsageRow = typeof UsageRow.Type

/** Figures of one group in one bucket; `start` is the beginning of the bucket in UTC. */
export const UsagePoint = Schema.Struct({
  start: Schema.String,
  /** Value of the `groupBy` field; null without `groupBy`, and for requests that have no such value. */
  group: NullableString,
  ...rowFields
}).annotate({ identifier: "UsagePoint" })
export type UsagePoint = typeof UsagePoint.Type

/** Points by time, then group. Buckets without a request are absent. */
export const UsageReport = Schema.Struct({
  totals: UsageRow,
  series: Schema.Array(UsagePoint)
}).annotate({ identifier: "UsageReport" })
export type UsageReport = typeof UsageReport.Type
export type UsageSeries = UsageReport["series"]

const itemFields = {
  id: Schema.String,
  /** When the request came in. */
  time: Schema.String,
  tenant: Schema.String,
  keyId: NullableString,
  modelRequested: NullableString,
  model: NullableString,
  provider: NullableString,
  status: RequestStatus,
  fault: Schema.NullOr(Schema.Literals(["caller", "policy", "provider", "engine"])),
  errorKind: NullableString,
  cache: CacheKind,
  attempts: Schema.Finite,
  promptTokens: Schema.Finite,
  completionTokens: Schema.Finite,
  /** null when the request has no price. */
  costUsd: NullableNumber,
  latencyMs: NullableNumber,
  ttftMs: NullableNumber,
  queueMs: Schema.Finite
}

export const RequestItem = Schema.Struct(itemFields).annotate({ identifier: "RequestItem" })
export type RequestItem = typeof RequestItem.Type

/** Newest first. `nextCursor` is null on the last page. */
export const RequestPage = Schema.Struct({
  items: Schema.Array(RequestItem),
  nextCursor: NullableString
}).annotate({ identifier: "RequestPage" })
export type RequestPage = typeof RequestPage.Type

/** One attempt at one provider. `firstPartMs` and `durationMs` count from its start. */
export const AttemptDetail = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  /** Why it was made: after a failure at the same provider, at another one, or beside one that took long. */
  reason: Schema.Literals(["first", "retry", "fallback", "hedge"]),
  /** True when another attempt at the same time answered first; its likely cost is in the request's. */
  lost: Schema.Boolean,
  lostUsd: NullableNumber,
  startedAt: Schema.String,
  queueMs: Schema.Finite,
  firstPartMs: NullableNumber,
  durationMs: NullableNumber,
  /** What its answer cost; null for an attempt without one, and without a price. */
  costUsd: NullableNumber,
  error: Schema.NullOr(
    Schema.Struct({
      kind: Schema.String,
      fault: Schema.String,
      status: Schema.Finite,
      /** HTTP status of the provider, where it answered. */
      upstreamStatus: NullableNumber,
      retryAfterMs: NullableNumber
    })
  )
}).annotate({ identifier: "AttemptDetail" })
export type AttemptDetail = typeof AttemptDetail.Type

export const PriceLine = Schema.Struct({
  /** `output` is the answer without its reasoning; fees are what is billed beside tokens. */
  kind: Schema.Literals([
    "uncachedInput",
    "cacheReadInput",
    "cacheWriteInput",
    "output",
    "reasoning",
    "fees",
    "lostAttempts"
  ]),
  tokens: Schema.Finite,
  /** The lines add up to the price; null where there is none. */
  usd: NullableNumber,
  /** The rate; the average where a line has tokens at several rates. */
  usdPerMillion: NullableNumber
}).annotate({ identifier: "PriceLine" })
export type PriceLine = typeof PriceLine.Type

/** A request with every attempt and the lines of its price. */
export const RequestDetail = Schema.Struct({
  ...itemFields,
  attemptDetails: Schema.Array(AttemptDetail),
  cacheAgeMs: NullableNumber,
  cacheSimilarity: NullableNumber,
  reasoningTokens: Schema.Finite,
  /** True when the provider reported no usage and the tokens are our own count. */
  estimated: Schema.Boolean,
  price: Schema.Struct({
    usd: NullableNumber,
    /** The price table that was used, with its version. */
    table: NullableString,
    /** Why there is no price. */
    unpricedReason: NullableString,
    /** Disjoint: no token is on two lines. */
    lines: Schema.Array(PriceLine)
  }),
  savedUsd: NullableNumber,
  savedTokens: Schema.Finite,
  /** What the provider's own prompt cache saved; negative where it wrote more than it read. */
  providerCacheSavedUsd: NullableNumber,
  /** As the answer named it; null for the ordinary one. */
  serviceTier: NullableString,
  /** Our own work before the first attempt. */
  overheadMs: NullableNumber,
  stream: Schema.Boolean,
  /** What the caller attached. */
  metadata: Schema.NullOr(Schema.Record(Schema.String, Schema.Json)),
  /** Prompt and answer as text, cut where they are long; null unless content logging is switched on. */
  content: Schema.NullOr(
    Schema.Struct({
      prompt: Schema.String,
      answer: Schema.String,
      /** The request as a body of Chat Completions without its model; null where it is too long or none, absent from older records. */
      request: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.Json)))
    })
  ),
  /** Message of the failure without ids, numbers, names and quoted text. */
  errorDetail: NullableString,
  /** What failures that are alike have in common: `GET errors`. */
  fingerprint: NullableString
}).annotate({ identifier: "RequestDetail" })
export type RequestDetail = typeof RequestDetail.Type

/** Failures that are alike: same kind, provider, model and message. Counts and times are those within the range. */
export const ErrorGroup = Schema.Struct({
  fingerprint: Schema.String,
  kind: NullableString,
  fault: Schema.NullOr(Schema.Literals(["caller", "policy", "provider", "engine"])),
  provider: NullableString,
  model: NullableString,
  /** The message without ids, numbers, names and quoted text; null where nothing else was in it. */
  message: NullableString,
  count: Schema.Finite,
  firstSeen: Schema.String,
  lastSeen: Schema.String,
  /** The request that failed last: `GET requests/{id}`. */
  sampleId: Schema.String,
  /** Buckets that have a failure, in the order of time. */
  series: Schema.Array(Schema.Struct({ start: Schema.String, count: Schema.Finite })),
  /** Who the newest failures met, the most affected first; null unless one fingerprint was asked for. */
  affected: Schema.NullOr(
    Schema.Struct({
      /** Failures that were looked at; fewer than `count` where there are thousands. */
      counted: Schema.Finite,
      keys: Schema.Array(Schema.Struct({ keyId: NullableString, count: Schema.Finite })),
      tenants: Schema.Array(Schema.Struct({ tenant: Schema.String, count: Schema.Finite }))
    })
  )
}).annotate({ identifier: "ErrorGroup" })
export type ErrorGroup = typeof ErrorGroup.Type

/** The most frequent groups first. */
export const ErrorReport = Schema.Struct({ groups: Schema.Array(ErrorGroup) }).annotate({ identifier: "ErrorReport" })
export type ErrorReport = typeof ErrorReport.Type

/** What was deleted, or with `dryRun` what would be. */
export const PruneResult = Schema.Struct({
  dryRun: Schema.Boolean,
  /** Whole days of UTC before this time. */
  before: Schema.String,
  requests: Schema.Finite,
  /** Sums by hour and day that went with them; null where that is not counted in advance. */
  rollups: NullableNumber
}).annotate({ identifier: "PruneResult" })
export type PruneResult = typeof PruneResult.Type

/** What pricing anew did to the requests of one model. */
export const RepricedModel = Schema.Struct({
  provider: NullableString,
  model: NullableString,
  /** Requests that used tokens. */
  requests: Schema.Finite,
  changed: Schema.Finite,
  oldUsd: Schema.Finite,
  newUsd: Schema.Finite,
  /** Requests without a price now, by reason. */
  unpriced: Schema.Array(Schema.Struct({ reason: Schema.String, requests: Schema.Finite }))
}).annotate({ identifier: "RepricedModel" })
export type RepricedModel = typeof RepricedModel.Type

/** What was priced anew, or with `dryRun` would be. A long history takes several calls, each with the `nextCursor` before. */
export const RepriceResult = Schema.Struct({
  dryRun: Schema.Boolean,
  /** Requests that were looked at. */
  requests: Schema.Finite,
  changed: Schema.Finite,
  oldUsd: Schema.Finite,
  newUsd: Schema.Finite,
  models: Schema.Array(RepricedModel),
  nextCursor: NullableString
}).annotate({ identifier: "RepriceResult" })
export type RepriceResult = typeof RepriceResult.Type
