/**
 * The figures of usage records by time bucket and group: the arithmetic that every usage store shares.
 *
 * Records and cells of records are added in any order; nothing is kept of them but the cells of the answer. Percentiles
 * are by nearest rank, within one percent.
 */
import type { Bucket, UsagePoint, UsageReport } from "../AdminAnswers.ts"
import { UsageCell, type UsageFigures } from "./UsageCell.ts"

export const bucketMs: { readonly [K in Bucket]: number } = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

export class UsageAggregate {
  private readonly sizeMs: number
  private readonly maxPoints: number
  private readonly buckets = new Map<number, Map<string | null, UsageCell>>()
  private points = 0

  constructor(bucket: Bucket, maxPoints: number) {
    this.sizeMs = bucketMs[bucket]
    this.maxPoints = maxPoints
  }

  /** Returns false, and adds nothing, when the record would need more than `maxPoints` points. */
  add(figures: UsageFigures, group: string | null): boolean {
    const cell = this.cell(figures.timeMs, group)
    cell?.add(figures)
    return cell !== undefined
  }

  /** Adds an encoded cell whose records all lie in the bucket that `timeMs` is in. */
  addEncoded(timeMs: number, group: string | null, bytes: Uint8Array): boolean {
    const cell = this.cell(timeMs, group)
    cell?.mergeEncoded(bytes)
    return cell !== undefined
  }

  report(): UsageReport {
    const all = new UsageCell()
    const series: Array<UsagePoint> = []
    for (const start of [...this.buckets.keys()].sort((a, b) => a - b)) {
      const groups = [...this.buckets.get(start)!].sort(([a], [b]) => compareGroups(a, b))
      const time = new Date(start).toISOString()
      for (const [group, cell] of groups) {
        all.merge(cell)
        series.push({ start: time, group, ...cell.row() })
      }
    }
    return { totals: all.row(), series }
  }

  private cell(timeMs: number, group: string | null): UsageCell | undefined {
    const start = Math.floor(timeMs / this.sizeMs) * this.sizeMs
    let groups = this.buckets.get(start)
    if (groups === undefined) this.buckets.set(start, (groups = new Map()))
    let cell = groups.get(group)
    if (cell === undefined) {
      if (++this.points > this.maxPoints) return undefined
      groups.set(group, (cell = new UsageCell()))
    }
    return cell
  }
}

const compareGroups = (a: string | null, b: string | null): number =>
  a === b ? 0 : a === null || (b !== null && a < b) ? -1 : 1
