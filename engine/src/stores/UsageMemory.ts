/**
 * Usage records in the memory of the process: the default when the library is embedded.
 *
 * It keeps the last 10,000 records in a ring and forgets older ones, and everything when the process ends. A question
 * looks at each record once. Nothing is ever dropped before it is written, and nothing is written anywhere else.
 */
import { Effect } from "effect"
import type { UsageReport } from "../AdminAnswers.ts"
import {
  maxPoints,
  type PageScan,
  type Position,
  type RecordFilters,
  SeriesTooLong,
  type StoredRecord,
  type UsageFilters,
  type UsageScan,
  type UsageStore
} from "../UsageLog.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { bucketMs, UsageAggregate } from "./UsageAggregate.ts"
import { fieldOf } from "./UsageColumns.ts"
import { type FailureWords, UsageFailures, wordsOf } from "./UsageFailures.ts"
import { matches as hasValues } from "./UsageSearch.ts"

/** Records that are kept. */
export const memoryCapacity = 10_000

/** A store of its own for each time it is run. */
export const make: Effect.Effect<UsageStore> = Effect.sync(() => {
  /** By sequence number, modulo the capacity. */
  const ring = new Map<number, StoredRecord>()
  let seq = 0

  const within = (range: { readonly fromMs: number; readonly toMs: number }, filters: UsageFilters) => {
    const found: Array<StoredRecord> = []
    for (const stored of ring.values()) {
      const { record } = stored
      if (record.timeMs >= range.fromMs && record.timeMs < range.toMs && matches(record, filters)) found.push(stored)
    }
    return found
  }

  const usage = (scan: UsageScan, others: RecordFilters = {}): Effect.Effect<UsageReport, SeriesTooLong> =>
    Effect.suspend(() => {
      const aggregate = new UsageAggregate(scan.bucket, maxPoints)
      for (const { record } of within(scan, scan)) {
        if (!hasValues(record, others)) continue
        const group = scan.groupBy === undefined ? null : record[fieldOf[scan.groupBy]]
        if (!aggregate.add(record, group)) return Effect.fail(new SeriesTooLong({ maxPoints }))
      }
      return Effect.succeed(aggregate.report()!)
    })

  return {
    write: (record) => {
      seq += 1
      ring.set(seq % memoryCapacity, { seq, record })
    },
    usage: (scan) => usage(scan),
    // There are never more of them than are looked at.
    recordSums: (scan) => usage(scan, scan),
    usageText: (scan) => Effect.map(usage(scan), (report) => JSON.stringify(report)),
    page: (scan) =>
      Effect.sync(() =>
        [...ring.values()]
          .filter((stored) => follows(stored, scan) && matches(stored.record, scan))
          .sort((a, b) => b.record.timeMs - a.record.timeMs || b.seq - a.seq)
          .slice(0, scan.limit)
      ),
    find: (id) =>
      Effect.sync(() => {
        let found: StoredRecord | undefined
        for (const stored of ring.values()) {
          if (stored.record.id === id && (found === undefined || stored.seq > found.seq)) found = stored
        }
        return found?.record
      }),
    errors: (scan) =>
      Effect.sync(() => {
        const failures = new UsageFailures(scan.bucket)
        const words = new Map<string, FailureWords>()
        for (const { record } of within(scan, scan)) {
          const { fingerprint, id, timeMs } = record
          if (fingerprint === null || (scan.kind !== undefined && record.errorKind !== scan.kind)) continue
          if (scan.fingerprint !== undefined && fingerprint !== scan.fingerprint) continue
          failures.add({ fingerprint, count: 1, firstMs: timeMs, lastMs: timeMs, sampleId: id })
          words.set(fingerprint, wordsOf(record))
        }
        return failures.report(words, scan.limit)
      }),
    scanRows: (scan, after) =>
      Effect.sync(() =>
        within(scan, scan)
          .filter((stored) => after === undefined || compare(stored, after) > 0)
          .sort((a, b) => compare(a, { timeMs: b.record.timeMs, seq: b.seq }))
          .slice(0, scan.limit)
      ),
    prune: ({ beforeMs }) =>
      Effect.sync(() => {
        const dayMs = Math.floor(beforeMs / bucketMs.day) * bucketMs.day
        let rows = 0
        for (const [at, { record }] of ring) if (record.timeMs < dayMs && ring.delete(at)) rows += 1
        return { rows, rollups: 0 }
      }),
    reprice: (changes) =>
      Effect.sync(() => {
        let changed = 0
        for (const { seq: at, ...price } of changes) {
          const stored = ring.get(at % memoryCapacity)
          if (stored?.seq !== at) continue
          ring.set(at % memoryCapacity, { seq: at, record: { ...stored.record, ...price } })
          changed += 1
        }
        return changed
      }),
    health: () => ({ kind: "memory", healthy: true, rowsDropped: 0, reason: null })
  }
})

const compare = ({ record, seq }: StoredRecord, position: Position): number =>
  record.timeMs - position.timeMs || seq - position.seq

const matches = (record: UsageRecord, filters: UsageFilters): boolean =>
  (filters.model === undefined || record.model === filters.model) &&
  (filters.provider === undefined || record.provider === filters.provider) &&
  (filters.tenant === undefined || record.tenant === filters.tenant) &&
  (filters.key === undefined || record.keyId === filters.key) &&
  (filters.status === undefined || record.status === filters.status) &&
  (filters.cache === undefined || record.cache === filters.cache)

const follows = (stored: StoredRecord, { after, fromMs, toMs }: PageScan): boolean =>
  (fromMs === undefined || stored.record.timeMs >= fromMs) &&
  (toMs === undefined || stored.record.timeMs < toMs) &&
  (after === undefined || compare(stored, after) < 0)
