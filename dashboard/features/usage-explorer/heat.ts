/** When things happen: a metric by weekday and hour of the reader's clock. */
import type { UsagePoint } from "millrace/admin-api"
import { bucketMs, bucketStarts, windowEnd, type Window } from "@/features/usage/range"
import type { Metric } from "./metrics"

export const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const

export interface HeatCell {
  /** From 0, Monday. */
  readonly weekday: number
  readonly hour: number
  /** Average of an hour; null where the range has no such hour. */
  readonly value: number | null
  /** How many such hours the range has. */
  readonly hours: number
}

/** A series by the hour, without groups, as the average of each hour of the week. */
export const heatCells = (
  series: ReadonlyArray<UsagePoint>,
  window: Window,
  metric: Metric
): ReadonlyArray<HeatCell> => {
  const values = new Map(series.map((point) => [Date.parse(point.start), metric.valueOf(point) ?? 0]))
  const cells = Array.from({ length: 7 * 24 }, () => ({ sum: 0, hours: 0 }))
  for (const startMs of bucketStarts({ ...window, bucket: "hour" })) {
    if (startMs + bucketMs.hour <= window.fromMs || startMs >= windowEnd(window)) continue
    const at = new Date(startMs)
    const cell = cells[((at.getDay() + 6) % 7) * 24 + at.getHours()]!
    cell.sum += values.get(startMs) ?? 0
    cell.hours++
  }
  return cells.map(({ sum, hours }, index) => ({
    weekday: Math.floor(index / 24),
    hour: index % 24,
    value: hours === 0 ? null : sum / hours,
    hours
  }))
}
