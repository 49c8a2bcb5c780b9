/**
 * The questions about usage records, as programs for a SQL database.
 *
 * Sums come from cells as far as these go, the rest from the records; pages find their records by places, a few for each
 * combination of values that fits, and read no record that is not shown. Each program sees one state of the database.
 */
import type { GroupBy, UsageReport } from "../AdminAnswers.ts"
import type { ErrorGroup, ErrorsScan, PageScan, Position, RowsScan, StoredRecord, UsageScan } from "../UsageLog.ts"
import { bucketMs, UsageAggregate } from "./UsageAggregate.ts"
import { columnOf, columns, type SqlValue, storedOf } from "./UsageColumns.ts"
import { type FailureWords, UsageFailures } from "./UsageFailures.ts"
import { conditionsOf, dimsWith, type PlaceScan, positionsOf } from "./UsagePlaces.ts"
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
      for (const [startMs, word, body] of yield cellsOf(stretch, stretch.shape, scan)) {
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

const endOfDay = (timeMs: number): number => Math.ceil(timeMs / bucketMs.day) * bucketMs.day

/** Records of so many milliseconds are always rather taken away than added to. */
const shortMs = 5000

/**
 * How long the records go on after the end of a range, when that is short, as it is for a range that ends now: then the
 * cells that the end lies in have no or few records too many, and the range can be answered as if it went on to the end
 * of the day. Undefined otherwise.
 */
const overrunOf = function* (
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

/** Start, group and body of the cells of a stretch. */
const cellsOf = (stretch: { readonly fromMs: number; readonly toMs: number }, shape: Shape, scan: UsageScan) => {
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

export const errors = function* (scan: ErrorsScan): SqlProgram<ReadonlyArray<ErrorGroup>> {
  const state = yield* readState()
  const { rolled } = state
  const found = new UsageFailures(scan.bucket)
  const words = new Map<string, FailureWords>()
  const { fromMs, toMs } = scan
  const { values, where } = conditionsOf(scan)
  if (scan.kind !== undefined) {
    where.push("error_kind = ?")
    values.push(scan.kind)
  }
  if (scan.fingerprint !== undefined) {
    where.push("fingerprint = ?")
    values.push(scan.fingerprint)
  }
  const addRecords = function* (from: number, to: number, time: string, bound: string): SqlProgram<void> {
    const filter = [...where, `${time} >= ?`, `${time} < ?`, bound, "fingerprint IS NOT NULL"].join(" AND ")
    const failing = yield query(
      `SELECT fingerprint, time_ms, id, error_kind, fault, provider, model, error_detail
       FROM usage_records WHERE ${filter}`,
      ...values,
      from,
      to,
      rolled
    )
    for (const row of failing) {
      const [fingerprint, timeMs, id] = row as [string, number, string]
      found.add({ fingerprint, count: 1, firstMs: timeMs, lastMs: timeMs, sampleId: id })
      words.set(fingerprint, wordsIn(row.slice(3)))
    }
  }
  if (scan.key === undefined) {
    const end = (yield* overrunOf(scan, state)) === 0 ? endOfDay(toMs) : toMs
    for (const stretch of coverFailures(fromMs, end, scan.bucket, state)) {
      if (stretch.sizeMs === 0) {
        yield* addRecords(stretch.fromMs, stretch.toMs, "time_ms", "+seq <= ?")
        continue
      }
      const counts = yield query(
        `SELECT f.fingerprint, f.failures, f.first_ms, f.last_ms, f.sample_id, p.kind, p.fault, p.provider, p.model, p.message
         FROM usage_failures f JOIN usage_fingerprints p ON p.fingerprint = f.fingerprint
         WHERE f.size_ms = ? AND f.start_ms >= ? AND f.start_ms < ? AND f.tenant = ?`,
        stretch.sizeMs,
        stretch.fromMs,
        stretch.toMs,
        scan.tenant === undefined ? "" : wordOf(scan.tenant)
      )
      for (const row of counts) {
        const group = wordsIn(row.slice(5))
        const [fingerprint, count, firstMs, lastMs, sampleId] = row as [string, number, number, number, string]
        if (!fits(group, fingerprint, scan)) continue
        found.add({ fingerprint, count, firstMs, lastMs, sampleId })
        words.set(fingerprint, group)
      }
    }
  } else {
    // Keys are too many for sums of their own; the places of a key's failures lead to them, the newest of each combination.
    for (const [id] of yield dimsWith({ ...scan, status: "error" })) {
      const failing = yield query(
        `SELECT ${failureColumns} FROM usage_places p JOIN usage_records r ON r.seq = p.seq
         WHERE p.dims = ? AND p.time_ms >= ? AND p.time_ms < ? AND r.seq <= ? AND r.fingerprint IS NOT NULL
         ORDER BY p.time_ms DESC, p.seq DESC LIMIT ?`,
        id!,
        fromMs,
        toMs,
        rolled,
        failuresOfPlace
      )
      for (const row of failing) {
        const [fingerprint, timeMs, sampleId] = row as [string, number, string]
        const group = wordsIn(row.slice(3))
        if (!fits(group, fingerprint, scan)) continue
        found.add({ fingerprint, count: 1, firstMs: timeMs, lastMs: timeMs, sampleId })
        words.set(fingerprint, group)
      }
    }
  }
  yield* addRecords(fromMs, toMs, "+time_ms", "seq > ?")
  return found.report(words, scan.limit)
}

/** Failures of one key and one combination of values that are looked at. */
const failuresOfPlace = 20_000

const failureColumns = "r.fingerprint, r.time_ms, r.id, r.error_kind, r.fault, r.provider, r.model, r.error_detail"

const wordsIn = (row: SqlRow): FailureWords => {
  const [kind, fault, provider, model, message] = row as ReadonlyArray<string | null>
  return { kind: kind!, fault: fault as FailureWords["fault"], provider: provider!, model: model!, message: message! }
}

const fits = (words: FailureWords, fingerprint: string, scan: ErrorsScan): boolean =>
  (scan.provider === undefined || words.provider === scan.provider) &&
  (scan.model === undefined || words.model === scan.model) &&
  (scan.kind === undefined || words.kind === scan.kind) &&
  (scan.fingerprint === undefined || fingerprint === scan.fingerprint)

/** Counts of failures are kept by minute, hour and day; `sizeMs` is 0 where the records are read. */
const coverFailures = (fromMs: number, toMs: number, bucket: ErrorsScan["bucket"], state: SumsState) =>
  cover({ fromMs, toMs }, bucket, new Set(), state).map((stretch) => ({
    fromMs: stretch.fromMs,
    toMs: stretch.toMs,
    sizeMs: stretch.shape?.sizeMs ?? 0
  }))
