/**
 * The figures of usage records by time bucket and group: the arithmetic that every usage store shares.
 *
 * Records and cells of records are added in any order, and records that cells hold too much of are taken away again. What
 * is kept of them is what the points of the answer are made of: one after the other, when it is asked for. Percentiles are
 * by nearest rank, within one percent.
 */
import type { Bucket, UsagePoint, UsageReport } from "../AdminAnswers.ts"
import { UsageCell, type UsageFigures } from "./UsageCell.ts"
import { UsageFold } from "./UsageFold.ts"

export const bucketMs: { readonly [K in Bucket]: number } = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** What a point is the sum of. */
interface Parts {
  readonly encoded: Array<Uint8Array>
  added: UsageCell | undefined
  taken: UsageCell | undefined
}

export class UsageAggregate {
  private readonly sizeMs: number
  private readonly maxPoints: number
  private readonly buckets = new Map<number, Map<string | null, Parts>>()
  private points = 0
  /** Points that may turn out to have nothing left. */
  private spare = 0

  constructor(bucket: Bucket, maxPoints: number) {
    this.sizeMs = bucketMs[bucket]
    this.maxPoints = maxPoints
  }

  /** Returns false, and adds nothing, when the record would need more than `maxPoints` points. */
  add(figures: UsageFigures, group: string | null): boolean {
    const parts = this.partsOf(figures.timeMs, group)
    if (parts !== undefined) (parts.added ??= new UsageCell()).add(figures)
    return parts !== undefined
  }

  /** Adds an encoded cell whose records all lie in the bucket that `timeMs` is in. */
  addEncoded(timeMs: number, group: string | null, bytes: Uint8Array): boolean {
    const parts = this.partsOf(timeMs, group)
    parts?.encoded.push(bytes)
    return parts !== undefined
  }

  /** Takes a record away that is in a cell; before any cell is added. */
  take(figures: UsageFigures, group: string | null): void {
    this.spare += 1
    const parts = this.partsOf(figures.timeMs, group)
    if (parts !== undefined) (parts.taken ??= new UsageCell()).add(figures)
  }

  /** Undefined when there are more than `maxPoints` points. */
  report(): UsageReport | undefined {
    const fold = new UsageFold()
    const all = new UsageFold()
    const series: Array<UsagePoint> = []
    for (const start of [...this.buckets.keys()].sort((a, b) => a - b)) {
      const groups = [...this.buckets.get(start)!]
      if (groups.length > 1) groups.sort(([a], [b]) => compareGroups(a, b))
      const time = new Date(start).toISOString()
      for (const [group, { added, encoded, taken }] of groups) {
        fold.clear()
        for (const bytes of encoded) fold.addEncoded(bytes)
        if (added !== undefined) fold.addCell(added, 1)
        if (taken !== undefined) fold.addCell(taken, -1)
        if (fold.requests === 0) continue
        all.addFold(fold)
        series.push(fold.point(time, group))
      }
    }
    return series.length > this.maxPoints ? undefined : { totals: all.row(), series }
  }

  private partsOf(timeMs: number, group: string | null): Parts | undefined {
    const start = Math.floor(timeMs / this.sizeMs) * this.sizeMs
    let groups = this.buckets.get(start)
    if (groups === undefined) this.buckets.set(start, (groups = new Map()))
    let parts = groups.get(group)
    if (parts === undefined) {
      if (++this.points > this.maxPoints + this.spare) return undefined
      groups.set(group, (parts = { encoded: [], added: undefined, taken: undefined }))
    }
    return parts
  }
}

const compareGroups = (a: string | null, b: string | null): number =>
  a === b ? 0 : a === null || (b !== null && a < b) ? -1 : 1
