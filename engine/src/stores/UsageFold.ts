/**
 * The sum of many encoded cells, made without an object for any of them: what an answer over thousands of points costs.
 *
 * Cells are added, or taken away again, in any order with the same result; one fold serves point after point of an answer,
 * cleared between them, and is itself added to the fold of the totals. Money is two numbers, each of which is exact, and
 * becomes a `bigint` only where dollars need more digits than a number has. It never forgets a picodollar.
 */
import type { UsagePoint, UsageRow } from "../AdminUsageAnswers.ts"
import { type MoneySum, picosPerUsd, usdOf } from "../Money.ts"
import { moneyHalf, type UsageCell } from "./UsageCell.ts"
import { shownOf, type UsageSketch } from "./UsageSketch.ts"

export class UsageFold {
  requests = 0
  private errors = 0
  private cacheHits = 0
  private promptTokens = 0
  private completionTokens = 0
  private cachedTokens = 0
  private reasoningTokens = 0
  private unpriced = 0
  private savedTokens = 0
  private readonly cost = new Picos()
  private readonly saved = new Picos()
  private readonly providerCacheSaved = new Picos()
  private readonly latencyMs = new Spread()
  private readonly ttftMs = new Spread()

  /** Adds the cell that `UsageCell.encode` made these bytes of. */
  addEncoded(bytes: Uint8Array): void {
    source = bytes
    next = 0
    this.requests += number()
    this.errors += number()
    this.cacheHits += number()
    this.promptTokens += number()
    this.completionTokens += number()
    this.cachedTokens += number()
    this.reasoningTokens += number()
    this.unpriced += number()
    this.savedTokens += number()
    this.cost.add(number(), number())
    this.saved.add(number(), number())
    const signed = number()
    const high = Math.floor(signed / 2)
    if (signed % 2 === 0) this.providerCacheSaved.add(high, number())
    else this.providerCacheSaved.add(-high, -number())
    this.latencyMs.addEncoded()
    this.ttftMs.addEncoded()
  }

  /** Adds a cell, or takes it away with a `sign` of -1. */
  addCell(cell: UsageCell, sign: 1 | -1): void {
    this.requests += sign * cell.requests
    this.errors += sign * cell.errors
    this.cacheHits += sign * cell.cacheHits
    this.promptTokens += sign * cell.promptTokens
    this.completionTokens += sign * cell.completionTokens
    this.cachedTokens += sign * cell.cachedTokens
    this.reasoningTokens += sign * cell.reasoningTokens
    this.unpriced += sign * cell.unpriced
    this.savedTokens += sign * cell.savedTokens
    this.cost.addSum(cell.cost, sign)
    this.saved.addSum(cell.saved, sign)
    this.providerCacheSaved.addSum(cell.providerCacheSaved, sign)
    this.latencyMs.addSketch(cell.latencyMs, sign)
    this.ttftMs.addSketch(cell.ttftMs, sign)
  }

  addFold(other: UsageFold): void {
    this.requests += other.requests
    this.errors += other.errors
    this.cacheHits += other.cacheHits
    this.promptTokens += other.promptTokens
    this.completionTokens += other.completionTokens
    this.cachedTokens += other.cachedTokens
    this.reasoningTokens += other.reasoningTokens
    this.unpriced += other.unpriced
    this.savedTokens += other.savedTokens
    this.cost.add(other.cost.high, other.cost.low)
    this.saved.add(other.saved.high, other.saved.low)
    this.providerCacheSaved.add(other.providerCacheSaved.high, other.providerCacheSaved.low)
    this.latencyMs.addSpread(other.latencyMs)
    this.ttftMs.addSpread(other.ttftMs)
  }

  /** Makes it the sum of nothing. */
  clear(): void {
    this.requests = 0
    this.errors = 0
    this.cacheHits = 0
    this.promptTokens = 0
    this.completionTokens = 0
    this.cachedTokens = 0
    this.reasoningTokens = 0
    this.unpriced = 0
    this.savedTokens = 0
    this.cost.clear()
    this.saved.clear()
    this.providerCacheSaved.clear()
    this.latencyMs.clear()
    this.ttftMs.clear()
  }

  point(start: string, group: string | null): UsagePoint {
    const { cost, latencyMs, providerCacheSaved, saved, ttftMs } = this
    return {
      start,
      group,
      requests: this.requests,
      errors: this.errors,
      cacheHits: this.cacheHits,
      promptTokens: this.promptTokens,
      completionTokens: this.completionTokens,
      cachedTokens: this.cachedTokens,
      reasoningTokens: this.reasoningTokens,
      costUsd: cost.usd,
      unpriced: this.unpriced,
      savedUsd: saved.usd,
      savedTokens: this.savedTokens,
      providerCacheSavedUsd: providerCacheSaved.usd,
      latencyMsP50: latencyMs.percentile(50),
      latencyMsP95: latencyMs.percentile(95),
      ttftMsP50: ttftMs.percentile(50),
      ttftMsP95: ttftMs.percentile(95)
    }
  }

  row(): UsageRow {
    const { group: _, start: __, ...row } = this.point("", null)
    return row
  }
}

let source: Uint8Array = new Uint8Array(0)
let next = 0

/** The next number of `source`. */
const number = (): number => {
  let byte = source[next++]!
  if (byte < 128) return byte
  let value = byte & 127
  let factor = 128
  do {
    byte = source[next++]!
    value += (byte & 127) * factor
    factor *= 128
  } while (byte >= 128)
  return value
}

const bigHalf = BigInt(moneyHalf)

/** Whole picodollars: `high` times 2^40, and `low`, whose amount is less than that. */
class Picos {
  high = 0
  low = 0

  add(high: number, low: number): void {
    this.high += high
    this.low += low
    if (this.low >= moneyHalf) {
      this.high += 1
      this.low -= moneyHalf
    } else if (this.low <= -moneyHalf) {
      this.high -= 1
      this.low += moneyHalf
    }
  }

  addSum({ picos }: MoneySum, sign: 1 | -1): void {
    this.add(sign * Number(picos / bigHalf), sign * Number(picos % bigHalf))
  }

  clear(): void {
    this.high = 0
    this.low = 0
  }

  /** The nearest dollars. */
  get usd(): number {
    const whole = this.high * moneyHalf + this.low
    return Number.isSafeInteger(whole) ? whole / picosPerUsd : usdOf(BigInt(this.high) * bigHalf + BigInt(this.low))
  }
}

/** Counts of durations by bucket, as in `UsageSketch`, in one array whose filled part is known. */
class Spread {
  private counts = new Float64Array(1024)
  private zeros = 0
  private size = 0
  private first = Number.MAX_SAFE_INTEGER
  private last = -1

  /** Adds the sketch that is next in `source`. */
  addEncoded(): void {
    const zeros = number()
    let size = zeros
    let index = 0
    let { counts } = this
    let left = number()
    if (left > 0) {
      index = number()
      if (index < this.first) this.first = index
      for (;;) {
        if (index >= counts.length) counts = this.grow(index)
        const count = number()
        counts[index]! += count
        size += count
        if (--left === 0) break
        index += number()
      }
      if (index > this.last) this.last = index
    }
    this.zeros += zeros
    this.size += size
  }

  addSketch({ counts, first, zeros }: UsageSketch, sign: 1 | -1): void {
    this.zeros += sign * zeros
    this.size += sign * zeros
    for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) this.count(first + i, sign * counts[i]!)
  }

  addSpread({ counts: more, first, last, size, zeros }: Spread): void {
    this.zeros += zeros
    this.size += size
    if (last < 0) return
    const counts = last < this.counts.length ? this.counts : this.grow(last)
    for (let i = first; i <= last; i++) counts[i]! += more[i]!
    if (first < this.first) this.first = first
    if (last > this.last) this.last = last
  }

  clear(): void {
    if (this.last >= 0) this.counts.fill(0, this.first, this.last + 1)
    this.zeros = 0
    this.size = 0
    this.first = Number.MAX_SAFE_INTEGER
    this.last = -1
  }

  /** As that of `UsageSketch`. */
  percentile(percent: number): number | null {
    const { counts, last, size } = this
    if (size === 0) return null
    let left = Math.ceil((size * percent) / 100) - this.zeros
    if (left <= 0) return 0
    for (let i = this.first; i <= last; i++) {
      left -= counts[i]!
      if (left <= 0) return shownOf(i)
    }
    return shownOf(last)
  }

  private count(index: number, count: number): void {
    if (index >= this.counts.length) this.grow(index)
    this.counts[index]! += count
    this.size += count
    if (index < this.first) this.first = index
    if (index > this.last) this.last = index
  }

  private grow(index: number): Float64Array<ArrayBuffer> {
    const larger = new Float64Array(2 * index)
    larger.set(this.counts)
    return (this.counts = larger)
  }
}
