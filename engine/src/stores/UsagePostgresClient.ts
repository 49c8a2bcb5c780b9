/**
 * Runs programs for a SQL database on Postgres, over an Effect `SqlClient`.
 *
 * A step with many rows is one statement, whose values travel column by column as JSON: the server needs one parse for it,
 * whatever the number of rows. Texts that Postgres can't hold, with a zero character or half a surrogate pair, are mended.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { SqlValue } from "./UsageColumns.ts"
import {
  query,
  type SqlInsert,
  type SqlLookup,
  type SqlProgram,
  type SqlRemove,
  type SqlRow,
  type SqlStep,
  type SqlTable,
  type SqlType
} from "./UsageSql.ts"
import { migrate, schemaVersion } from "./UsageSchema.ts"

/**
 * Runs all of a program or nothing of it. One that reads sees one state of the database throughout. `onAnswer` hears each
 * answer of the server.
 */
export const run = <A>(
  sql: SqlClient,
  program: SqlProgram<A>,
  reads: boolean,
  onAnswer: () => void = () => {}
): Effect.Effect<A, SqlError> =>
  sql.withTransaction(
    Effect.gen(function* () {
      if (reads) yield* sql.unsafe("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
      let next = program.next()
      while (next.done !== true) {
        const rows = yield* rowsOf(sql, next.value)
        onAnswer()
        next = program.next(rows)
      }
      return next.value
    })
  )

const migrateLock = 6_174_100_003

/** Brings the schema to this version. Several instances that start at once take turns. */
export const migrateAll = function* (): SqlProgram<void> {
  yield query("SELECT pg_advisory_xact_lock(?)", migrateLock)
  yield query("CREATE TABLE IF NOT EXISTS usage_version (version bigint NOT NULL)")
  const [found] = yield query("SELECT max(version) FROM usage_version")
  const version = (found?.[0] as number | null) ?? 0
  if (version === schemaVersion) return
  yield* migrate("postgres", version)
  yield query("DELETE FROM usage_version")
  yield query("INSERT INTO usage_version (version) VALUES (?)", schemaVersion)
}

const rowsOf = (sql: SqlClient, step: SqlStep): Effect.Effect<ReadonlyArray<SqlRow>, SqlError> => {
  if (step._tag === "query") {
    const params = step.params.map((value) => (Number.isSafeInteger(value) ? BigInt(value as number) : mended(value)))
    return Effect.map(sql.unsafe(numbered(step.sql), params).values, (rows) => rows.map(plain))
  }
  if (step.rows.length === 0) return Effect.succeed([])
  if (step.rows.length > rowsAtOnce) {
    const parts = Array.from({ length: Math.ceil(step.rows.length / rowsAtOnce) }, (_, i) => ({
      ...step,
      rows: step.rows.slice(i * rowsAtOnce, (i + 1) * rowsAtOnce)
    }))
    return Effect.map(
      Effect.forEach(parts, (part) => rowsOf(sql, part)),
      (found) => found.flat()
    )
  }
  return Effect.map(sql.unsafe(statementOf(step), columnsOf(step)).values, (rows) => rows.map(plain))
}

/** So that no statement takes long. */
const rowsAtOnce = 1000

const texts = new Map<string, string>()

/** The statement with numbers for its parameters. */
const numbered = (text: string): string => {
  let made = texts.get(text)
  if (made === undefined) {
    let count = 0
    made = text.replaceAll("?", () => `$${++count}`)
    if (texts.size >= 500) texts.clear()
    texts.set(text, made)
  }
  return made
}

/** Whole numbers of 64 bits come as `bigint`; all of ours are numbers. */
const plain = (row: ReadonlyArray<unknown>): SqlRow =>
  row.map((value) => (typeof value === "bigint" ? Number(value) : (value as SqlValue)))

const castOf: { readonly [K in SqlType]: (name: string) => string } = {
  text: (name) => name,
  integer: (name) => `${name}::bigint`,
  real: (name) => `${name}::double precision`,
  bytes: (name) => `decode(${name}, 'base64')`
}

const typeOf = (table: SqlTable, column: string): SqlType =>
  table.columns.find(([name]) => name === column)?.[1] ?? "text"

const namesOf = (step: Exclude<SqlStep, { readonly _tag: "query" }>): ReadonlyArray<string> =>
  step._tag === "insert" ? step.table.columns.map(([name]) => name) : step.keys

const statementOf = (step: SqlInsert | SqlLookup | SqlRemove): string => {
  const { table } = step
  const names = namesOf(step)
  const sources = names.map((_, i) => `json_array_elements_text($${i + 1}::json)`).join(", ")
  const given = names.map((_, i) => `c${i}`)
  const casts = names.map((name, i) => castOf[typeOf(table, name)](`j.c${i}`))
  const matches = names.map((name, i) => `t.${name} = ${casts[i]}`).join(" AND ")
  switch (step._tag) {
    case "insert": {
      const conflict = step.onConflict === undefined ? "" : ` ON CONFLICT ${step.onConflict}`
      return `INSERT INTO ${table.name} (${names.join(", ")})
        SELECT ${casts.join(", ")} FROM ROWS FROM (${sources}) AS j(${given.join(", ")})${conflict}`
    }
    case "lookup":
      return `SELECT ${step.select.map((column) => `t.${column}`).join(", ")}
        FROM ROWS FROM (${sources}) WITH ORDINALITY AS j(${given.join(", ")}, place)
        LEFT JOIN ${table.name} t ON ${matches} ORDER BY j.place`
    case "remove":
      return `DELETE FROM ${table.name} t USING ROWS FROM (${sources}) AS j(${given.join(", ")}) WHERE ${matches}`
  }
}

/** One JSON array for each column. */
const columnsOf = (step: SqlInsert | SqlLookup | SqlRemove): ReadonlyArray<string> =>
  namesOf(step).map((name, i) => {
    if (typeOf(step.table, name) === "bytes") {
      return JSON.stringify(step.rows.map((row) => Buffer.from(row[i] as Uint8Array).toString("base64")))
    }
    const json = JSON.stringify(step.rows.map((row) => row[i]))
    return unholdable.test(json) ? JSON.stringify(step.rows.map((row) => mended(row[i]!))) : json
  })

/** Escapes that only such texts are written with; some others match too, and are left as they are. */
const unholdable = /\\u(?:0000|d[89a-f])/i

const mended = (value: SqlValue): SqlValue =>
  typeof value === "string" ? value.toWellFormed().replaceAll("\u0000", "\ufffd") : value

/** Data exceptions, integrity violations and exceeded limits of Postgres; values that can't be sent at all. */
export const isRefusedByPostgres = (error: unknown): boolean => {
  if (error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError) return true
  if (!isSqlError(error)) return false
  const { cause } = error.reason
  return cause instanceof Error && "code" in cause && /^(?:22|23|54)/.test(String(cause.code))
}
