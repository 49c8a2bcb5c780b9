/**
 * Money is exact to the picodollar, whatever is summed and however often it is written down and read.
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Money from "../../engine/src/Money.ts"

const { decimal, decimalOf, MoneySum, picosOf, picosPerUsd, sumUsd, usdOf } = Money

/** Amounts of one call: up to 8,192 $, of either sign. */
const amount = fc.bigInt({ min: -8192n * 10n ** 12n, max: 8192n * 10n ** 12n })
const anyAmount = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })

describe("picodollars", () => {
  it("come back from the dollars they were made into, up to 8,192 $", () => {
    fc.assert(
      fc.property(amount, (picos) => {
        expect(picosOf(usdOf(picos))).toBe(picos)
      }),
      { numRuns: 2000 }
    )
  })

  it("are the nearest ones to any dollars", () => {
    fc.assert(
      fc.property(fc.double({ min: -1e15, max: 1e15, noNaN: true }), (usd) => {
        const back = usdOf(picosOf(usd))
        expect(Math.abs(back - usd)).toBeLessThanOrEqual(0.5 / picosPerUsd + Math.abs(usd) * Number.EPSILON)
      })
    )
  })

  it("make the dollars nearest to them, past the integers of a double too", () => {
    fc.assert(
      fc.property(anyAmount, (picos) => {
        const usd = usdOf(picos)
        expect(usd).toBe(Number(decimalOf(picos)))
        if (Number.isSafeInteger(Number(picos))) expect(usdOf(Number(picos))).toBe(usd)
      })
    )
    expect(usdOf(123_456_789_012_345_678_901n)).toBe(123_456_789.012_345_67)
  })

  it("are never made from what is no amount", () => {
    for (const usd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(() => picosOf(usd)).toThrow(RangeError)
    }
  })
})

describe("a sum", () => {
  it("is that of a bookkeeper, in any order", () => {
    fc.assert(
      fc.property(fc.array(amount, { maxLength: 50 }), (amounts) => {
        const exact = amounts.reduce((sum, picos) => sum + picos, 0n)
        const sum = new MoneySum()
        for (const picos of amounts) sum.add(usdOf(picos))
        expect(sum.picos).toBe(exact)
        expect(sum.usd).toBe(usdOf(exact))
        expect(sumUsd(amounts.toReversed().map(usdOf))).toBe(usdOf(exact))
      })
    )
  })

  it("loses nothing where doubles would: a picodollar beside a million dollars, a tenth ten times", () => {
    const sum = new MoneySum()
    sum.addPicos(picosOf(1e6))
    sum.add(1e-12)
    expect(sum.picos).toBe(1_000_000_000_000_000_001n)
    expect(sumUsd(Array.from({ length: 10 }, () => 0.1))).toBe(1)
    const many = new MoneySum()
    for (let i = 0; i < 20_000; i++) many.add(1234.567890123456)
    expect(many.picos).toBe(20_000n * 1_234_567_890_123_456n)
  })

  it("passes over amounts that are not there", () => {
    expect(sumUsd([null, 0.25, undefined])).toBe(0.25)
    expect(sumUsd([])).toBe(0)
  })
})

describe("decimal text", () => {
  it("is exact and without an exponent", () => {
    fc.assert(
      fc.property(anyAmount, (picos) => {
        const text = decimalOf(picos)
        expect(text).toMatch(/^-?\d+(\.\d{0,11}[1-9])?$/)
        const [whole = "", rest = ""] = text.replace("-", "").split(".")
        const read = BigInt(whole) * 10n ** 12n + BigInt(rest.padEnd(12, "0"))
        expect(text.startsWith("-") ? -read : read).toBe(picos)
      })
    )
  })

  it("of dollars is that of their picodollars", () => {
    fc.assert(
      fc.property(amount, (picos) => {
        expect(decimal(usdOf(picos))).toBe(decimalOf(picos))
      }),
      { numRuns: 1000 }
    )
  })

  it.each([
    [0, "0"],
    [-0, "0"],
    [1e-12, "0.000000000001"],
    [-4e-13, "0"],
    [0.1 + 0.2, "0.3"],
    [100, "100"],
    [1e21, "1000000000000000000000"],
    [-0.0105, "-0.0105"]
  ])("writes %d as %s", (usd, text) => {
    expect(decimal(usd)).toBe(text)
  })
})
