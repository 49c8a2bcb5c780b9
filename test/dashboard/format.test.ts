import { describe, expect, it } from "vitest"
import { bytes, count, duration, ratio, roughCount, share, text, usd } from "../../dashboard/lib/format.ts"

const each = (format: (figure: number) => { readonly value: string; readonly unit: string }, figures: object) => {
  for (const [figure, expected] of Object.entries(figures)) expect(text(format(Number(figure))), figure).toBe(expected)
}

describe("figures", () => {
  it("show a gap where there is no figure, and a zero where there is one", () => {
    for (const format of [bytes, count, duration, roughCount, share, usd]) {
      for (const missing of [null, undefined, Number.NaN]) expect(format(missing)).toEqual({ value: "–", unit: "" })
      expect(format(0).value).not.toBe("–")
    }
    expect(ratio(1, 0)).toBeNull()
    expect(ratio(null, 4)).toBeNull()
    expect(ratio(1, 4)).toBe(0.25)
  })

  it("round a count into the next unit instead of writing a thousand of the smaller one", () => {
    each(count, { 7: "7", 99999: "99,999", 100000: "100.0k", 999949: "999.9k", 999951: "1.00M", 1.5e9: "1.50G" })
    each(roughCount, { 600: "600", 9999: "9,999", 10000: "10k", 41200: "41.2k", 999960: "1M", 2e6: "2M" })
  })

  it("never round a share up to all or down to none", () => {
    each(share, { 0: "0 %", 1: "100 %", 0.5: "50.0 %", 0.99999: "99.99 %", 0.00001: "0.1 %", 0.9991: "99.91 %" })
  })

  it("give a duration the unit that fits", () => {
    each(duration, {
      0: "<1 ms",
      0.42: "0.42 ms",
      1.5: "1.5 ms",
      312.4: "312 ms",
      999.7: "1.00 s",
      2410: "2.41 s",
      59990: "60.0 s"
    })
    each(duration, { 192e3: "3 min 12 s", 120e3: "2 min", 14820e3: "4 h 7 min", 183600e3: "2 d 3 h" })
  })

  it("never show a price as nothing", () => {
    each(usd, { 0: "$0", 0.0000012: "$0.0000012", 0.00042: "$0.00042", 0.124: "$0.124", 12.4: "$12.40" })
    each(usd, { 99999: "$99,999.00", 250000: "$0.25M" })
  })

  it("give sizes in decimal units", () => {
    each(bytes, { 999: "999 B", 1750: "1.8 kB", 1482300: "1.5 MB", 3e9: "3.0 GB" })
  })
})
