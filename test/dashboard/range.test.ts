import { describe, expect, it } from "vitest"
import {
  bucketStarts,
  makeSpan,
  previousOf,
  rangeParam,
  spanOf,
  windowOf
} from "../../dashboard/features/usage/range.ts"

const now = Date.UTC(2026, 10, 22, 14, 37, 20)
const hourMs = 3_600_000

describe("windowOf", () => {
  it("begins at the start of a bucket, so that no drawn bucket is cut off at the left", () => {
    expect(windowOf("1h", now, 0)).toEqual({
      fromMs: Date.UTC(2026, 10, 22, 13, 38),
      toMs: null,
      nowMs: now,
      bucket: "minute"
    })
    expect(windowOf("24h", now, 0)).toEqual({
      fromMs: Date.UTC(2026, 10, 21, 15),
      toMs: null,
      nowMs: now,
      bucket: "hour"
    })
    expect(windowOf("30d", now, 0)).toEqual({ fromMs: Date.UTC(2026, 9, 24), toMs: null, nowMs: now, bucket: "day" })
  })

  it("covers the whole life of the gateway since its start, in buckets that stay countable", () => {
    expect(windowOf("start", now, 90_000).fromMs).toBeLessThanOrEqual(now - 90_000)
    expect(windowOf("start", now, hourMs).bucket).toBe("minute")
    expect(windowOf("start", now, 48 * hourMs).bucket).toBe("hour")
    expect(windowOf("start", now, 90 * 24 * hourMs).bucket).toBe("day")
  })
})

describe("bucketStarts", () => {
  it("lists every bucket up to the unfinished one", () => {
    const starts = bucketStarts(windowOf("24h", now, 0))
    expect(starts).toHaveLength(24)
    expect(starts[23]).toBe(Date.UTC(2026, 10, 22, 14))
    expect(new Set(starts.map((start, index) => start - index * hourMs)).size).toBe(1)
  })

  it("gives a gateway that has just started a chart of fifteen buckets", () => {
    expect(bucketStarts(windowOf("start", now, 5000))).toHaveLength(15)
  })
})

describe("a range of the reader's own", () => {
  const span = makeSpan(Date.UTC(2026, 10, 20, 10), Date.UTC(2026, 10, 20, 12, 30))

  it("is read back from the address as it was written", () => {
    expect(span).toBe("2026-11-20T10:00Z..2026-11-20T12:30Z")
    expect(rangeParam("24h").parse(span)).toBe(span)
    expect(spanOf(span)).toEqual({ fromMs: Date.UTC(2026, 10, 20, 10), toMs: Date.UTC(2026, 10, 20, 12, 30) })
    expect(spanOf(makeSpan(now, now + 1000))).toEqual({ fromMs: now, toMs: now + 1000 })
  })

  it.each(["", "..", "yesterday", "2026-11-20..", "2026-11-21..2026-11-20", "2026-11-20..2026-11-20"])(
    "counts as absent when it makes no sense: %j",
    (text) => {
      expect(rangeParam("24h").parse(text)).toBe("24h")
    }
  )

  it("has the buckets between its ends and no others", () => {
    const window = windowOf(span, now, 0)
    expect(window.bucket).toBe("minute")
    const starts = bucketStarts(window)
    expect(starts).toHaveLength(150)
    expect(starts.at(-1)).toBe(Date.UTC(2026, 10, 20, 12, 29))
  })

  it("draws no future: an end that lies ahead is now", () => {
    const starts = bucketStarts(windowOf(makeSpan(now - hourMs, now + 48 * hourMs), now, 0))
    expect(starts.at(-1)).toBe(Date.UTC(2026, 10, 22, 14))
  })
})

describe("previousOf", () => {
  it("is as long as what has passed of the window, and ends where it begins", () => {
    for (const range of ["15m", "24h", "30d"] as const) {
      const window = windowOf(range, now, 0)
      const before = previousOf(window)
      expect(before.toMs).toBe(window.fromMs)
      expect(window.fromMs - before.fromMs).toBe(now - window.fromMs)
    }
  })
})
