/**
 * Figures as people read them: always with their unit, and a missing figure is a gap, never a zero.
 *
 * A quantity keeps value and unit apart, so that a card can set the unit smaller; `text` joins them for tables.
 */

/** A formatted figure; `unit` is empty for plain counts. */
export interface Quantity {
  readonly value: string
  readonly unit: string
}

/** What stands in the place of a figure that does not exist. */
export const gap: Quantity = { value: "–", unit: "" }

type Figure = number | null | undefined

const missing = (figure: Figure): figure is null | undefined =>
  figure === null || figure === undefined || !Number.isFinite(figure)

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 })
const digits = (fraction: number) =>
  new Intl.NumberFormat("en-US", { minimumFractionDigits: fraction, maximumFractionDigits: fraction })
const oneDigit = digits(1)
const twoDigits = digits(2)
const threeDigits = digits(3)
const significant = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 2, maximumFractionDigits: 12 })

/** Value and unit in one string: `312 ms`. */
export const text = (quantity: Quantity): string =>
  quantity.unit === "" ? quantity.value : `${quantity.value} ${quantity.unit}`

/** A count: exact up to 99,999, then with k, M or G. */
export const count = (figure: Figure): Quantity => {
  if (missing(figure)) return gap
  const size = Math.abs(figure)
  if (size < 99_999.5) return { value: whole.format(figure), unit: "" }
  if (size < 999_950) return { value: `${oneDigit.format(figure / 1e3)}k`, unit: "" }
  if (size < 999_995_000) return { value: `${twoDigits.format(figure / 1e6)}M`, unit: "" }
  return { value: `${twoDigits.format(figure / 1e9)}G`, unit: "" }
}

/** A count in few characters: `8`, `41.2k`, `90k`. */
export const roughCount = (figure: Figure): Quantity => {
  if (missing(figure) || Math.abs(figure) < 9_999.5) return count(figure)
  const size = Math.abs(figure)
  const [divisor, prefix] = size < 999_950 ? [1e3, "k"] : size < 999_950_000 ? [1e6, "M"] : [1e9, "G"]
  return { value: `${trimmed(oneDigit.format(figure / divisor))}${prefix}`, unit: "" }
}

/** A count with every digit. */
export const exactCount = (figure: Figure): string => (missing(figure) ? gap.value : whole.format(figure))

/** A share from 0 to 1 as per cent; never rounds up to 100 or down to 0. */
export const share = (figure: Figure): Quantity => {
  if (missing(figure)) return gap
  if (figure === 0 || figure === 1) return { value: whole.format(figure * 100), unit: "%" }
  const percent = Math.min(Math.max(figure * 100, 0.1), 99.99)
  return { value: percent >= 99.9 ? twoDigits.format(percent) : oneDigit.format(percent), unit: "%" }
}

/**
 * A duration given in milliseconds, in the unit that fits: `0.42 ms`, `312 ms`, `2.41 s`, `3 min 12 s`, `4 h 7 min`. Clocks
 * that count whole milliseconds say 0 for what was shorter.
 */
export const duration = (ms: Figure): Quantity => {
  if (missing(ms)) return gap
  if (ms === 0) return { value: "<1", unit: "ms" }
  if (ms > 0 && ms < 10) return { value: trimmed(twoDigits.format(ms)), unit: "ms" }
  if (ms < 999.5) return { value: whole.format(ms), unit: "ms" }
  if (ms < 59_995) return { value: ms < 9_995 ? twoDigits.format(ms / 1000) : oneDigit.format(ms / 1000), unit: "s" }
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return pair(Math.floor(seconds / 60), "min", seconds % 60, "s")
  const minutes = Math.round(seconds / 60)
  if (minutes < 1440) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min")
  const hours = Math.round(minutes / 60)
  return pair(Math.floor(hours / 24), "d", hours % 24, "h")
}

/** The time until something, in whole seconds below a minute: `8 s`, `3 min 12 s`. */
export const timeLeft = (ms: Figure): Quantity =>
  missing(ms) || ms > 59_000 ? duration(ms) : { value: whole.format(Math.max(0, Math.ceil(ms / 1000))), unit: "s" }

/** How often something happens: `7.2 per s`. */
export const perSecond = (figure: Figure): Quantity => {
  if (missing(figure)) return gap
  return { value: figure < 100 ? trimmed(oneDigit.format(figure)) : count(figure).value, unit: "per s" }
}

/** Dollars; small sums keep two significant digits, so that a price of a call is never shown as nothing. */
export const usd = (figure: Figure): Quantity => {
  if (missing(figure)) return gap
  const sign = figure < 0 ? "−" : ""
  const size = Math.abs(figure)
  if (size === 0) return { value: "$0", unit: "" }
  if (size < 0.01) return { value: `${sign}$${significant.format(size)}`, unit: "" }
  if (size < 1) return { value: `${sign}$${threeDigits.format(size)}`, unit: "" }
  if (size < 100_000) return { value: `${sign}$${twoDigits.format(size)}`, unit: "" }
  return { value: `${sign}$${twoDigits.format(size / 1e6)}M`, unit: "" }
}

/** A size in bytes. */
export const bytes = (figure: Figure): Quantity => {
  if (missing(figure)) return gap
  if (figure < 1000) return { value: whole.format(figure), unit: "B" }
  if (figure < 1e6) return { value: oneDigit.format(figure / 1e3), unit: "kB" }
  if (figure < 1e9) return { value: oneDigit.format(figure / 1e6), unit: "MB" }
  return { value: oneDigit.format(figure / 1e9), unit: "GB" }
}

/** A quotient, or a gap where there is nothing to divide by. */
export const ratio = (part: Figure, total: Figure): number | null =>
  missing(part) || missing(total) || total === 0 ? null : part / total

const trimmed = (value: string) => value.replace(/\.?0+$/, "")

const pair = (large: number, largeUnit: string, small: number, smallUnit: string): Quantity =>
  small === 0 ? { value: String(large), unit: largeUnit } : { value: `${large} ${largeUnit} ${small}`, unit: smallUnit }
