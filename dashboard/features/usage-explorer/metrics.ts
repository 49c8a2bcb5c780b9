/**
 * What the explorer can measure, and how: figures that add up over groups and time, and those that don't.
 *
 * Quantiles, rates and averages of a part can't be added to those of another; they are drawn as lines, never stacked, never
 * cumulated, and the figure of a whole range is the gateway's own.
 */
import type { UsageRow } from "millrace/admin-api"
import { count, duration, ratio, share, usd, type Quantity } from "@/lib/format"

export const metricNames = [
  "requests",
  "errors",
  "failedShare",
  "cacheHits",
  "hitShare",
  "tokens",
  "promptTokens",
  "completionTokens",
  "cachedTokens",
  "reasoningTokens",
  "costUsd",
  "savedUsd",
  "savedTokens",
  "latencyMsP50",
  "latencyMsP95",
  "ttftMsP50",
  "ttftMsP95"
] as const

export type MetricName = (typeof metricNames)[number]

export interface Metric {
  readonly label: string
  /** Whether figures of parts add up to that of the whole. */
  readonly adds: boolean
  /** Whether the figure of several buckets follows from their sums. */
  readonly fromSums: boolean
  readonly whole: boolean
  readonly valueOf: (row: Sums) => number | null
  readonly format: (figure: number | null | undefined) => Quantity
}

/** The fields of a row that add up. */
export const sumFields = [
  "requests",
  "errors",
  "cacheHits",
  "promptTokens",
  "completionTokens",
  "cachedTokens",
  "reasoningTokens",
  "costUsd",
  "savedUsd",
  "savedTokens"
] as const

type Quantiles = Pick<UsageRow, "latencyMsP50" | "latencyMsP95" | "ttftMsP50" | "ttftMsP95">

export type Sums = Readonly<Record<(typeof sumFields)[number], number>> & Quantiles

const sum = (label: string, field: (typeof sumFields)[number], format = count): Metric => ({
  label,
  adds: true,
  fromSums: true,
  whole: format === count,
  valueOf: (row) => row[field],
  format
})

const quantile = (label: string, field: keyof Quantiles): Metric => ({
  label,
  adds: false,
  fromSums: false,
  whole: false,
  valueOf: (row) => row[field],
  format: duration
})

const quotient = (label: string, part: "errors" | "cacheHits"): Metric => ({
  label,
  adds: false,
  fromSums: true,
  whole: false,
  valueOf: (row) => ratio(row[part], row.requests),
  format: share
})

export const metrics: Record<MetricName, Metric> = {
  requests: sum("Requests", "requests"),
  errors: sum("Failed requests", "errors"),
  failedShare: quotient("Share that failed", "errors"),
  cacheHits: sum("Served from the cache", "cacheHits"),
  hitShare: quotient("Share served from the cache", "cacheHits"),
  tokens: {
    label: "Tokens",
    adds: true,
    fromSums: true,
    whole: true,
    valueOf: (row) => row.promptTokens + row.completionTokens,
    format: count
  },
  promptTokens: sum("Prompt tokens", "promptTokens"),
  completionTokens: sum("Completion tokens", "completionTokens"),
  cachedTokens: sum("Prompt tokens from providers’ caches", "cachedTokens"),
  reasoningTokens: sum("Reasoning tokens", "reasoningTokens"),
  costUsd: sum("Cost", "costUsd", usd),
  savedUsd: sum("Saved by the cache", "savedUsd", usd),
  savedTokens: sum("Tokens saved by the cache", "savedTokens"),
  latencyMsP50: quantile("Latency, median", "latencyMsP50"),
  latencyMsP95: quantile("Latency, p95", "latencyMsP95"),
  ttftMsP50: quantile("Time to first token, median", "ttftMsP50"),
  ttftMsP95: quantile("Time to first token, p95", "ttftMsP95")
}
