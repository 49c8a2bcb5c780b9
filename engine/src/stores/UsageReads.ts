/**
 * The questions about usage records, as programs for a SQL database.
 *
 * Sums come from cells as far as these go, the rest from the records; pages find their records by places, a few for each
 * combination of values that fits, and read no record that is not shown. Each program sees one state of the database.
 */
import type { GroupBy, UsageReport } from "../AdminAnswers.ts"
import type { PageScan, Position, RecordSumsScan, RowsScan, StoredRecord, UsageScan } from "../UsageLog.ts"
import { bucketMs, UsageAggregate } from "./UsageAggregate.ts"
import { columnOf, columns, type SqlValue, storedOf } from "./UsageColumns.ts"
import { type Conditions, conditionsOf, dimsWith, type PlaceScan, positionsOf } from "./UsagePlaces.ts"
import { figuresOf, readState, selectFigures, selectRecord } from "./UsageRollup.ts"
import { readable, records } from "./UsageSchema.ts"
import {
  cover,
  everything,
  fields,
  narrow,
  type Shape,
  type Stretch,
  type SumsState,
  valueOf,
  wordOf
} from "./UsageShapes.ts"
import { type Dialect, lookup, query, type SqlProgram, type SqlQuery, type SqlRow } from "./UsageSql.ts"

/** Undefined when the report would have more than `maxPoints` points. */
export const usage = function* (
  dialect: Dialect,
  scan: UsageScan,
  maxPoints: number
): SqlProgram<UsageReport | undefined> {
  const state = yield* readState()
  const { rolled } = state
  const aggregate = new UsageAggregate(scan.bucket, maxPoints)
  const asked = new Set<GroupBy>(fields.filter((field) => scan[field] !== undefined || scan.groupBy === field))
  const overMs = yield* overrunOf(scan, state)
  const range = overMs === undefined ? scan : { fromMs: scan.fromMs, toMs: endOfDay(scan.toMs) }
  if (overMs !== undefined && overMs > 0) {
    const over = { fromMs: scan.toMs, toMs: scan.toMs + overMs, shape: undefined }
    for (const row of yield figuresIn(dialect, scan, over, "+seq <= ?", rolled)) {
      aggregate.take(figuresOf(row, 1), row[0] as string | null)
    }
  }
  for (const stretch of cover(range, scan.bucket, asked, state)) {
    if (stretch.shape !== undefined) {
      if (yield* hasTooMany(stretch, stretch.shape, scan, maxPoints)) return undefined
      for (const [startMs, word, body] of yield* cellsOf(dialect, stretch, stretch.shape, scan)) {
        const group = stretch.shape.set === narrow ? narrowGroup(word as string, scan) : (word as string)
        if (group === undefined) continue
        const name = scan.groupBy === undefined ? null : valueOf(group)
        if (!aggregate.addEncoded(startMs as number, name, body as Uint8Array)) return undefined
      }
    } else {
      // A `+` keeps an index from being used that would lead through more rows.
      const rows = yield figuresIn(dialect, scan, stretch, "+seq <= ?", rolled)
      if (!addAll(aggregate, rows)) return undefined
    }
  }
  const rest = yield figuresIn(dialect, scan, undefined, "seq > ?", rolled)
  return addAll(aggregate, rest) ? aggregate.report() : undefined
}

export const endOfDay = (timeMs: number): number => Math.ceil(timeMs / bucketMs.day) * bucketMs.day

/** Records of so many milliseconds are always rather taken away than added to. */
const shortMs = 5000

/**
 * How long the records go on after the end of a range, when that is short, as it is for a range that ends now: then the
 * cells that the end lies in have no or few records too many, and the range can be answered as if it went on to the end
 * of the day. Undefined otherwise.
 */
export const overrunOf = function* (
  { fromMs, toMs }: Pick<UsageScan, "fromMs" | "toMs">,
  { prunedMs }: SumsState
): SqlProgram<number | undefined> {
  if (fromMs >= toMs || toMs <= prunedMs) return undefined
  const [newest] = yield query("SELECT max(time_ms) FROM usage_records")
  if (newest![0] === null) return undefined
  const overMs = (newest![0] as number) + 1 - toMs
  return overMs <= Math.max(shortMs, toMs % bucketMs.minute) ? Math.max(0, overMs) : undefined
}

/** The group of a cell with several values, undefined when the scan asks for others. */
const narrowGroup = (word: string, scan: UsageScan): string | undefined => {
  const words = word.split("\n")
  let group = ""
  for (const [i, field] of narrow.entries()) {
    const asked = scan[field]
    if (asked !== undefined && words[i] !== wordOf(asked)) return undefined
    if (field === scan.groupBy) group = words[i]!
  }
  return group
}

const addAll = (aggregate: UsageAggregate, rows: ReadonlyArray<SqlRow>): boolean => {
  for (const row of rows) if (!aggregate.add(figuresOf(row, 1), row[0] as string | null)) return false
  return true
}

/** Group and figures of the records in a stretch, else in the range of the scan. */
const figuresIn = (
  dialect: Dialect,
  scan: UsageScan,
  stretch: Stretch | undefined,
  bound: string,
  seq: number
): SqlQuery => {
  const { values, where } = conditionsOf(scan)
  const { fromMs, toMs } = stretch ?? scan
  const time = stretch === undefined ? "+time_ms" : "time_ms"
  where.push(`${time} >= ?`, `${time} < ?`, bound)
  const group = scan.groupBy === undefined ? "NULL" : columnOf[scan.groupBy]
  return query(
    `SELECT ${group}, ${selectFigures(dialect)} FROM usage_records WHERE ${where.join(" AND ")}`,
    ...values,
    fromMs,
    toMs,
    seq
  )
}

/**
 * Sums of records that are looked at one by one; null when these would be more than `maxRecords`, undefined when the report
 * would have more than `maxPoints` points.
 */
export const recordSums = function* (
  dialect: Dialect,
  scan: RecordSumsScan,
  maxPoints: number
): SqlProgram<UsageReport | null | undefined> {
  const { fromMs, maxRecords, toMs } = scan
  const atMost = (from: string, ...values: ReadonlyArray<SqlValue>) =>
    query(`SELECT count(*) FROM (SELECT 1 AS one ${from} LIMIT ?) AS looked`, ...values, maxRecords + 1)
  const aggregate = new UsageAggregate(scan.bucket, maxPoints)
  const { values, where } = conditionsOf(scan)
  const isFiltered = where.length > 0
  addRecordConditions({ values, where }, scan)
  const group = scan.groupBy === undefined ? "NULL" : columnOf[scan.groupBy]
  const rowsWhere = (conditions: string, ...more: ReadonlyArray<SqlValue>) =>
    query(
      `SELECT ${group}, ${selectFigures(dialect)} FROM usage_records WHERE ${[...where, conditions].join(" AND ")}`,
      ...values,
      ...more
    )
  const [inRange] = yield atMost("FROM usage_records WHERE time_ms >= ? AND time_ms < ?", fromMs, toMs)
  if ((inRange![0] as number) <= maxRecords) {
    const found = yield rowsWhere("time_ms >= ? AND time_ms < ?", fromMs, toMs)
    return addAll(aggregate, found) ? aggregate.report() : undefined
  }
  if (!isFiltered) return null
  const fitting = dimsWith(scan)
  const from = `${fitting.sql.slice(fitting.sql.indexOf("FROM")).replace("WHERE", "CROSS JOIN usage_places p WHERE")}
    AND p.dims = d.id AND p.time_ms >= ? AND p.time_ms < ?`
  const placed = [...fitting.params, fromMs, toMs]
  const [found] = yield atMost(from, ...placed)
  if ((found![0] as number) > maxRecords) return null
  const { rolled } = yield* readState()
  const summed = yield rowsWhere(`seq IN (SELECT p.seq ${from})`, ...placed)
  const rest = yield rowsWhere("+time_ms >= ? AND +time_ms < ? AND seq > ?", fromMs, toMs, rolled)
  return addAll(aggregate, summed) && addAll(aggregate, rest) ? aggregate.report() : undefined
}

const addRecordConditions = (
  { values, where }: Conditions,
  { errorKind, fault, fingerprint, minLatencyMs }: RecordSumsScan
): void => {
  for (const [condition, value] of [
    ["error_kind = ?", errorKind],
    ["fault = ?", fault],
    ["fingerprint = ?", fingerprint],
    ["latency_ms >= ?", minLatencyMs]
  ] as const) {
    if (value === undefined) continue
    where.push(condition)
    values.push(value)
  }
}

/**
 * Whether each cell of a stretch is a point of its own and there are more than `maxPoints`, known without reading one.
 * What ends after the range may have nothing left, and is not counted.
 */
const hasTooMany = function* (
  { fromMs, toMs }: Range,
  { id, set, sizeMs }: Shape,
  scan: UsageScan,
  maxPoints: number
): SqlProgram<boolean> {
  const isOwn = set.length === 1 && set[0] === scan.groupBy && sizeMs === bucketMs[scan.bucket]
  if (!isOwn) return false
  const [count] = yield query(
    `SELECT count(*) FROM (
       SELECT 1 AS one FROM usage_cells WHERE shape = ? AND b = '' AND start_ms >= ? AND start_ms < ? LIMIT ?
     ) AS counted`,
    id,
    fromMs,
    Math.min(toMs, scan.toMs - sizeMs + 1),
    maxPoints + 1
  )
  return (count![0] as number) > maxPoints
}

/** Values of one field from which on finding out what they are costs more than it saves. */
const valuesMax = 500

/** Start, group and body of the cells of a stretch. */
const cellsOf = function* (
  dialect: Dialect,
  stretch: Range,
  shape: Shape,
  scan: UsageScan
): SqlProgram<ReadonlyArray<SqlRow>> {
  const [field] = shape.set
  if (dialect === "sqlite" && shape.set.length === 1 && scan[field!] === undefined) {
    // Cells of one value lie side by side; the index that has all values by time would lead to each of them on its own.
    const values = `WITH RECURSIVE found(a) AS (
      SELECT min(a) FROM usage_cells WHERE shape = ?
      UNION ALL SELECT (SELECT min(a) FROM usage_cells WHERE shape = ? AND a > found.a) FROM found WHERE found.a IS NOT NULL
    )`
    const [count] = yield query(
      `${values} SELECT count(*) FROM (SELECT a FROM found LIMIT ?)`,
      shape.id,
      shape.id,
      valuesMax + 1
    )
    if ((count![0] as number) <= valuesMax) {
      return yield query(
        `${values} SELECT c.start_ms, c.a, c.body FROM found CROSS JOIN usage_cells c
         WHERE c.shape = ? AND c.a = found.a AND c.start_ms >= ? AND c.start_ms < ?`,
        shape.id,
        shape.id,
        shape.id,
        stretch.fromMs,
        stretch.toMs
      )
    }
  }
  return yield cellsQuery(stretch, shape, scan)
}

interface Range {
  readonly fromMs: number
  readonly toMs: number
}

const cellsQuery = (stretch: Range, shape: Shape, scan: UsageScan): SqlQuery => {
  const where = ["c.shape = ?", "c.start_ms >= ?", "c.start_ms < ?"]
  const values: Array<SqlValue> = [shape.id, stretch.fromMs, stretch.toMs]
  if (shape.set === everything) {
    for (const field of fields) {
      const value = scan[field]
      if (value === undefined) continue
      where.push(`d.${columnOf[field]} = ?`)
      values.push(wordOf(value))
    }
    const group = scan.groupBy === undefined ? "''" : `d.${columnOf[scan.groupBy]}`
    return query(
      `SELECT c.start_ms, ${group}, c.body FROM usage_dims d CROSS JOIN usage_cells c
       WHERE c.a = CAST(d.id AS TEXT) AND ${where.join(" AND ")}`,
      ...values
    )
  }
  if (shape.set === narrow) {
    return query(
      "SELECT start_ms, b, body FROM usage_cells WHERE shape = ? AND a = '' AND start_ms >= ? AND start_ms < ?",
      shape.id,
      stretch.fromMs,
      stretch.toMs
    )
  }
  const sides = ["a", "b"].slice(0, Math.max(shape.set.length, 1))
  let group = "''"
  for (const [i, side] of sides.entries()) {
    const field = shape.set[i]
    if (field !== undefined && field === scan.groupBy) group = `c.${side}`
    const value = field === undefined ? "" : scan[field]
    if (value === undefined) continue
    where.push(`c.${side} = ?`)
    values.push(field === undefined ? "" : wordOf(value))
  }
  // Cells of one field by time alone: the index over `b` has them in order.
  if (shape.set.length === 1 && where.length === 3) where.push("c.b = ''")
  return query(`SELECT c.start_ms, ${group}, c.body FROM usage_cells c WHERE ${where.join(" AND ")}`, ...values)
}

const recordColumns = (dialect: Dialect) => ["seq", ...columns.map(([, column]) => readable(dialect, column))]

/** The records at these positions, in their order. */
const recordsAt = function* (dialect: Dialect, positions: ReadonlyArray<Position>): SqlProgram<Array<StoredRecord>> {
  const rows = yield lookup(
    records,
    ["seq"],
    recordColumns(dialect),
    positions.map(({ seq }) => [seq])
  )
  return rows.filter((row) => row[0] !== null).map(storedOf)
}

export const page = function* (dialect: Dialect, scan: PageScan): SqlProgram<ReadonlyArray<StoredRecord>> {
  const found = yield* positionsOf(dialect, { ...scan, newestFirst: true })
  return yield* recordsAt(dialect, found)
}

export const rows = function* (
  dialect: Dialect,
  scan: RowsScan,
  after: Position | undefined
): SqlProgram<ReadonlyArray<StoredRecord>> {
  const places: PlaceScan = { ...scan, after, newestFirst: false }
  return yield* recordsAt(dialect, yield* positionsOf(dialect, places))
}

/** The last record with this id. */
export const find = function* (dialect: Dialect, id: string): SqlProgram<StoredRecord | undefined> {
  const [row] = yield query(`${selectRecord(dialect)} WHERE id = ? ORDER BY seq DESC LIMIT 1`, id)
  return row === undefined ? undefined : storedOf(row)
}
