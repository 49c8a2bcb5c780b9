import { describe, expect, it } from "vitest"
import { bucketStarts, windowOf } from "../../dashboard/features/usage/range.ts"

const now = Date.UTC(2026, 10, 22, 14, 37, 20)
const hourMs = 3_600_000

describe("windowOf", () => {
  it("begins at the start of a bucket, so that no drawn bucket is cut off at the left", () => {
    expect(windowOf("1h", now, 0)).toEqual({ fromMs: Date.UTC(2026, 10, 22, 13, 38), nowMs: now, bucket: "minute" })
    expect(windowOf("24h", now, 0)).toEqual({ fromMs: Date.UTC(2026, 10, 21, 15), nowMs: now, bucket: "hour" })
    expect(windowOf("30d", now, 0)).toEqual({ fromMs: Date.UTC(2026, 9, 24), nowMs: now, bucket: "day" })
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
