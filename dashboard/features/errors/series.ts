/** Failures over time as points of a chart; a bucket without one is a true zero, before the window a gap. */
import type { ErrorGroup } from "millrace/admin-api"
import type { Point, Series } from "@/components/chart/time-chart"
import { bucketMs, bucketStart, bucketStarts, type Window } from "@/features/usage/range"

export const failureSeries: ReadonlyArray<Series> = [{ key: "failed", label: "Failed", color: "var(--failed)" }]

/** The sum of groups in every bucket of a window. */
export const failurePoints = (
  groups: ReadonlyArray<Pick<ErrorGroup, "series">>,
  window: Window
): ReadonlyArray<Point> => {
  const counts = new Map<number, number>()
  for (const { series } of groups) {
    for (const { start, count } of series) {
      const startMs = bucketStart(Date.parse(start), window.bucket)
      counts.set(startMs, (counts.get(startMs) ?? 0) + count)
    }
  }
  const firstMs = bucketStart(window.fromMs, window.bucket)
  return bucketStarts(window).map((startMs) => ({
    startMs,
    endMs: startMs + bucketMs[window.bucket],
    complete: startMs + bucketMs[window.bucket] <= window.nowMs,
    values: { failed: startMs < firstMs ? null : (counts.get(startMs) ?? 0) }
  }))
}

export const faults = ["provider", "caller", "policy", "engine"] as const

export type Fault = (typeof faults)[number]

export const faultLabels: Record<Fault, string> = {
  provider: "Provider",
  caller: "Caller",
  policy: "Our policy",
  engine: "Gateway"
}

/** Failures by whose fault they were. */
export const countByFault = (groups: ReadonlyArray<Pick<ErrorGroup, "fault" | "count">>): Record<Fault, number> => {
  const counts = { provider: 0, caller: 0, policy: 0, engine: 0 }
  for (const { fault, count } of groups) if (fault !== null) counts[fault] += count
  return counts
}

/** Where a group happened: `provider/model`, or as much of it as is known. */
export const placeOf = ({ provider, model }: Pick<ErrorGroup, "provider" | "model">): string | null =>
  provider === null ? model : model === null ? provider : `${provider}/${model}`
