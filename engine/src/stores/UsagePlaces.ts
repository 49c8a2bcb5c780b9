/**
 * Where the records are that have certain values: keyset pagination over any filter.
 *
 * Each combination of values has its records in the order of time, so a page is the merge of the first few of each fitting
 * combination, however rare they are and however many records lie between. Records that are not in the sums yet are few and
 * looked through.
 */
import type { Position, UsageFilters } from "../UsageLog.ts"
import { columnOf, type SqlValue } from "./UsageColumns.ts"
import { readState } from "./UsageRollup.ts"
import { fields, wordOf } from "./UsageShapes.ts"
import { type Dialect, query, type SqlProgram, type SqlQuery, type SqlRow } from "./UsageSql.ts"

export interface PlaceScan extends UsageFilters {
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
  readonly after: Position | undefined
  readonly limit: number
  readonly newestFirst: boolean
}

export interface Conditions {
  readonly where: Array<string>
  readonly values: Array<SqlValue>
}

/** Conditions on the columns of a record. */
export const conditionsOf = (filters: UsageFilters): Conditions => {
  const conditions: Conditions = { where: [], values: [] }
  for (const field of fields) {
    const value = filters[field]
    if (value === undefined) continue
    conditions.where.push(`${columnOf[field]} = ?`)
    conditions.values.push(value)
  }
  return conditions
}

/** The combinations of values that have these. */
export const dimsWith = (filters: UsageFilters): SqlQuery => {
  const asked = fields.filter((field) => filters[field] !== undefined)
  const where = asked.map((field) => `d.${columnOf[field]} = ?`).join(" AND ")
  return query(`SELECT d.id FROM usage_dims d WHERE ${where}`, ...asked.map((field) => wordOf(filters[field]!)))
}

/** The first positions of a scan; with `upTo` only those of records with a number up to it. */
export const positionsOf = function* (
  dialect: Dialect,
  scan: PlaceScan,
  upTo?: number
): SqlProgram<ReadonlyArray<Position>> {
  const { limit, newestFirst } = scan
  const order = newestFirst ? "ORDER BY time_ms DESC, seq DESC LIMIT ?" : "ORDER BY time_ms, seq LIMIT ?"
  const range = rangeOf(scan)
  const filters = conditionsOf(scan)
  if (filters.where.length === 0) {
    const all = `SELECT time_ms, seq FROM usage_records ${whereOf(range)} ${order}`
    return (yield query(all, ...range.values, limit)).map(toPosition)
  }
  const best = new Best(limit, newestFirst)
  const rolled = upTo ?? (yield* readState()).rolled
  const within = ["dims = ?", ...range.where].join(" AND ")
  const select = `SELECT time_ms, seq FROM usage_places WHERE ${within}`
  const fitting = dimsWith(scan)
  const ids = yield fitting
  if (upTo === undefined && ids.length >= manyDims) {
    // What many combinations fit is seldom rare: looking at that many records of all costs less than asking for each.
    const looked = Math.min(Math.max(ids.length, lookedMin), lookedMax)
    const first = `SELECT * FROM usage_records ${whereOf(range)} ${order}`
    const found = yield query(
      `SELECT time_ms, seq FROM (${first}) AS looked ${whereOf(filters)} ${order}`,
      ...range.values,
      looked,
      ...filters.values,
      limit
    )
    if (found.length === limit) return found.map(toPosition)
  }
  if (dialect === "postgres") {
    const lateral = `${select.replace("dims = ?", "dims = d.id")} ${order}`
    best.add(
      yield query(
        `${fitting.sql
          .replace("d.id", "p.time_ms, p.seq")
          .replace(" WHERE", ` CROSS JOIN LATERAL (${lateral}) p WHERE`)}
         ${order.replace("time_ms", "p.time_ms").replace("seq", "p.seq")}`,
        ...range.values,
        limit,
        ...fitting.params,
        limit
      )
    )
  } else {
    for (const [id] of ids) {
      // What comes after the worst that would be shown need not be read.
      const worst = best.worst
      const bound = worst === undefined ? "" : ` AND time_ms ${newestFirst ? ">=" : "<="} ?`
      const values = worst === undefined ? range.values : [...range.values, worst.timeMs]
      best.add(yield query(`${select}${bound} ${order}`, id!, ...values, limit))
    }
  }
  if (upTo === undefined) {
    const where = [
      ...filters.where,
      ...range.where.map((condition) => condition.replace(/^time_ms/, "+time_ms")),
      "seq > ?"
    ]
    // A `+` keeps the index over time from being walked through for the order of a few records.
    const ordered = order.replace("time_ms", "+time_ms")
    const rest = `SELECT time_ms, seq FROM usage_records WHERE ${where.join(" AND ")} ${ordered}`
    best.add(yield query(rest, ...filters.values, ...range.values, rolled, limit))
  }
  return best.positions
}

/** Combinations from which on the first records of all are looked at before the places of each. */
const manyDims = 50
const lookedMin = 1000
const lookedMax = 10_000

const whereOf = ({ where }: Conditions): string => (where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`)

const rangeOf = ({ after, fromMs, newestFirst, toMs }: PlaceScan): Conditions => {
  const range: Conditions = { where: [], values: [] }
  const bound = (condition: string, ...values: ReadonlyArray<number>) => {
    range.where.push(condition)
    range.values.push(...values)
  }
  if (fromMs !== undefined) bound("time_ms >= ?", fromMs)
  if (toMs !== undefined) bound("time_ms < ?", toMs)
  if (after !== undefined) bound(`(time_ms, seq) ${newestFirst ? "<" : ">"} (?, ?)`, after.timeMs, after.seq)
  return range
}

const toPosition = ([timeMs, seq]: SqlRow): Position => ({ timeMs: timeMs as number, seq: seq as number })

/** The first positions of those that were added, in reading order. */
class Best {
  /** The last of the first, once there are as many as are asked for. Others may be better by now. */
  worst: Position | undefined
  private found: Array<Position> = []
  private readonly limit: number
  private readonly sign: 1 | -1

  constructor(limit: number, newestFirst: boolean) {
    this.limit = limit
    this.sign = newestFirst ? -1 : 1
  }

  get positions(): ReadonlyArray<Position> {
    this.sort()
    return this.found
  }

  add(rows: ReadonlyArray<SqlRow>): void {
    for (const row of rows) this.found.push(toPosition(row))
    if (this.found.length >= (this.worst === undefined ? 1 : 2) * this.limit) this.sort()
  }

  private sort(): void {
    const { found, limit, sign } = this
    found.sort((a, b) => sign * (a.timeMs - b.timeMs || a.seq - b.seq))
    if (found.length > limit) found.length = limit
    if (found.length === limit) this.worst = found.at(-1)
  }
}
