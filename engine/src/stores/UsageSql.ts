/**
 * Work on a SQL database as a list of steps, so that the same work runs on SQLite, at once and in a thread of its own, and
 * on Postgres, over a connection.
 *
 * A program yields steps and is given their rows; who runs it puts it into a transaction. Values from outside are always
 * bound, never part of a statement. Rows are arrays in the order of what was selected. A step that names many rows is one
 * statement for each row in SQLite, which is fast there, and one statement for all in Postgres, which is fast there.
 */
import type { SqlValue } from "./UsageColumns.ts"

export type Dialect = "sqlite" | "postgres"

export type SqlRow = ReadonlyArray<SqlValue>

export type SqlType = "text" | "integer" | "real" | "bytes"

export interface SqlTable {
  readonly name: string
  readonly columns: ReadonlyArray<readonly [name: string, type: SqlType]>
}

/** One statement with `?` for each parameter. */
export interface SqlQuery {
  readonly _tag: "query"
  readonly sql: string
  readonly params: ReadonlyArray<SqlValue>
}

/** Rows for a table. `onConflict` is what follows `ON CONFLICT`. */
export interface SqlInsert {
  readonly _tag: "insert"
  readonly table: SqlTable
  readonly rows: ReadonlyArray<SqlRow>
  readonly onConflict: string | undefined
}

/** For each of the keys the columns `select` of its row; a key without a row gets nulls. */
export interface SqlLookup {
  readonly _tag: "lookup"
  readonly table: SqlTable
  readonly keys: ReadonlyArray<string>
  readonly select: ReadonlyArray<string>
  readonly rows: ReadonlyArray<SqlRow>
}

/** Deletes the rows with these keys. */
export interface SqlRemove {
  readonly _tag: "remove"
  readonly table: SqlTable
  readonly keys: ReadonlyArray<string>
  readonly rows: ReadonlyArray<SqlRow>
}

export type SqlStep = SqlQuery | SqlInsert | SqlLookup | SqlRemove

export type SqlProgram<A> = Generator<SqlStep, A, ReadonlyArray<SqlRow>>

/** The work of a program went well and was undone. */
export class Undone extends Error {}

/** A program that always fails, so that nothing of it stays: with `Undone` where the program given goes well. */
export const undone = function* (program: SqlProgram<unknown>): SqlProgram<never> {
  yield* program
  throw new Undone()
}

export const query = (sql: string, ...params: ReadonlyArray<SqlValue>): SqlQuery => ({ _tag: "query", sql, params })

export const insert = (table: SqlTable, rows: ReadonlyArray<SqlRow>, onConflict?: string): SqlInsert => ({
  _tag: "insert",
  table,
  rows,
  onConflict
})

export const lookup = (
  table: SqlTable,
  keys: ReadonlyArray<string>,
  select: ReadonlyArray<string>,
  rows: ReadonlyArray<SqlRow>
): SqlLookup => ({ _tag: "lookup", table, keys, select, rows })

export const remove = (table: SqlTable, keys: ReadonlyArray<string>, rows: ReadonlyArray<SqlRow>): SqlRemove => ({
  _tag: "remove",
  table,
  keys,
  rows
})

/** The statement that SQLite runs for each row of a step. */
export const statementOf = (step: Exclude<SqlStep, SqlQuery>): string => {
  const { name } = step.table
  switch (step._tag) {
    case "insert": {
      const columns = step.table.columns.map(([column]) => column)
      const conflict = step.onConflict === undefined ? "" : ` ON CONFLICT ${step.onConflict}`
      return `INSERT INTO ${name} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})${conflict}`
    }
    case "lookup":
      return `SELECT ${step.select.join(", ")} FROM ${name} WHERE ${step.keys.map((key) => `${key} = ?`).join(" AND ")}`
    case "remove":
      return `DELETE FROM ${name} WHERE ${step.keys.map((key) => `${key} = ?`).join(" AND ")}`
  }
}
