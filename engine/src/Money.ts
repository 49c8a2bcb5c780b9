/**
 * Exact money: dollars as whole picodollars (10⁻¹² $).
 *
 * A price of six decimals per million tokens is a whole number of picodollars a token, so costs are whole picodollars
 * too. Where one amount is shown or passed on it is a number of dollars; where amounts are stored or summed they are
 * `bigint`, which no sum outgrows. Dollars of up to 8,192 give back the picodollars they were made from; larger ones
 * are as exact as their double. Never guesses: what is no finite number of dollars throws.
 */

/** Picodollars in a dollar. */
export const picosPerUsd = 1_000_000_000_000

/** Dollars as the nearest whole picodollars; throws a `RangeError` for what is not finite. */
export const picosOf = (usd: number): bigint => {
  const whole = Math.trunc(usd)
  if (!Number.isFinite(whole)) throw new RangeError("expected a finite number of dollars")
  // Both parts are exact, and so is their product but for a ten-thousandth of a picodollar.
  const rest = BigInt(Math.round((usd - whole) * picosPerUsd))
  return whole === 0 ? rest : BigInt(whole) * BigInt(picosPerUsd) + rest
}

/** Picodollars as the nearest dollars. */
export const usdOf = (picos: bigint | number): number => {
  if (Number.isSafeInteger(picos)) return (picos as number) / picosPerUsd
  return Number(decimalOf(BigInt(picos)))
}

/** A sum of amounts in which nothing is rounded but each amount to its picodollars. */
export class MoneySum {
  private low = 0
  private high = 0n

  /** Adds dollars; nothing for what has no price. */
  add(usd: number | null | undefined): void {
    if (usd === null || usd === undefined) return
    const picos = Math.round(usd * picosPerUsd)
    // Below 2^51 the product is off by less than a half; the rest takes the long way.
    if (Math.abs(picos) < 2 ** 51 && Math.abs(this.low) < 2 ** 52) this.low += picos
    else this.addPicos(picosOf(usd))
  }

  /** Adds whole picodollars of at most 2^52. */
  addWhole(picos: number): void {
    if (Math.abs(this.low) < 2 ** 52) this.low += picos
    else this.addPicos(BigInt(picos))
  }

  merge({ high, low }: MoneySum): void {
    if (high !== 0n) this.high += high
    if (Math.abs(this.low + low) < 2 ** 52) this.low += low
    else this.addPicos(BigInt(low))
  }

  addPicos(picos: bigint): void {
    this.high += picos + BigInt(this.low)
    this.low = 0
  }

  get picos(): bigint {
    return this.high + BigInt(this.low)
  }

  /** The nearest dollars. */
  get usd(): number {
    return this.high === 0n ? this.low / picosPerUsd : usdOf(this.picos)
  }
}

/** The sum of dollar amounts, rounded once. */
export const sumUsd = (amounts: Iterable<number | null | undefined>): number => {
  const sum = new MoneySum()
  for (const usd of amounts) sum.add(usd)
  return sum.usd
}

/** Dollars as decimal text without an exponent, to the picodollar and without trailing zeros. */
export const decimal = (usd: number): string => {
  if (Math.abs(usd) >= 1e6) return decimalOf(picosOf(usd))
  const text = usd.toFixed(12).replace(/\.?0+$/, "")
  return text === "-0" ? "0" : text
}

/** Picodollars as decimal text in dollars, exact. */
export const decimalOf = (picos: bigint): string => {
  const sign = picos < 0n ? "-" : ""
  const digits = (picos < 0n ? -picos : picos).toString().padStart(13, "0")
  return `${sign}${digits.slice(0, -12)}.${digits.slice(-12)}`.replace(/\.?0+$/, "")
}
