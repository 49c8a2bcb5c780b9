/**
 * Sums and percentiles of usage records, by time bucket and group: the arithmetic that every usage store shares.
 *
 * Records are added one by one in any order; nothing is kept of them but sums and the two durations. Percentiles are by
 * nearest rank: the smallest value that at least p percent of the values don't exceed.
 */
import type { Bucket, UsagePoint, UsageReport, UsageRow } from "../AdminAnswers.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { servedByCache } from "../UsageRecord.ts"

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
  | "latencyMs"
  | "ttftMs"
>

export const bucketMs: { readonly [K in Bucket]: number } = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

export class UsageAggregate {
  private readonly sizeMs: number
  private readonly maxPoints: number
  private readonly all = new Sums()
  private readonly buckets = new Map<number, Map<string | null, Sums>>()
  private points = 0

  constructor(bucket: Bucket, maxPoints: number) {
    this.sizeMs = bucketMs[bucket]
    this.maxPoints = maxPoints
  }

  /** Returns false, and adds nothing, when the record would need more than `maxPoints` points. */
  add(figures: UsageFigures, group: string | null): boolean {
    const start = Math.floor(figures.timeMs / this.sizeMs) * this.sizeMs
    let groups = this.buckets.get(start)
    if (groups === undefined) this.buckets.set(start, (groups = new Map()))
    let sums = groups.get(group)
    if (sums === undefined) {
      if (++this.points > this.maxPoints) return false
      groups.set(group, (sums = new Sums()))
    }
    sums.add(figures)
    this.all.add(figures)
    return true
  }

  report(): UsageReport {
    const series: Array<UsagePoint> = []
    for (const start of [...this.buckets.keys()].sort((a, b) => a - b)) {
      const groups = [...this.buckets.get(start)!].sort(([a], [b]) => compareGroups(a, b))
      const time = new Date(start).toISOString()
      for (const [group, sums] of groups) series.push({ start: time, group, ...sums.row() })
    }
    return { totals: this.all.row(), series }
  }
}

const compareGroups = (a: string | null, b: string | null): number =>
  a === b ? 0 : a === null || (b !== null && a < b) ? -1 : 1

class Sums {
  private requests = 0
  private errors = 0
  private cacheHits = 0
  private promptTokens = 0
  private completionTokens = 0
  private cachedTokens = 0
  private reasoningTokens = 0
  private costUsd = 0
  private unpriced = 0
  private savedUsd = 0
  private savedTokens = 0
  private readonly latenciesMs: Array<number> = []
  private readonly ttftsMs: Array<number> = []

  add(figures: UsageFigures): void {
    const promptTokens = figures.uncachedInput + figures.cacheReadInput + figures.cacheWriteInput
    this.requests += 1
    if (figures.status === "error") this.errors += 1
    if (servedByCache(figures.cache)) this.cacheHits += 1
    this.promptTokens += promptTokens
    this.completionTokens += figures.output
    this.cachedTokens += figures.cacheReadInput
    this.reasoningTokens += figures.reasoning
    this.costUsd += figures.costUsd ?? 0
    if (figures.unpricedReason !== null && promptTokens + figures.output > 0) this.unpriced += 1
    this.savedUsd += figures.savedUsd ?? 0
    this.savedTokens += figures.savedTokens
    if (figures.latencyMs !== null) this.latenciesMs.push(figures.latencyMs)
    if (figures.ttftMs !== null) this.ttftsMs.push(figures.ttftMs)
  }

  row(): UsageRow {
    const latenciesMs = Float64Array.from(this.latenciesMs).sort()
    const ttftsMs = Float64Array.from(this.ttftsMs).sort()
    return {
      requests: this.requests,
      errors: this.errors,
      cacheHits: this.cacheHits,
      promptTokens: this.promptTokens,
      completionTokens: this.completionTokens,
      cachedTokens: this.cachedTokens,
      reasoningTokens: this.reasoningTokens,
      costUsd: this.costUsd,
      unpriced: this.unpriced,
      savedUsd: this.savedUsd,
      savedTokens: this.savedTokens,
      latencyMsP50: percentile(latenciesMs, 50),
      latencyMsP95: percentile(latenciesMs, 95),
      ttftMsP50: percentile(ttftsMs, 50),
      ttftMsP95: percentile(ttftsMs, 95)
    }
  }
}

/** Nearest rank over ascending values; null when there are none. */
const percentile = (sorted: Float64Array, percent: number): number | null =>
  sorted.length === 0 ? null : sorted[Math.ceil((sorted.length * percent) / 100) - 1]!
