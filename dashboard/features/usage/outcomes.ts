/** Requests over time by how they ended, and latency over time, as points of a chart. */
import type { UsagePoint, UsageSeries } from "millrace/admin-api"
import type { Point, Series } from "@/components/chart/time-chart"
import { bucketMs, bucketStart, bucketStarts, type Window } from "./range"

/** The outcomes from bottom to top; the colours are those of the whole dashboard. */
export const outcomes = [
  { key: "answered", label: "Answered by a provider", color: "var(--answered)" },
  { key: "cached", label: "Served from the cache", color: "var(--cached)" },
  { key: "cancelled", label: "Cancelled by the caller", color: "var(--cancelled)" },
  { key: "failed", label: "Failed", color: "var(--failed)" }
] as const satisfies ReadonlyArray<Series>

export type Outcome = (typeof outcomes)[number]["key"]

export type OutcomeCounts = Record<Outcome, number>

const none = (): OutcomeCounts => ({ answered: 0, cached: 0, cancelled: 0, failed: 0 })

const add = (counts: OutcomeCounts, point: UsagePoint): void => {
  if (point.group === "success") {
    counts.cached += point.cacheHits
    counts.answered += point.requests - point.cacheHits
  } else if (point.group === "error") counts.failed += point.requests
  else counts.cancelled += point.requests
}

/** A series that is grouped by status, as one point a bucket; without requests it is a true zero, before the window a gap. */
export const outcomePoints = (series: UsageSeries, window: Window): ReadonlyArray<Point> => {
  const byStart = new Map<number, OutcomeCounts>()
  for (const point of series) {
    const start = bucketStart(Date.parse(point.start), window.bucket)
    const counts = byStart.get(start) ?? none()
    add(counts, point)
    byStart.set(start, counts)
  }
  const firstMs = bucketStart(window.fromMs, window.bucket)
  return points(window, (start) => byStart.get(start) ?? (start < firstMs ? {} : none()))
}

/** The sums of a series that is grouped by status. */
export const outcomeTotals = (series: UsageSeries): OutcomeCounts => {
  const counts = none()
  for (const point of series) add(counts, point)
  return counts
}

/** Latency has no colour of its own meaning: the median is drawn strong, the tail pale. */
export const latencySeries: ReadonlyArray<Series> = [
  { key: "p50", label: "p50", color: "var(--foreground)" },
  { key: "p95", label: "p95", color: "var(--muted)" }
]

/** Which time is drawn: until the answer is complete, or until its first token. */
export type Timing = "latency" | "ttft"

/** Quantiles of a series without groups; a bucket without requests is a gap. */
export const timingPoints = (timing: Timing, series: UsageSeries, window: Window): ReadonlyArray<Point> => {
  const byStart = new Map(series.map((point) => [bucketStart(Date.parse(point.start), window.bucket), point]))
  return points(window, (start) => {
    const point = byStart.get(start)
    return timing === "latency"
      ? { p50: point?.latencyMsP50 ?? null, p95: point?.latencyMsP95 ?? null }
      : { p50: point?.ttftMsP50 ?? null, p95: point?.ttftMsP95 ?? null }
  })
}

/** One point for each bucket of a window. */
export const points = (window: Window, valuesOf: (startMs: number) => Point["values"]): ReadonlyArray<Point> => {
  const current = bucketStart(window.nowMs, window.bucket)
  return bucketStarts(window).map((startMs) => ({
    startMs,
    endMs: startMs + bucketMs[window.bucket],
    complete: startMs < current,
    values: valuesOf(startMs)
  }))
}

const lookups: ReadonlyArray<string | null> = ["hit", "semantic", "coalesced", "miss"]

/** The share of cache lookups that were served, of a series that is grouped by cache; null without a lookup. */
export const hitRateOf = (series: UsageSeries): number | null => {
  let hits = 0
  let total = 0
  for (const point of series) {
    if (!lookups.includes(point.group)) continue
    total += point.requests
    if (point.group !== "miss") hits += point.requests
  }
  return total === 0 ? null : hits / total
}
