/**
 * What the plan promises of a deployment, as figures: the targets that recording rules measure, dashboards colour and
 * alerting rules watch.
 *
 * Each one is a recorded series by `job`, so that instances of one deployment are judged together.
 */

export interface Kpi {
  readonly title: string
  /** The recorded series that shows it. */
  readonly record: string
  readonly target: number
  /** On which side of the target it should be. */
  readonly should: "below" | "above"
  /** A unit of Grafana's. */
  readonly unit: string
  readonly description: string
}

export const kpis = {
  latency: {
    title: "p95 response time",
    record: "job:ai_response_duration_seconds:p95_rate5m",
    target: 2,
    should: "below",
    unit: "s",
    description: "Of all requests of the last 5 minutes, cached and failed ones included. Target: under 2 s."
  },
  hitRate: {
    title: "Cache hit rate",
    record: "job:ai_cache_hits:ratio_rate5m",
    target: 0.4,
    should: "above",
    unit: "percentunit",
    description: "Lookups that were answered by the cache, exact, semantic or coalesced. Target: over 40 %."
  },
  errors: {
    title: "Error rate",
    record: "job:ai_errors:ratio_rate5m",
    target: 0.01,
    should: "below",
    unit: "percentunit",
    description: "Failed requests, whoever's fault, without those whose caller left. Target: under 1 %."
  },
  throughput: {
    title: "Requests a minute",
    record: "job:ai_requests:per_minute_rate5m",
    target: 1000,
    should: "above",
    unit: "short",
    description: "Over the last 5 minutes. The target of 1000 is a capacity: less only says that less was asked."
  },
  cost: {
    title: "Cost reduction",
    record: "job:ai_cost_usd:saved_ratio_rate1h",
    target: 0.3,
    should: "above",
    unit: "percentunit",
    description: "Dollars that the cache saved, as a share of what the last hour would have cost. Target: over 30 %."
  },
  success: {
    title: "Success",
    record: "job:ai_objective_success:ratio_rate30d",
    target: 0.999,
    should: "above",
    unit: "percentunit",
    description: "Over 30 days, without what callers did wrong or were not allowed to do. Target: 99.9 %."
  }
} as const satisfies { readonly [name: string]: Kpi }

/** Share of requests that may fail by the objective of 99.9 % success. */
export const errorBudget = 0.001

/** Recorded share of failures over a window, as the objective counts them. */
export const failureRatio = (window: string) => `job:ai_objective_failures:ratio_rate${window}`

/**
 * Windows and factors of burn rates. Source: Google, The Site Reliability Workbook, chapter 5, table 5-8: 2 % of a month's
 * budget in an hour, 5 % in six hours, 10 % in one day and in three days.
 */
export const burnRates = {
  fast: [
    { long: "1h", short: "5m", factor: 14.4 },
    { long: "6h", short: "30m", factor: 6 }
  ],
  slow: [
    { long: "1d", short: "2h", factor: 3 },
    { long: "3d", short: "6h", factor: 1 }
  ]
} as const
