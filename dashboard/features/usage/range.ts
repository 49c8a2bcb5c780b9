/**
 * The time range of a page and the buckets that it is drawn in.
 *
 * Ranges start at the beginning of a bucket (UTC) and end now, so the last bucket is always unfinished.
 */
import type { Bucket } from "millrace/admin-api"

export const ranges = ["start", "15m", "1h", "24h", "7d", "30d"] as const

export type Range = (typeof ranges)[number]

export const rangeLabels: Record<Range, string> = {
  start: "Since start",
  "15m": "15 min",
  "1h": "1 h",
  "24h": "24 h",
  "7d": "7 d",
  "30d": "30 d"
}

export interface Window {
  readonly fromMs: number
  readonly nowMs: number
  readonly bucket: Bucket
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

export const bucketMs: Record<Bucket, number> = { minute: minuteMs, hour: hourMs, day: dayMs }

const presets: Record<Exclude<Range, "start">, { readonly bucket: Bucket; readonly buckets: number }> = {
  "15m": { bucket: "minute", buckets: 15 },
  "1h": { bucket: "minute", buckets: 60 },
  "24h": { bucket: "hour", buckets: 24 },
  "7d": { bucket: "hour", buckets: 168 },
  "30d": { bucket: "day", buckets: 30 }
}

/** At most this many minutes, or hours, are drawn one by one. */
const longestByMinute = 6 * hourMs
const longestByHour = 8 * dayMs

/** The window of a range at a moment; `uptimeMs` is how long the gateway runs. */
export const windowOf = (range: Range, nowMs: number, uptimeMs: number): Window => {
  if (range === "start") {
    const bucket = uptimeMs <= longestByMinute ? "minute" : uptimeMs <= longestByHour ? "hour" : "day"
    return { fromMs: Math.floor(nowMs - uptimeMs) - 1000, nowMs, bucket }
  }
  const { bucket, buckets } = presets[range]
  return { fromMs: bucketStart(nowMs, bucket) - (buckets - 1) * bucketMs[bucket], nowMs, bucket }
}

/** The beginning of the bucket that holds a moment. */
export const bucketStart = (epochMs: number, bucket: Bucket): number =>
  Math.floor(epochMs / bucketMs[bucket]) * bucketMs[bucket]

/** A gateway that has just started gets a chart of this many buckets, those before its start empty. */
const fewestBuckets = 15

/** The beginnings of all buckets to draw, the unfinished last one included. */
export const bucketStarts = ({ fromMs, nowMs, bucket }: Window): ReadonlyArray<number> => {
  const widthMs = bucketMs[bucket]
  const lastMs = bucketStart(nowMs, bucket)
  const firstMs = Math.min(bucketStart(fromMs, bucket), lastMs - (fewestBuckets - 1) * widthMs)
  return Array.from({ length: (lastMs - firstMs) / widthMs + 1 }, (_, index) => firstMs + index * widthMs)
}

/** How often figures of a window are read again. */
export const refreshMs: Record<Bucket, number> = { minute: 2_000, hour: 10_000, day: 60_000 }
