/**
 * The figures of a set of usage records: sums that are exact and percentiles that can be added up.
 *
 * A cell is made of records or of other cells, in any order with the same result, and is written as few bytes: whole
 * numbers of seven bits a byte, durations as the counts of their histogram. It never forgets a picodollar.
 */
import type { UsageRow } from "../AdminAnswers.ts"
import { servedByCache } from "../CacheKinds.ts"
import { MoneySum } from "../Money.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { UsageSketch } from "./UsageSketch.ts"

/** What of a record goes into the sums. */
export type UsageFigures = Pick<
  UsageRecord,
  | "timeMs"
  | "status"
  | "cache"
  | "uncachedInput"
  | "cacheReadInput"
  | "cacheWriteInput"
  | "output"
  | "reasoning"
  | "costUsd"
  | "unpricedReason"
  | "savedUsd"
  | "savedTokens"
  | "providerCacheSavedUsd"
  | "latencyMs"
  | "ttftMs"
>

/** True for a record that used tokens and has no price. */
export const isUnpriced = (
  figures: Pick<UsageFigures, "unpricedReason" | "uncachedInput" | "cacheReadInput" | "cacheWriteInput" | "output">
): boolean =>
  figures.unpricedReason !== null &&
  figures.uncachedInput + figures.cacheReadInput + figures.cacheWriteInput + figures.output > 0

export class UsageCell {
  requests = 0
  errors = 0
  cacheHits = 0
  promptTokens = 0
  completionTokens = 0
  cachedTokens = 0
  reasoningTokens = 0
  unpriced = 0
  savedTokens = 0
  readonly cost = new MoneySum()
  readonly saved = new MoneySum()
  /** May be negative. */
  readonly providerCacheSaved = new MoneySum()
  readonly latencyMs = new UsageSketch()
  readonly ttftMs = new UsageSketch()

  add(figures: UsageFigures): void {
    this.requests += 1
    if (figures.status === "error") this.errors += 1
    if (servedByCache(figures.cache)) this.cacheHits += 1
    this.promptTokens += figures.uncachedInput + figures.cacheReadInput + figures.cacheWriteInput
    this.completionTokens += figures.output
    this.cachedTokens += figures.cacheReadInput
    this.reasoningTokens += figures.reasoning
    this.cost.add(figures.costUsd)
    if (isUnpriced(figures)) this.unpriced += 1
    this.saved.add(figures.savedUsd)
    this.savedTokens += figures.savedTokens
    this.providerCacheSaved.add(figures.providerCacheSavedUsd)
    if (figures.latencyMs !== null) this.latencyMs.add(figures.latencyMs)
    if (figures.ttftMs !== null) this.ttftMs.add(figures.ttftMs)
  }

  merge(other: UsageCell): void {
    this.requests += other.requests
    this.errors += other.errors
    this.cacheHits += other.cacheHits
    this.promptTokens += other.promptTokens
    this.completionTokens += other.completionTokens
    this.cachedTokens += other.cachedTokens
    this.reasoningTokens += other.reasoningTokens
    this.unpriced += other.unpriced
    this.savedTokens += other.savedTokens
    this.cost.merge(other.cost)
    this.saved.merge(other.saved)
    this.providerCacheSaved.merge(other.providerCacheSaved)
    this.latencyMs.merge(other.latencyMs)
    this.ttftMs.merge(other.ttftMs)
  }

  /** Adds the cell that `encode` made these bytes of. */
  mergeEncoded(bytes: Uint8Array): void {
    const reader = new Reader(bytes)
    this.requests += reader.number()
    this.errors += reader.number()
    this.cacheHits += reader.number()
    this.promptTokens += reader.number()
    this.completionTokens += reader.number()
    this.cachedTokens += reader.number()
    this.reasoningTokens += reader.number()
    this.unpriced += reader.number()
    this.savedTokens += reader.number()
    reader.money(this.cost)
    reader.money(this.saved)
    reader.signedMoney(this.providerCacheSaved)
    reader.sketch(this.latencyMs)
    reader.sketch(this.ttftMs)
  }

  encode(): Uint8Array {
    const writer = new Writer()
    writer.number(this.requests)
    writer.number(this.errors)
    writer.number(this.cacheHits)
    writer.number(this.promptTokens)
    writer.number(this.completionTokens)
    writer.number(this.cachedTokens)
    writer.number(this.reasoningTokens)
    writer.number(this.unpriced)
    writer.number(this.savedTokens)
    writer.money(this.cost)
    writer.money(this.saved)
    writer.signedMoney(this.providerCacheSaved)
    writer.sketch(this.latencyMs)
    writer.sketch(this.ttftMs)
    return writer.bytes()
  }

  row(): UsageRow {
    return {
      requests: this.requests,
      errors: this.errors,
      cacheHits: this.cacheHits,
      promptTokens: this.promptTokens,
      completionTokens: this.completionTokens,
      cachedTokens: this.cachedTokens,
      reasoningTokens: this.reasoningTokens,
      costUsd: this.cost.usd,
      unpriced: this.unpriced,
      savedUsd: this.saved.usd,
      savedTokens: this.savedTokens,
      providerCacheSavedUsd: this.providerCacheSaved.usd,
      latencyMsP50: this.latencyMs.percentile(50),
      latencyMsP95: this.latencyMs.percentile(95),
      ttftMsP50: this.ttftMs.percentile(50),
      ttftMsP95: this.ttftMs.percentile(95)
    }
  }
}

/** Sums of money are written in two halves, each of which a number holds. */
export const moneyHalf = 2 ** 40

const bigHalf = BigInt(moneyHalf)

let room = new Uint8Array(1 << 16)

class Writer {
  private used = 0

  number(value: number): void {
    if (this.used + 10 > room.length) {
      const larger = new Uint8Array(room.length * 2)
      larger.set(room)
      room = larger
    }
    let rest = Math.max(0, Math.round(value))
    while (rest >= 128) {
      room[this.used++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    room[this.used++] = rest
  }

  /** The lowest bit of the first number is the sign. */
  signedMoney({ picos }: MoneySum): void {
    const whole = picos < 0n ? -picos : picos
    this.number(Number(whole / bigHalf) * 2 + (picos < 0n ? 1 : 0))
    this.number(Number(whole % bigHalf))
  }

  money(sum: MoneySum): void {
    const { picos } = sum
    const whole = picos < 0n ? 0n : picos
    this.number(Number(whole / bigHalf))
    this.number(Number(whole % bigHalf))
  }

  /** Zeros, number of filled buckets, then for each its distance from the one before and its count. */
  sketch({ counts, first, zeros }: UsageSketch): void {
    this.number(zeros)
    let filled = 0
    for (const count of counts) if (count > 0) filled += 1
    this.number(filled)
    let last = 0
    for (let i = 0; i < counts.length; i++) {
      if (counts[i] === 0) continue
      this.number(first + i - last)
      this.number(counts[i]!)
      last = first + i
    }
  }

  bytes(): Uint8Array {
    return room.slice(0, this.used)
  }
}

class Reader {
  private readonly source: Uint8Array
  private next = 0

  constructor(source: Uint8Array) {
    this.source = source
  }

  number(): number {
    const { source } = this
    let byte = source[this.next++]!
    if (byte < 128) return byte
    let value = byte & 127
    let factor = 128
    do {
      byte = source[this.next++]!
      value += (byte & 127) * factor
      factor *= 128
    } while (byte >= 128)
    return value
  }

  signedMoney(sum: MoneySum): void {
    const high = this.number()
    const low = this.number()
    if (high < 2) return sum.addWhole(high === 1 ? -low : low)
    const whole = BigInt(Math.floor(high / 2)) * bigHalf + BigInt(low)
    sum.addPicos(high % 2 === 1 ? -whole : whole)
  }

  money(sum: MoneySum): void {
    const high = this.number()
    const low = this.number()
    if (high === 0) sum.addWhole(low)
    else sum.addPicos(BigInt(high) * bigHalf + BigInt(low))
  }

  sketch(sketch: UsageSketch): void {
    sketch.zeros += this.number()
    let index = 0
    for (let left = this.number(); left > 0; left--) {
      index += this.number()
      sketch.count(index, this.number())
    }
  }
}
