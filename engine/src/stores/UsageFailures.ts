/**
 * Failures by fingerprint: the arithmetic that every usage store shares.
 *
 * Failures, or counts of failures, are added in any order; what is kept of a group is its counts by bucket, when it was
 * first and last seen, and the request that failed last.
 */
import type { Bucket } from "../AdminAnswers.ts"
import type { ErrorGroup } from "../UsageLog.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { bucketMs } from "./UsageAggregate.ts"

/** Failures of one fingerprint that lie in one bucket. */
export interface FailureCount {
  readonly fingerprint: string
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
  readonly sampleId: string
}

/** What all failures of a fingerprint have in common. */
export type FailureWords = Pick<ErrorGroup, "fault" | "kind" | "message" | "model" | "provider">

export const wordsOf = (record: UsageRecord): FailureWords => ({
  kind: record.errorKind,
  fault: record.fault,
  provider: record.provider,
  model: record.model,
  message: record.errorDetail
})

interface Group {
  count: number
  firstMs: number
  lastMs: number
  sampleId: string
  readonly series: Map<number, number>
}

export class UsageFailures {
  private readonly sizeMs: number
  private readonly groups = new Map<string, Group>()

  constructor(bucket: Bucket) {
    this.sizeMs = bucketMs[bucket]
  }

  add({ count, fingerprint, firstMs, lastMs, sampleId }: FailureCount): void {
    let group = this.groups.get(fingerprint)
    if (group === undefined) {
      group = { count: 0, firstMs, lastMs, sampleId, series: new Map() }
      this.groups.set(fingerprint, group)
    }
    group.count += count
    group.firstMs = Math.min(group.firstMs, firstMs)
    if (lastMs > group.lastMs || (lastMs === group.lastMs && sampleId > group.sampleId)) {
      group.lastMs = lastMs
      group.sampleId = sampleId
    }
    const start = Math.floor(firstMs / this.sizeMs) * this.sizeMs
    group.series.set(start, (group.series.get(start) ?? 0) + count)
  }

  get fingerprints(): ReadonlyArray<string> {
    return [...this.groups.keys()]
  }

  /** The most frequent groups first, among equals by fingerprint; groups without words are left out. */
  report(words: ReadonlyMap<string, FailureWords>, limit: number): ReadonlyArray<ErrorGroup> {
    return [...this.groups]
      .filter(([fingerprint]) => words.has(fingerprint))
      .sort(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([fingerprint, { count, firstMs, lastMs, sampleId, series }]) => ({
        fingerprint,
        ...words.get(fingerprint)!,
        count,
        firstSeenMs: firstMs,
        lastSeenMs: lastMs,
        sampleId,
        series: [...series].sort(([a], [b]) => a - b).map(([startMs, failures]) => ({ startMs, count: failures }))
      }))
  }
}
