/**
 * What changes the usage database, as programs: writing batches, pricing history anew, forgetting.
 *
 * Records are numbered in the order in which they become visible: writers take turns, in SQLite because it has one, in
 * Postgres by a lock for the length of a transaction. A batch that was written is not written again, so whoever does not
 * know whether it was may send it once more.
 */
import type { PriceChange } from "../UsageLog.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { columnOf, columns, fieldOf, storedOf, type SqlValue, valuesOf } from "./UsageColumns.ts"
import { isUnpriced, type UsageCell } from "./UsageCell.ts"
import {
  addToCells,
  type Combination,
  combinationOf,
  identify,
  lockRollups,
  readState,
  setState,
  Sums
} from "./UsageRollup.ts"
import { cells, failures, places, readable, records, writers } from "./UsageSchema.ts"
import { fields, shapes } from "./UsageShapes.ts"
import { type Dialect, insert, lookup, query, remove, type SqlProgram, type SqlRow } from "./UsageSql.ts"
import { picosOf } from "../Money.ts"
import { bucketMs } from "./UsageAggregate.ts"

/** Records of one writer; its batches are numbered from 1. */
export interface WriterBatch {
  readonly writer: string
  readonly batch: number
  readonly records: ReadonlyArray<UsageRecord>
}

const writeLock = 6_174_100_001
/** Writers that have not been heard of for so long are forgotten. */
const writerLifeMs = 7 * bucketMs.day

export const write = function* (dialect: Dialect, { batch, records: entries, writer }: WriterBatch): SqlProgram<void> {
  if (dialect === "postgres") yield query("SELECT pg_advisory_xact_lock(?)", writeLock)
  const [written] = yield query("SELECT batch FROM usage_writers WHERE writer = ?", writer)
  if (written !== undefined && (written[0] as number) >= batch) return
  const [last] = yield query(
    `SELECT coalesce((SELECT max(seq) FROM usage_records), 0), coalesce((SELECT max(value) FROM usage_state WHERE name = 'rolled'), 0)`
  )
  const seq = Math.max(last![0] as number, last![1] as number)
  yield insert(
    records,
    entries.map((record, i) => [seq + i + 1, ...valuesOf(record)])
  )
  const timeMs = entries.at(-1)?.timeMs ?? 0
  if (written === undefined)
    yield query("DELETE FROM usage_writers WHERE time_ms < ?", Math.round(timeMs) - writerLifeMs)
  yield insert(
    writers,
    [[writer, batch, Math.round(timeMs)]],
    "(writer) DO UPDATE SET batch = excluded.batch, time_ms = excluded.time_ms"
  )
}

const priceFields = columns.filter(([field]) =>
  (
    [
      "costUsd",
      "priceTable",
      "unpricedReason",
      "savedUsd",
      "inputUsd",
      "cacheReadUsd",
      "cacheWriteUsd",
      "outputUsd",
      "reasoningUsd",
      "providerCacheSavedUsd"
    ] as ReadonlyArray<string>
  ).includes(field)
)

/** Changes the prices of records and of the sums they are in; returns how many there were. */
export const reprice = function* (dialect: Dialect, changes: ReadonlyArray<PriceChange>): SqlProgram<number> {
  yield* lockRollups(dialect)
  const { rolled } = yield* readState()
  const found = yield lookup(
    records,
    ["seq"],
    ["seq", ...columns.map(([, column]) => readable(dialect, column))],
    changes.map(({ seq }) => [seq])
  )
  const sums = new Sums()
  const combinations = new Map<string, Combination>()
  const rows: Array<SqlRow> = []
  for (const [i, row] of found.entries()) {
    if (row[0] === null) continue
    const change = changes[i]!
    const before = storedOf(row).record
    const after: UsageRecord = { ...before, ...withoutSeq(change) }
    rows.push([change.seq, ...valuesOf(after)])
    if (change.seq > rolled) continue
    const values = fields.map((field) => before[fieldOf[field]])
    const combination = combinationOf(combinations, values, 0)
    addDifference(sums.cell(combination, before.timeMs), before, after)
  }
  const set = priceFields.map(([, column]) => `${column} = excluded.${column}`)
  yield insert(records, rows, `(seq) DO UPDATE SET ${set.join(", ")}`)
  yield* identify([...combinations.values()])
  yield* addToCells(sums.changes())
  return rows.length
}

const withoutSeq = ({ seq: _, ...price }: PriceChange): Omit<PriceChange, "seq"> => price

const addDifference = (cell: UsageCell, before: UsageRecord, after: UsageRecord): void => {
  cell.cost.addPicos(picosOf(after.costUsd ?? 0) - picosOf(before.costUsd ?? 0))
  cell.saved.addPicos(picosOf(after.savedUsd ?? 0) - picosOf(before.savedUsd ?? 0))
  cell.providerCacheSaved.addPicos(
    picosOf(after.providerCacheSavedUsd ?? 0) - picosOf(before.providerCacheSavedUsd ?? 0)
  )
  cell.unpriced += Number(isUnpriced(after)) - Number(isUnpriced(before))
}

/** From now on questions about the time before `beforeMs` are answered by the sums alone. All records must be in them. */
export const beginPrune = function* (dialect: Dialect, beforeMs: number): SqlProgram<void> {
  yield* lockRollups(dialect)
  const { prunedMs } = yield* readState()
  if (beforeMs > prunedMs) yield setState("pruned", beforeMs)
}

/** Deletes at most `limit` of the records in the sums that are older; returns how many there were. */
export const pruneRecords = function* (dialect: Dialect, beforeMs: number, limit: number): SqlProgram<number> {
  yield* lockRollups(dialect)
  const { rolled } = yield* readState()
  const values = fields.map((field) => columnOf[field]).join(", ")
  const rows = yield query(
    `SELECT seq, time_ms, ${values} FROM usage_records WHERE time_ms < ? AND +seq <= ? ORDER BY time_ms LIMIT ?`,
    beforeMs,
    rolled,
    limit
  )
  if (rows.length === 0) return 0
  const combinations = new Map<string, Combination>()
  const placed = rows.map((row) => [combinationOf(combinations, row, 2), row] as const)
  yield* identify([...combinations.values()])
  yield remove(
    places,
    ["dims", "time_ms", "seq"],
    placed.map(([{ id }, row]) => [id, row[1]!, row[0]!])
  )
  yield remove(
    records,
    ["seq"],
    rows.map((row) => [row[0]!])
  )
  return rows.length
}

/** Where the deletion of cells goes on. */
export interface CellsPosition {
  readonly shape: number
  readonly after: ReadonlyArray<SqlValue>
}

/** Looks at `limit` cells and deletes those that end before `beforeMs`; `next` is undefined at the end. */
export const pruneCells = function* (
  dialect: Dialect,
  beforeMs: number,
  { after, shape: index }: CellsPosition,
  limit: number
): SqlProgram<{ readonly deleted: number; readonly next: CellsPosition | undefined }> {
  yield* lockRollups(dialect)
  const shape = shapes[index]
  if (shape === undefined) {
    let deleted = 0
    for (const sizeMs of Object.values(bucketMs)) {
      const [count] = yield query(
        "SELECT count(*) FROM usage_failures WHERE size_ms = ? AND start_ms < ?",
        sizeMs,
        beforeMs
      )
      yield query(`DELETE FROM ${failures.name} WHERE size_ms = ? AND start_ms < ?`, sizeMs, beforeMs)
      deleted += count![0] as number
    }
    return { deleted, next: undefined }
  }
  const rows = yield query(
    `SELECT a, start_ms, b FROM usage_cells WHERE shape = ? AND (a, start_ms, b) > (?, ?, ?) ORDER BY a, start_ms, b LIMIT ?`,
    shape.id,
    ...after,
    limit
  )
  const old = rows.filter((row) => (row[1] as number) < beforeMs)
  yield remove(
    cells,
    ["shape", "a", "start_ms", "b"],
    old.map((row) => [shape.id, ...row])
  )
  const last = rows.at(-1)
  const next = rows.length < limit || last === undefined ? firstCell(index + 1) : { shape: index, after: last }
  return { deleted: old.length, next }
}

export const firstCell = (shape = 0): CellsPosition => ({ shape, after: ["", Number.MIN_SAFE_INTEGER, ""] })
