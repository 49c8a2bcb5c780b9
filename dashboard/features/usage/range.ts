/**
 * The time range of a page and the buckets that it is drawn in.
 *
 * Presets start at the beginning of a bucket (UTC) and end now, so their last bucket is always unfinished. A range of the
 * reader's own has two ends, `2026-11-22T10:00Z..2026-11-23T10:00Z`, and what has passed does not change any more.
 */
import type { Bucket } from "millrace/admin-api"

export const ranges = ["start", "15m", "1h", "24h", "7d", "30d"] as const

export type Preset = (typeof ranges)[number]

/** From one time to another, the second one not included. */
export type Span = `${string}..${string}`

export type Range = Preset | Span

export const rangeLabels: Record<Preset, string> = {
  start: "Since start",
  "15m": "15 min",
  "1h": "1 h",
  "24h": "24 h",
  "7d": "7 d",
  "30d": "30 d"
}

export interface Window {
  readonly fromMs: number
  /** The end, not included; null for one that grows with the time. */
  readonly toMs: number | null
  readonly nowMs: number
  readonly bucket: Bucket
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

export const bucketMs: Record<Bucket, number> = { minute: minuteMs, hour: hourMs, day: dayMs }

const presets: Record<Exclude<Preset, "start">, { readonly bucket: Bucket; readonly buckets: number }> = {
  "15m": { bucket: "minute", buckets: 15 },
  "1h": { bucket: "minute", buckets: 60 },
  "24h": { bucket: "hour", buckets: 24 },
  "7d": { bucket: "hour", buckets: 168 },
  "30d": { bucket: "day", buckets: 30 }
}

/** At most this many minutes, or hours, are drawn one by one. */
const longestByMinute = 6 * hourMs
const longestByHour = 8 * dayMs

const bucketFor = (lengthMs: number): Bucket =>
  lengthMs <= longestByMinute ? "minute" : lengthMs <= longestByHour ? "hour" : "day"

const isPreset = (range: Range): range is Preset => ranges.some((preset) => preset === range)

/** The ends of a range of the reader's own; null for a preset. */
export const spanOf = (range: Range): { readonly fromMs: number; readonly toMs: number } | null => {
  if (isPreset(range)) return null
  const [fromMs = Number.NaN, toMs = Number.NaN] = range.split("..").map((end) => Date.parse(end))
  return fromMs < toMs ? { fromMs, toMs } : null
}

/** A range of the reader's own; its ends are cut to whole seconds. */
export const makeSpan = (fromMs: number, toMs: number): Span => `${isoSecond(fromMs)}..${isoSecond(toMs)}`

const isoSecond = (epochMs: number) => new Date(epochMs).toISOString().replace(/(:00)?\.\d+Z$/, "Z")

/** A range in the address of a page: a preset, or a span that makes sense. */
export const rangeParam = (fallback: Preset) => ({
  fallback: fallback as Range,
  parse: (text: string): Range =>
    ranges.find((preset) => preset === text) ?? (spanOf(text as Range) === null ? fallback : (text as Span))
})

/** The window of a range at a moment; `uptimeMs` is how long the gateway runs. */
export const windowOf = (range: Range, nowMs: number, uptimeMs: number): Window => {
  if (range === "start") {
    return { fromMs: Math.floor(nowMs - uptimeMs) - 1000, toMs: null, nowMs, bucket: bucketFor(uptimeMs) }
  }
  if (isPreset(range)) {
    const { bucket, buckets } = presets[range]
    return { fromMs: bucketStart(nowMs, bucket) - (buckets - 1) * bucketMs[bucket], toMs: null, nowMs, bucket }
  }
  const { fromMs, toMs } = spanOf(range) ?? { fromMs: nowMs - dayMs, toMs: nowMs }
  return { fromMs, toMs, nowMs, bucket: bucketFor(toMs - fromMs) }
}

/** Where the figures of a window end: its end, or now. */
export const windowEnd = ({ toMs, nowMs }: Window): number => Math.min(toMs ?? nowMs, nowMs)

/** True when nothing can be added to a window any more. */
export const isPast = ({ toMs, nowMs }: Window): boolean => toMs !== null && toMs <= nowMs

/** As much time, right before a window. */
export const previousOf = (window: Window): Window => {
  const lengthMs = Math.max(windowEnd(window) - window.fromMs, bucketMs.minute)
  return { ...window, fromMs: window.fromMs - lengthMs, toMs: window.fromMs }
}

/** The beginning of the bucket that holds a moment. */
export const bucketStart = (epochMs: number, bucket: Bucket): number =>
  Math.floor(epochMs / bucketMs[bucket]) * bucketMs[bucket]

/** A gateway that has just started gets a chart of this many buckets, those before its start empty. */
const fewestBuckets = 15

/** The beginnings of all buckets to draw, an unfinished last one included. */
export const bucketStarts = (window: Window): ReadonlyArray<number> => {
  const { bucket, fromMs, toMs } = window
  const widthMs = bucketMs[bucket]
  const lastMs = bucketStart(toMs === null ? window.nowMs : Math.max(windowEnd(window) - 1, fromMs), bucket)
  const firstMs =
    toMs === null
      ? Math.min(bucketStart(fromMs, bucket), lastMs - (fewestBuckets - 1) * widthMs)
      : bucketStart(fromMs, bucket)
  return Array.from({ length: (lastMs - firstMs) / widthMs + 1 }, (_, index) => firstMs + index * widthMs)
}

/** How often figures of a window are read again. */
export const refreshMs: Record<Bucket, number> = { minute: 2_000, hour: 10_000, day: 60_000 }
