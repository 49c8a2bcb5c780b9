/**
 * What the admin API answers with: status, providers, cache; usage and requests are in `AdminUsageAnswers`.
 *
 * These are the shapes of the wire and of the services behind it alike: plain JSON, no classes. Times are ISO 8601 in
 * UTC, durations milliseconds (`…Ms`), money US dollars (`…Usd`). `null` means that there is no figure, never zero.
 * Nothing here carries a key, a prompt or an answer, and nothing is imported but `effect`.
 */
import { Schema } from "effect"
import { BudgetOverview } from "./AdminBudgetAnswers.ts"
import { CacheStatus } from "./CacheAnswers.ts"

export * from "./AdminUsageAnswers.ts"
export * from "./AdminBudgetAnswers.ts"
export * from "./CacheAnswers.ts"

const NullableNumber = Schema.NullOr(Schema.Finite)
const NullableString = Schema.NullOr(Schema.String)

/** One limit of a provider: as configured, as learned from the provider, and what is free now. */
export const Limit = Schema.Struct({
  configured: NullableNumber,
  learned: NullableNumber,
  available: NullableNumber
}).annotate({ identifier: "Limit" })
export type Limit = typeof Limit.Type

const Limits = Schema.Struct({ requestsPerMinute: Limit, tokensPerMinute: Limit, concurrent: Limit })

/** Who waits for a provider. The lists are cut at 20 entries. */
export const ProviderQueue = Schema.Struct({
  oldestWaitMs: Schema.Finite,
  /** What a new interactive request of the default tenant would wait; an estimate. */
  expectedWaitMs: Schema.Finite,
  /** The largest groups first. Priorities are 0 (served first) to 9. */
  groups: Schema.Array(Schema.Struct({ priority: Schema.Finite, tenant: Schema.String, waiting: Schema.Finite })),
  /** The longest waits first. `position` and `expectedWaitMs` are estimates for those that join now. */
  waiters: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      tenant: Schema.String,
      model: Schema.String,
      priority: Schema.Finite,
      waitedMs: Schema.Finite,
      /** How many are served before it, at most. */
      position: Schema.Finite,
      expectedWaitMs: Schema.Finite
    })
  )
}).annotate({ identifier: "ProviderQueue" })
export type ProviderQueue = typeof ProviderQueue.Type

/** A model of a provider, or a tenant, that has limits of its own. */
export const ScopeStatus = Schema.Struct({ name: Schema.String, active: Schema.Finite, limits: Limits }).annotate({
  identifier: "ScopeStatus"
})
export type ScopeStatus = typeof ScopeStatus.Type

const SharedRate = Schema.NullOr(Schema.Struct({ limit: Schema.Finite, used: Schema.Finite }))

/**
 * What all instances together hold of a provider's limits, as it was heard last; null where there is no such limit. Rates are
 * amounts in a window.
 */
export const SharedLimits = Schema.Struct({
  requests: SharedRate,
  tokens: SharedRate,
  concurrent: Schema.NullOr(Schema.Struct({ limit: Schema.Finite, active: Schema.Finite }))
}).annotate({ identifier: "SharedLimits" })
export type SharedLimits = typeof SharedLimits.Type

/** How instances share limits. */
export const Sharing = Schema.Struct({
  /** Instances that were alive when they were counted last, this one included. */
  instances: Schema.Finite,
  /** `shared`: counted over all instances; `share`: an equal part for each, while Redis is away or has just come back. */
  mode: Schema.Literals(["shared", "share"]),
  /** Calls of this instance that wait for other instances. */
  waiting: Schema.Finite,
  /** Calls that were let through by this instance's part alone, since the start. */
  decidedAlone: Schema.Finite
}).annotate({ identifier: "Sharing" })
export type Sharing = typeof Sharing.Type

export const BreakerState = Schema.Literals(["closed", "half-open", "open"])
export type BreakerState = typeof BreakerState.Type

/** What became of the calls to a provider since the process started. */
export const AttemptTotals = Schema.Struct({
  /** Calls that reached it: first attempts, retries and second attempts of hedging. */
  attempts: Schema.Finite,
  succeeded: Schema.Finite,
  /** By the provider's fault. */
  failed: Schema.Finite,
  /** By the caller's fault. */
  rejected: Schema.Finite,
  /** Given up by us: the caller left, the deadline passed, another attempt answered first. */
  left: Schema.Finite,
  /** Attempts after a failure at the same provider. */
  retries: Schema.Finite,
  /** Second attempts beside one that was late. */
  hedges: Schema.Finite,
  /** Requests that succeeded here after another attempt had failed: at this provider, or at one before it. */
  rescuedByRetry: Schema.Finite,
  rescuedByFallback: Schema.Finite,
  /** Requests that were answered here by the second of two attempts. */
  rescuedByHedge: Schema.Finite,
  /** Succeeded as a share of succeeded and failed; null before the first. */
  successRate: NullableNumber
}).annotate({ identifier: "AttemptTotals" })
export type AttemptTotals = typeof AttemptTotals.Type

/** One API key of a provider, known by its place in the configuration alone. */
export const KeyStatus = Schema.Struct({
  index: Schema.Finite,
  state: Schema.Literals(["ready", "resting"]),
  reason: Schema.NullOr(Schema.Literals(["rejected", "quota", "rate-limited"])),
  /** Milliseconds until it is used again. */
  restMs: NullableNumber
}).annotate({ identifier: "KeyStatus" })
export type KeyStatus = typeof KeyStatus.Type

/** The circuit of one model of a provider. */
export const CircuitStatus = Schema.Struct({
  model: Schema.String,
  state: BreakerState,
  /** True while an operator's order holds. */
  manual: Schema.Boolean,
  /** Milliseconds until the next probe; null when it is not open. */
  retryMs: NullableNumber,
  /** Calls of the last minute that say something about the provider. */
  calls: Schema.Finite,
  failures: Schema.Finite,
  consecutiveFailures: Schema.Finite
}).annotate({ identifier: "CircuitStatus" })
export type CircuitStatus = typeof CircuitStatus.Type

const providerFields = {
  name: Schema.String,
  kind: Schema.String,
  /** Default model of the provider. */
  model: NullableString,
  breaker: BreakerState,
  /** Calls that are being served by the provider now. */
  active: Schema.Finite,
  /** Calls that wait for the provider now. */
  queued: Schema.Finite,
  attempts: AttemptTotals,
  /** Empty for a provider without keys. */
  keys: Schema.Array(KeyStatus),
  limits: Limits,
  queue: Schema.optional(ProviderQueue),
  /** Models with limits of their own. */
  modelLimits: Schema.optional(Schema.Array(ScopeStatus)),
  /** Absent where limits are not shared, and before the first call. */
  sharedLimits: Schema.optional(SharedLimits)
}

export const ProviderStatus = Schema.Struct(providerFields).annotate({ identifier: "ProviderStatus" })
export type ProviderStatus = typeof ProviderStatus.Type

/** Sums since the process started. Tokens and dollars are what providers were asked for; what the cache served is saved. */
export const Totals = Schema.Struct({
  requests: Schema.Finite,
  errors: Schema.Finite,
  promptTokens: Schema.Finite,
  completionTokens: Schema.Finite,
  costUsd: Schema.Finite,
  savedUsd: Schema.Finite,
  savedTokens: Schema.Finite,
  /** What the providers' own prompt caches saved; negative where they wrote more than they read. */
  providerCacheSavedUsd: Schema.Finite
}).annotate({ identifier: "Totals" })
export type Totals = typeof Totals.Type

/** `reason` says what is wrong while `healthy` is false. */
export const DatabaseStatus = Schema.Struct({
  kind: Schema.Literals(["memory", "sqlite", "postgres"]),
  healthy: Schema.Boolean,
  rowsDropped: Schema.Finite,
  reason: NullableString,
  /** Why records are not summed up: reports are right, and take longer. Absent while they are. */
  sumsReason: Schema.optional(Schema.String)
}).annotate({ identifier: "DatabaseStatus" })
export type DatabaseStatus = typeof DatabaseStatus.Type

/** The virtual keys; `reason` says why they could not be read last, null when they could. */
export const KeysStatus = Schema.Struct({
  /** Whether the gateway lets in nobody without a key. */
  required: Schema.Boolean,
  /** Where they are kept; those in memory are gone when the process ends. */
  kind: Schema.Literals(["memory", "sqlite", "postgres"]),
  /** False until they were read once: then a gateway that requires keys answers 503. */
  loaded: Schema.Boolean,
  keys: Schema.Finite,
  reason: NullableString
}).annotate({ identifier: "KeysStatus" })
export type KeysStatus = typeof KeysStatus.Type

/** The state that instances share; while it is not healthy, each goes by its own. */
export const RedisStatus = Schema.Struct({
  healthy: Schema.Boolean,
  /** What is wrong; null while it is well. */
  reason: NullableString,
  /** When it last turned healthy or not. */
  since: Schema.String,
  /** Moving average; null before the first answer. */
  roundTripMs: NullableNumber,
  /** Answers since the start. */
  roundTrips: Schema.Finite,
  /** What was sent without waiting and is not known to have arrived, since the start. */
  dropped: Schema.Finite
}).annotate({ identifier: "RedisStatus" })
export type RedisStatus = typeof RedisStatus.Type

/** How busy the process is. The delays and the share are of the last second or so, and null before the first reading. */
export const ProcessStatus = Schema.Struct({
  /** How late timers ran, because the event loop had something else to do. */
  eventLoopDelayMsP50: NullableNumber,
  eventLoopDelayMsP99: NullableNumber,
  eventLoopDelayMsMax: NullableNumber,
  /** CPU time of all threads by time; 1 is one core. */
  cpuShare: NullableNumber,
  /** JavaScript objects in use. */
  heapBytes: Schema.Finite,
  /** All memory that the process holds. */
  residentBytes: Schema.Finite
}).annotate({ identifier: "ProcessStatus" })
export type ProcessStatus = typeof ProcessStatus.Type

/** What the engine is doing now. The same object as `Engine.status` and `AIEngine.getStatus()`. */
export const Status = Schema.Struct({
  version: Schema.String,
  uptimeSeconds: Schema.Finite,
  /** True when no provider is configured and the simulated one serves. */
  simulated: Schema.Boolean,
  providers: Schema.Array(ProviderStatus),
  cache: CacheStatus,
  queue: Schema.Struct({ waiting: Schema.Finite, oldestWaitMs: Schema.Finite }),
  /** Tenants with limits of their own, the configured ones first, at most 100. */
  tenants: Schema.optional(Schema.Array(ScopeStatus)),
  /** Absent where there are no budgets. */
  budgets: Schema.optional(BudgetOverview),
  keys: Schema.optional(KeysStatus),
  totals: Totals,
  process: Schema.optional(ProcessStatus),
  /** Absent where limits are not shared. */
  sharing: Schema.optional(Sharing),
  stores: Schema.Struct({
    database: DatabaseStatus,
    /** null where the configuration names no Redis. */
    redis: Schema.NullOr(RedisStatus)
  })
}).annotate({ identifier: "Status" })
export type Status = typeof Status.Type

export const Provider = Schema.Struct({
  ...providerFields,
  /** Models that are routed here; null when every model is. */
  models: Schema.NullOr(Schema.Array(Schema.String)),
  baseUrl: NullableString,
  /** One for each model that was called. */
  circuits: Schema.Array(CircuitStatus)
}).annotate({ identifier: "Provider" })
export type Provider = typeof Provider.Type

export const ProviderList = Schema.Struct({ providers: Schema.Array(Provider) }).annotate({
  identifier: "ProviderList"
})
export type ProviderList = typeof ProviderList.Type

/** What became of one small call to a provider. */
export const ProviderProbe = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  ok: Schema.Boolean,
  latencyMs: Schema.Finite,
  /** null when it answered; holds no key and no prompt. */
  error: Schema.NullOr(Schema.Struct({ kind: Schema.String, message: Schema.String }))
}).annotate({ identifier: "ProviderProbe" })
export type ProviderProbe = typeof ProviderProbe.Type

/** The effective configuration; secrets are replaced by `<redacted>`. */
export const RedactedConfig = Schema.Record(Schema.String, Schema.Json).annotate({ identifier: "RedactedConfig" })
export type RedactedConfig = typeof RedactedConfig.Type

export const PurgeResult = Schema.Struct({
  /** Entries that were removed. */
  purged: Schema.Finite
}).annotate({ identifier: "PurgeResult" })
export type PurgeResult = typeof PurgeResult.Type
