import { describe, expect, it } from "vitest"
import { retryAfterMs } from "../../../engine/src/protocols/RetryAfter.ts"

const date = "Thu, 01 Jan 2026 00:00:00 GMT"
const later = "Thu, 01 Jan 2026 00:00:30 GMT"

describe("retryAfterMs", () => {
  it("takes retry-after-ms before retry-after", () => {
    expect(retryAfterMs({ "retry-after-ms": "5120", "retry-after": "6" }, undefined)).toBe(5120)
    expect(retryAfterMs({ "retry-after-ms": "0", "retry-after": "1" }, undefined)).toBe(0)
  })

  it("reads retry-after as seconds, with fractions, and the first of a repeated header", () => {
    expect(retryAfterMs({ "retry-after": "17" }, undefined)).toBe(17_000)
    expect(retryAfterMs({ "retry-after": " 1.5 " }, undefined)).toBe(1500)
    expect(retryAfterMs({ "retry-after": "5, 7" }, undefined)).toBe(5000)
  })

  it("counts an HTTP date from the answer's own date, so that clocks need not agree", () => {
    expect(retryAfterMs({ "retry-after": later, date }, undefined, Date.parse("2031-05-05"))).toBe(30_000)
  })

  it("counts an HTTP date from the given time when the answer has no date", () => {
    expect(retryAfterMs({ "retry-after": later }, undefined, Date.parse(date) + 10_000)).toBe(20_000)
    expect(retryAfterMs({ "retry-after": later }, undefined)).toBeUndefined()
  })

  it("is 0 for a date that has passed", () => {
    expect(retryAfterMs({ "retry-after": date, date: later }, undefined)).toBe(0)
  })

  it("reads Google's RetryInfo from the body, in an array envelope as well", () => {
    const error = {
      details: [{ "@type": "x/google.rpc.Help" }, { "@type": "x/google.rpc.RetryInfo", retryDelay: "12.5s" }]
    }
    expect(retryAfterMs({}, { error })).toBe(12_500)
    expect(retryAfterMs({}, [{ error }])).toBe(12_500)
    expect(retryAfterMs({}, { error: { details: [{ retryDelay: { seconds: "2", nanos: 5e8 } }] } })).toBe(2500)
  })

  it("is undefined for nonsense and never reads a number as a date", () => {
    for (const value of ["", "soon", "-5", "NaN", "Infinity", "1e9", "5 5", "0x10", "2026-01-01", "tomorrow"]) {
      expect(retryAfterMs({ "retry-after": value }, undefined, 0), value).toBeUndefined()
    }
    for (const body of [null, 1, "x", [], { error: [] }, { error: { details: [null, 1, { retryDelay: "1h" }] } }]) {
      expect(retryAfterMs({}, body)).toBeUndefined()
    }
  })
})
