/**
 * Every `ai_*` metric: its name, type, unit, labels and what it says. The one place where names and labels are written.
 *
 * `Metrics` and `Gauges` make their instruments of it, and the alerting rules, the Grafana dashboards and
 * `docs/operations/metrics.md` are generated from it, so that a renamed metric is a type error there. Seconds, dollars and
 * tokens are the units. A label never holds a tenant, key or request. Nothing here counts anything.
 */

/** Values of a label: those that are listed, or what the text says. */
export type LabelValues = ReadonlyArray<string> | string

export interface MetricDefinition {
  readonly type: "counter" | "gauge" | "histogram"
  /** What `# HELP` says. */
  readonly help: string
  readonly labels: { readonly [label: string]: LabelValues }
  /** Upper bounds of a histogram's buckets, ascending; above the last is one more. */
  readonly buckets?: ReadonlyArray<number>
  /** How the gauges of several engines in one registry become one; their sum unless told. */
  readonly together?: "sum" | "largest"
}

const doubling = (first: number) => Array.from({ length: 14 }, (_, i) => first * 2 ** i)

/** Seconds: 0.01 doubling to 81.92, for answers that take from a cache hit to a long generation. */
const latencyBuckets = doubling(0.01)

/** Seconds: 10 µs doubling to 81.92 ms. */
const overheadBuckets = doubling(0.000_01)

/** Models with a label of their own that no configuration names; the others are `other`. */
export const unconfiguredModelsMax = 200

/** Characters of a model's name, which a caller may have made up, in a label. */
export const modelLabelMax = 128

const provider = "name of a provider in the configuration"
const answerer = `${provider}; \`none\` where a request had no candidate`
const model =
  "model that was asked; `none` where a request had no candidate, `other` for models that no configuration names and " +
  `that never answered, or that came after the first ${unconfiguredModelsMax} of them`
const tag = "tag of the error"
const fault = ["caller", "policy", "provider", "engine"] as const
const budgetName = "name of a budget in the configuration; budgets of virtual keys are together `keys`"
const served = ["hit", "semantic", "coalesced"] as const
const limit = ["requests_per_minute", "tokens_per_minute", "concurrent"] as const

export const metricDefinitions = {
  ai_requests_total: {
    type: "counter",
    help: "Settled requests, by who answered or failed last; cached, failed and cancelled ones included",
    labels: { provider: answerer, model, status: ["success", "error"] }
  },
  ai_response_duration_seconds: {
    type: "histogram",
    help: "Time from a request to the last part of its answer, or to its failure",
    labels: { provider: answerer, model },
    buckets: latencyBuckets
  },
  ai_time_to_first_token_seconds: {
    type: "histogram",
    help: "Time from a request to the first part of its answer",
    labels: { provider: answerer, model },
    buckets: latencyBuckets
  },
  ai_tokens_used_total: {
    type: "counter",
    help: "Tokens used at providers; cached ones are among the prompt's, reasoning among the completion's",
    labels: { provider: answerer, model, type: ["prompt", "completion", "cached", "reasoning"] }
  },
  ai_cost_usd_total: {
    type: "counter",
    help: "Dollars spent at providers; what has no price adds nothing",
    labels: { provider: answerer, model }
  },
  ai_errors_total: {
    type: "counter",
    help: "Failed and cancelled requests, by what they failed with and whose fault that is",
    labels: { provider: answerer, kind: `${tag}; \`Cancelled\` where the caller left`, fault }
  },
  ai_refused_total: {
    type: "counter",
    help: "Requests that the gateway refused at its door: no valid key, a body that can't be read, shutting down",
    labels: { kind: tag, fault }
  },
  ai_active_requests: { type: "gauge", help: "Requests that a provider is serving now", labels: { provider } },
  ai_attempts_total: {
    type: "counter",
    help: "Attempts that reached a provider; lost ones were answered later than another at the same time",
    labels: { provider, outcome: ["success", "error", "rate_limited", "cancelled", "lost"] }
  },
  ai_retries_total: {
    type: "counter",
    help: "Further attempts at the same provider, by the failure before",
    labels: { provider, reason: tag }
  },
  ai_fallbacks_total: {
    type: "counter",
    help: "Attempts that moved on to another provider",
    labels: { from: provider, to: provider }
  },
  ai_hedges_total: {
    type: "counter",
    help: "Second attempts beside one that was late, by what became of them",
    labels: { provider, outcome: ["won", "lost", "error", "cancelled"] }
  },
  ai_circuit_state: {
    type: "gauge",
    help: "Circuit of a provider: 0 closed, 1 half open, 2 open",
    labels: { provider },
    together: "largest"
  },
  ai_rate_limit: {
    type: "gauge",
    help: "Limit of a provider that is in force, configured or learned; absent where there is none",
    labels: { provider, limit },
    together: "largest"
  },
  ai_rate_limit_available: {
    type: "gauge",
    help: "What is left now of a provider's limit",
    labels: { provider, limit },
    together: "largest"
  },
  ai_rate_limit_wait_seconds: {
    type: "histogram",
    help: "Time that admitted requests waited for a provider's limits; those that did not wait are not in it",
    labels: { provider },
    buckets: latencyBuckets
  },
  ai_queue_depth: { type: "gauge", help: "Requests that wait for a provider's limits now", labels: { provider } },
  ai_queue_limit: {
    type: "gauge",
    help: "Requests that may wait for a provider (queue.maxWaiting)",
    labels: { provider }
  },
  ai_queue_oldest_wait_seconds: {
    type: "gauge",
    help: "How long the first of those who wait for a provider has waited",
    labels: { provider },
    together: "largest"
  },
  ai_queue_wait_limit_seconds: {
    type: "gauge",
    help: "How long a request may wait for a provider (queue.maxWait)",
    labels: { provider },
    together: "largest"
  },
  ai_cache_hits_total: {
    type: "counter",
    help: "Cache lookups by result; requests that bypass the cache are not in it",
    labels: { type: [...served, "miss"] as const }
  },
  ai_cache_entries: { type: "gauge", help: "Entries of the cache", labels: { kind: ["exact", "semantic"] } },
  ai_cache_evictions_total: {
    type: "counter",
    help: "Entries that left the exact cache for others before their time was over",
    labels: {}
  },
  ai_saved_usd_total: {
    type: "counter",
    help: "Dollars that the same answers would have cost without the cache",
    labels: { type: served }
  },
  ai_saved_tokens_total: {
    type: "counter",
    help: "Tokens of answers that the cache served",
    labels: { type: served }
  },
  ai_budget_used_ratio: {
    type: "gauge",
    help: "Share of a budget that is spent or reserved in its current period, of whoever has spent the largest share",
    labels: {
      budget: budgetName,
      scope: ["global", "tenant", "key", "model", "provider"]
    },
    together: "largest"
  },
  ai_budget_warnings_total: {
    type: "counter",
    help: "Warnings that a share of a budget (warnAt) was spent",
    labels: { budget: budgetName }
  },
  ai_budget_refusals_total: {
    type: "counter",
    help: "Attempts that a budget had no room for, or could not be charged to",
    labels: { budget: budgetName, unit: ["usd", "tokens"] }
  },
  ai_budget_alone_total: {
    type: "counter",
    help: "Reservations that were made without the database of the budgets, because it could not be asked in time",
    labels: {}
  },
  ai_usage_rows_dropped_total: {
    type: "counter",
    help: "Usage rows that were dropped because the database did not keep up",
    labels: {}
  },
  ai_redis_down: {
    type: "gauge",
    help: "1 while Redis is not used because it is away or late, 0 while it is and where none is configured",
    labels: {},
    together: "largest"
  },
  ai_redis_round_trip_seconds: {
    type: "gauge",
    help: "Moving average of the time from a script to its answer by Redis",
    labels: {},
    together: "largest"
  },
  ai_redis_round_trips_total: { type: "counter", help: "Scripts that Redis answered", labels: {} },
  ai_redis_dropped_total: {
    type: "counter",
    help: "What was sent to Redis without waiting and is not known to have arrived",
    labels: {}
  },
  ai_instances: {
    type: "gauge",
    help: "Instances that share limits, this one included, when they were counted last; 0 where limits are not shared",
    labels: {},
    together: "largest"
  },
  ai_shared_queue_depth: {
    type: "gauge",
    help: "Requests that have room in this instance and wait for the others",
    labels: {}
  },
  ai_limits_alone_total: {
    type: "counter",
    help: "Attempts let through by this instance's part of the limits, while Redis was away or had just come back",
    labels: {}
  },
  ai_overhead_seconds: {
    type: "histogram",
    help: "Time spent in Millrace itself before the first attempt; requests without an attempt are not in it",
    labels: {},
    buckets: overheadBuckets
  },
  ai_config_reloads_total: {
    type: "counter",
    help: "Times that the configuration was read again: put in force, refused as wrong, or found as before",
    labels: { outcome: ["applied", "refused", "unchanged"] }
  },
  ai_build_info: { type: "gauge", help: "1, with the version of Millrace", labels: { version: "of the package" } }
} as const satisfies { readonly [name: string]: MetricDefinition }

export type MetricName = keyof typeof metricDefinitions

/** Names of a metric's labels. */
export type LabelOf<Name extends MetricName> = Extract<keyof (typeof metricDefinitions)[Name]["labels"], string>

/** Values that a label of a metric can have. */
export type LabelValueOf<
  Name extends MetricName,
  Label extends LabelOf<Name>
> = (typeof metricDefinitions)[Name]["labels"] extends { readonly [L in Label]: infer Values }
  ? Values extends ReadonlyArray<infer Value>
    ? Value
    : string
  : never

/** Names of the metrics of one type. */
export type NameOf<Type extends MetricDefinition["type"]> = {
  [Name in MetricName]: (typeof metricDefinitions)[Name]["type"] extends Type ? Name : never
}[MetricName]

/** A metric with its name and the names of its labels, as prom-client takes them. */
export const optionsOf = <Name extends MetricName>(name: Name) => {
  const { help, labels }: MetricDefinition = metricDefinitions[name]
  return { name, help, labelNames: Object.keys(labels) as ReadonlyArray<unknown> as ReadonlyArray<LabelOf<Name>> }
}
