/**
 * Usage records in the memory of the process: the default when the library is embedded.
 *
 * It keeps the last 10,000 records in a ring and forgets older ones, and everything when the process ends. A question
 * looks at each record once. Nothing is ever dropped before it is written, and nothing is written anywhere else.
 */
import { Effect } from "effect"
import type { GroupBy } from "../AdminAnswers.ts"
import {
  maxPoints,
  type PageScan,
  SeriesTooLong,
  type StoredRecord,
  type UsageFilters,
  type UsageStore
} from "../UsageLog.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { UsageAggregate } from "./UsageAggregate.ts"

/** Records that are kept. */
export const memoryCapacity = 10_000

/** A store of its own for each time it is run. */
export const make: Effect.Effect<UsageStore> = Effect.sync(() => {
  const ring: Array<StoredRecord> = []
  let seq = 0

  return {
    write: (record) => {
      seq += 1
      ring[(seq - 1) % memoryCapacity] = { seq, record }
    },
    usage: (scan) =>
      Effect.suspend(() => {
        const aggregate = new UsageAggregate(scan.bucket, maxPoints)
        for (const { record } of ring) {
          if (record.timeMs < scan.fromMs || record.timeMs >= scan.toMs || !matches(record, scan)) continue
          if (!aggregate.add(record, groupOf(record, scan.groupBy)))
            return Effect.fail(new SeriesTooLong({ maxPoints }))
        }
        return Effect.succeed(aggregate.report())
      }),
    page: (scan) =>
      Effect.sync(() =>
        ring
          .filter((stored) => follows(stored, scan) && matches(stored.record, scan))
          .sort((a, b) => b.record.timeMs - a.record.timeMs || b.seq - a.seq)
          .slice(0, scan.limit)
      ),
    find: (id) =>
      Effect.sync(() => {
        let found: StoredRecord | undefined
        for (const stored of ring) {
          if (stored.record.id === id && (found === undefined || stored.seq > found.seq)) found = stored
        }
        return found?.record
      }),
    health: () => ({ kind: "memory", healthy: true, rowsDropped: 0, reason: null })
  }
})

const matches = (record: UsageRecord, filters: UsageFilters): boolean =>
  (filters.model === undefined || record.model === filters.model) &&
  (filters.provider === undefined || record.provider === filters.provider) &&
  (filters.tenant === undefined || record.tenant === filters.tenant) &&
  (filters.key === undefined || record.keyId === filters.key) &&
  (filters.status === undefined || record.status === filters.status) &&
  (filters.cache === undefined || record.cache === filters.cache)

const follows = ({ record, seq }: StoredRecord, { after, fromMs, toMs }: PageScan): boolean =>
  (fromMs === undefined || record.timeMs >= fromMs) &&
  (toMs === undefined || record.timeMs < toMs) &&
  (after === undefined || record.timeMs < after.timeMs || (record.timeMs === after.timeMs && seq < after.seq))

const groupOf = (record: UsageRecord, groupBy: GroupBy | undefined): string | null =>
  groupBy === undefined ? null : groupBy === "key" ? record.keyId : record[groupBy]
