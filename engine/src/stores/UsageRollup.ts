/**
 * Sums of the usage database, kept up to date behind the records.
 *
 * One step takes the records that follow the last one summed up, adds them to the cells, places and failures they belong to
 * and moves `rolled` on, in one transaction: a record is in the sums or after `rolled`, never both, never neither. Writing
 * waits for none of this. Existing databases are summed up by the same steps.
 */
import { columns, columnOf, type SqlValue } from "./UsageColumns.ts"
import { UsageCell, type UsageFigures } from "./UsageCell.ts"
import { cells, dims, failures, fingerprints, places, readable, state } from "./UsageSchema.ts"
import {
  type Dims,
  everything,
  fields,
  levels,
  narrow,
  shapes,
  type Shape,
  type SumsState,
  wordOf
} from "./UsageShapes.ts"
import { bucketMs } from "./UsageAggregate.ts"
import { type Dialect, insert, lookup, query, type SqlProgram, type SqlRow } from "./UsageSql.ts"
import { usdOf } from "../Money.ts"

/** Columns of the figures, in the order in which `figuresOf` reads them. */
const figureColumns = [
  "time_ms",
  "uncached_input",
  "cache_read_input",
  "cache_write_input",
  "output",
  "reasoning",
  "cost_picos",
  "unpriced_reason",
  "saved_picos",
  "saved_tokens",
  "latency_ms",
  "ttft_ms",
  "status",
  "cache",
  "provider_cache_saved_picos"
] as const

export const selectFigures = (dialect: Dialect): string =>
  figureColumns.map((column) => readable(dialect, column)).join(", ")

export const figuresCount = figureColumns.length

/** Reads figures from the place of a row where they begin. */
export const figuresOf = (row: SqlRow, at: number): UsageFigures => ({
  timeMs: row[at] as number,
  uncachedInput: row[at + 1] as number,
  cacheReadInput: row[at + 2] as number,
  cacheWriteInput: row[at + 3] as number,
  output: row[at + 4] as number,
  reasoning: row[at + 5] as number,
  costUsd: usdOrNull(row[at + 6]!),
  unpricedReason: row[at + 7] as string | null,
  savedUsd: usdOrNull(row[at + 8]!),
  savedTokens: row[at + 9] as number,
  latencyMs: row[at + 10] as number | null,
  ttftMs: row[at + 11] as number | null,
  status: row[at + 12] as UsageFigures["status"],
  cache: row[at + 13] as UsageFigures["cache"],
  providerCacheSavedUsd: usdOrNull(row[at + 14]!)
})

const usdOrNull = (picos: SqlValue): number | null => (picos === null ? null : usdOf(picos as number))

/** Two programs that change the sums never run at once. */
export const lockRollups = function* (dialect: Dialect): SqlProgram<void> {
  if (dialect === "postgres") yield query("SELECT pg_advisory_xact_lock(?)", rollupLock)
}

const rollupLock = 6_174_100_002

/** Number of the last record that is in the sums, and the times that they are good for. */
export const readState = function* (): SqlProgram<SumsState & { readonly rolled: number }> {
  const rows = yield query("SELECT name, value FROM usage_state WHERE name IN ('rolled', 'pruned', 'later')")
  const values = new Map(rows.map(([name, value]) => [name, value as number]))
  return {
    rolled: values.get("rolled") ?? 0,
    prunedMs: values.get("pruned") ?? Number.MIN_SAFE_INTEGER,
    laterMs: values.get("later") ?? Number.MIN_SAFE_INTEGER
  }
}

export const setState = (name: "rolled" | "pruned", value: number) =>
  insert(state, [[name, value]], "(name) DO UPDATE SET value = excluded.value")

/** Sums up at most `limit` records more; returns how many there were. */
export const rollUp = function* (dialect: Dialect, limit: number): SqlProgram<number> {
  yield* lockRollups(dialect)
  return yield* sumUp(dialect, limit)
}

/** The same where nobody else is at it; undefined, at once, where somebody is. */
export const rollUpIfFree = function* (dialect: Dialect, limit: number): SqlProgram<number | undefined> {
  if (dialect === "postgres") {
    const [row] = yield query("SELECT CASE WHEN pg_try_advisory_xact_lock(?) THEN 1 ELSE 0 END", rollupLock)
    if (row![0] !== 1) return undefined
  }
  return yield* sumUp(dialect, limit)
}

const sumUp = function* (dialect: Dialect, limit: number): SqlProgram<number> {
  const { rolled } = yield* readState()
  const selected = [...fields.map((field) => columnOf[field]), selectFigures(dialect)].join(", ")
  const rows = yield query(
    `SELECT seq, id, fingerprint, error_kind, fault, error_detail, ${selected}
     FROM usage_records WHERE seq > ? ORDER BY seq LIMIT ?`,
    rolled,
    limit
  )
  if (rows.length === 0) return 0
  const combinations = new Map<string, Combination>()
  const sums = new Sums()
  const placed: Array<readonly [Combination, timeMs: number, seq: number]> = []
  const failed = new Failed()
  for (const row of rows) {
    const figures = figuresOf(row, 12)
    const combination = combinationOf(combinations, row, 6)
    sums.add(combination, figures)
    placed.push([combination, figures.timeMs, row[0] as number])
    if (row[2] !== null) failed.add(row, figures.timeMs, combination.dims)
  }
  yield* identify([...combinations.values()])
  yield insert(
    places,
    placed.map(([{ id }, timeMs, seq]) => [id, timeMs, seq]),
    "DO NOTHING"
  )
  yield* addToCells(sums.changes())
  yield* failed.write()
  yield setState("rolled", rows.at(-1)![0] as number)
  return rows.length
}

/** One combination of values; `id` is that of its row in `usage_dims`, 0 until it is known. */
export interface Combination {
  readonly dims: Dims
  id: number
}

/** The combination that a row's values are, which begin at `at` in the order of `fields`. */
export const combinationOf = (known: Map<string, Combination>, row: SqlRow, at: number): Combination => {
  let name = ""
  for (let i = 0; i < fields.length; i++) name += `${wordOf(row[at + i] as string | null)}\n`
  let combination = known.get(name)
  if (combination === undefined) {
    const values = fields.map((field, i) => [field, row[at + i]])
    combination = { dims: Object.fromEntries(values) as Dims, id: 0 }
    known.set(name, combination)
  }
  return combination
}

const dimsColumns = dims.columns.slice(1).map(([column]) => column)
const fieldOfColumn = new Map(fields.map((field) => [columnOf[field], field]))

/** Finds the ids of combinations, and makes those that are missing. */
export const identify = function* (combinations: ReadonlyArray<Combination>): SqlProgram<void> {
  const rowOf = ({ dims: values }: Combination): SqlRow =>
    dimsColumns.map((column) => wordOf(values[fieldOfColumn.get(column)!]))
  const found = yield lookup(dims, dimsColumns, ["id"], combinations.map(rowOf))
  const missing: Array<Combination> = []
  for (const [i, combination] of combinations.entries()) {
    const id = found[i]![0]
    if (id === null) missing.push(combination)
    else combination.id = id as number
  }
  if (missing.length === 0) return
  const [last] = yield query("SELECT coalesce(max(id), 0) FROM usage_dims")
  for (const [i, combination] of missing.entries()) combination.id = (last![0] as number) + i + 1
  yield insert(
    dims,
    missing.map((combination) => [combination.id, ...rowOf(combination)])
  )
}

/** What is to be added to a cell. A `shared` one is also that of another change, and never changed. */
export interface CellChange {
  readonly shape: Shape
  readonly combination: Combination
  readonly startMs: number
  cell: UsageCell
  shared: boolean
}

type Starts = Map<number, UsageCell>

/** Sums of records by combination and time, from which those of the smaller sets are made. */
export class Sums {
  private readonly minutes = new Map<Combination, Starts>()

  add(combination: Combination, figures: UsageFigures): void {
    this.cell(combination, figures.timeMs).add(figures)
  }

  /** What is added to records of a combination in the minute of `timeMs`. */
  cell(combination: Combination, timeMs: number): UsageCell {
    const startMs = Math.floor(timeMs / bucketMs.minute) * bucketMs.minute
    let starts = this.minutes.get(combination)
    if (starts === undefined) this.minutes.set(combination, (starts = new Map()))
    let cell = starts.get(startMs)
    if (cell === undefined) starts.set(startMs, (cell = new UsageCell()))
    return cell
  }

  changes(): ReadonlyArray<CellChange> {
    const changes: Array<CellChange> = []
    let sums = this.minutes
    for (const level of levels.toReversed()) {
      if (level !== "minute") sums = coarser(sums, bucketMs[level])
      for (const shape of shapes) if (shape.level === level) project(shape, sums, changes)
    }
    return changes
  }
}

const together = (some: UsageCell, others: UsageCell): UsageCell => {
  const cell = new UsageCell()
  cell.merge(some)
  cell.merge(others)
  return cell
}

/** The same sums by longer stretches of time. */
const coarser = (sums: ReadonlyMap<Combination, Starts>, sizeMs: number): Map<Combination, Starts> => {
  const made = new Map<Combination, Starts>()
  for (const [combination, starts] of sums) {
    const longer: Starts = new Map()
    const own = new Set<number>()
    for (const [start, cell] of starts) {
      const startMs = Math.floor(start / sizeMs) * sizeMs
      const sum = longer.get(startMs)
      if (sum === undefined) longer.set(startMs, cell)
      else if (own.has(startMs)) sum.merge(cell)
      else {
        own.add(startMs)
        longer.set(startMs, together(sum, cell))
      }
    }
    made.set(combination, longer)
  }
  return made
}

/** Adds up what has the same values of a set of fields. Where a sum has one part it is that part, not a copy. */
const project = (shape: Shape, sums: ReadonlyMap<Combination, Starts>, changes: Array<CellChange>): void => {
  const { set } = shape
  const found = new Map<string, Map<number, CellChange>>()
  for (const [combination, starts] of sums) {
    let ofName: Map<number, CellChange> | undefined
    if (set !== everything) {
      let name = ""
      for (const field of set) name += `${wordOf(combination.dims[field])}\n`
      ofName = found.get(name)
      if (ofName === undefined) found.set(name, (ofName = new Map()))
    }
    for (const [startMs, cell] of starts) {
      const change = ofName?.get(startMs)
      if (change === undefined) {
        const made = { shape, combination, startMs, cell, shared: true }
        changes.push(made)
        ofName?.set(startMs, made)
      } else if (change.shared) {
        change.cell = together(change.cell, cell)
        change.shared = false
      } else change.cell.merge(cell)
    }
  }
}

const cellKeys = ["shape", "a", "start_ms", "b"]

const keyOf = ({ combination, shape, startMs }: CellChange): SqlRow => {
  const { set } = shape
  if (set === everything) return [shape.id, String(combination.id), startMs, ""]
  if (set === narrow) return [shape.id, "", startMs, set.map((field) => wordOf(combination.dims[field])).join("\n")]
  const [a, b] = set.map((field) => wordOf(combination.dims[field]))
  return [shape.id, a ?? "", startMs, b ?? ""]
}

/** Adds to cells that are there, and makes those that are not. */
export const addToCells = function* (changes: ReadonlyArray<CellChange>): SqlProgram<void> {
  const keys = changes.map(keyOf)
  const found = yield lookup(cells, cellKeys, ["body"], keys)
  const rows = changes.map((change, i) => {
    const body = found[i]![0]
    if (body === null) return [...keys[i]!, change.cell.encode()]
    const cell = new UsageCell()
    cell.mergeEncoded(body as Uint8Array)
    cell.merge(change.cell)
    return [...keys[i]!, cell.encode()]
  })
  yield insert(cells, rows, "(shape, a, start_ms, b) DO UPDATE SET body = excluded.body")
}

/** Failures of a step, by time, fingerprint and tenant; the tenant without a name stands for all. */
class Failed {
  private readonly counts = new Map<string, Array<SqlValue>>()
  private readonly words = new Map<string, SqlRow>()

  add(row: SqlRow, timeMs: number, { model, provider, tenant }: Dims): void {
    const [, id, fingerprint, kind, fault, message] = row as [number, string, string, string, string, string]
    this.words.set(fingerprint, [fingerprint, kind, fault, provider, model, message])
    for (const level of levels) {
      const sizeMs = bucketMs[level]
      const startMs = Math.floor(timeMs / sizeMs) * sizeMs
      for (const word of ["", wordOf(tenant)]) {
        const name = `${sizeMs} ${startMs} ${fingerprint} ${word}`
        const count = this.counts.get(name)
        if (count === undefined) this.counts.set(name, [sizeMs, startMs, fingerprint, word, 1, timeMs, timeMs, id])
        else {
          count[4] = (count[4] as number) + 1
          count[5] = Math.min(count[5] as number, timeMs)
          if (timeMs > (count[6] as number)) [count[6], count[7]] = [timeMs, id]
        }
      }
    }
  }

  *write(): SqlProgram<void> {
    if (this.words.size === 0) return
    yield insert(fingerprints, [...this.words.values()], "DO NOTHING")
    yield insert(
      failures,
      [...this.counts.values()],
      `(size_ms, start_ms, fingerprint, tenant) DO UPDATE SET
        failures = usage_failures.failures + excluded.failures,
        first_ms = CASE WHEN excluded.first_ms < usage_failures.first_ms THEN excluded.first_ms ELSE usage_failures.first_ms END,
        sample_id = CASE WHEN excluded.last_ms > usage_failures.last_ms THEN excluded.sample_id ELSE usage_failures.sample_id END,
        last_ms = CASE WHEN excluded.last_ms > usage_failures.last_ms THEN excluded.last_ms ELSE usage_failures.last_ms END`
    )
  }
}

/** Columns that a record is selected by. */
export const selectRecord = (dialect: Dialect): string =>
  `SELECT seq, ${columns.map(([, column]) => readable(dialect, column)).join(", ")} FROM usage_records`
