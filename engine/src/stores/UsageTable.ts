/**
 * A SQLite file with usage records: opening, migrating, and running programs on it, all synchronous.
 *
 * It runs in a thread of its own, where waiting for a lock or a disk stops nobody else. The schema has a version in
 * `PRAGMA user_version`; a database of a newer version is refused, never changed.
 */
import { mkdirSync } from "node:fs"
import path from "node:path"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { migrate, schemaVersion } from "./UsageSchema.ts"
import { type SqlProgram, type SqlRow, type SqlStep, statementOf } from "./UsageSql.ts"

export interface UsageTableOptions {
  /** A file, or `:memory:`. A missing folder is made. */
  readonly path: string
  /** Milliseconds to wait for a lock. */
  readonly busyTimeoutMs: number
  /** `full` survives a power cut, `normal` only the end of the process. */
  readonly synchronous: "normal" | "full"
  readonly readOnly: boolean
}

/** Statements that stay prepared. */
const preparedMax = 200

export class UsageTable {
  private readonly database: DatabaseSync
  private readonly readOnly: boolean
  private readonly prepared = new Map<string, StatementSync>()

  /** Throws what SQLite throws: no such folder, no right to write, locked, not a database. */
  constructor(options: UsageTableOptions) {
    if (options.path !== ":memory:" && !options.readOnly) mkdirSync(path.dirname(options.path), { recursive: true })
    this.database = new DatabaseSync(options.path, { timeout: options.busyTimeoutMs, readOnly: options.readOnly })
    this.readOnly = options.readOnly
    try {
      this.database.exec(`PRAGMA cache_size = -${cacheKiB}`)
      if (!options.readOnly) {
        this.database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${options.synchronous}`)
        if (this.version() !== schemaVersion) this.migrate()
      }
    } catch (error) {
      this.database.close()
      throw error
    }
  }

  /** Runs all of a program or nothing of it. */
  run<A>(program: SqlProgram<A>): A {
    const { database } = this
    database.exec(this.readOnly ? "BEGIN" : "BEGIN IMMEDIATE")
    try {
      let next = program.next()
      while (next.done !== true) next = program.next(this.step(next.value))
      database.exec("COMMIT")
      return next.value
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK")
      throw error
    }
  }

  close(): void {
    this.database.close()
  }

  private step(step: SqlStep): ReadonlyArray<SqlRow> {
    if (step._tag === "query") return all(this.prepare(step.sql), step.params)
    const { rows } = step
    if (rows.length === 0) return []
    const statement = this.prepare(statementOf(step))
    if (step._tag === "lookup") {
      const none = step.select.map(() => null)
      return rows.map((row) => (statement.get(...row) as unknown as SqlRow | undefined) ?? none)
    }
    for (const row of rows) statement.run(...row)
    return []
  }

  private prepare(sql: string): StatementSync {
    let statement = this.prepared.get(sql)
    if (statement === undefined) {
      statement = this.database.prepare(sql)
      // Rows as objects would take about three times as long.
      statement.setReturnArrays(true)
      if (this.prepared.size >= preparedMax) this.prepared.clear()
      this.prepared.set(sql, statement)
    }
    return statement
  }

  private version(): number {
    return Number(this.database.prepare("PRAGMA user_version").get()?.user_version)
  }

  private migrate(): void {
    const database = this.database
    const version = () => this.version()
    this.run(
      (function* (): SqlProgram<void> {
        yield* migrate("sqlite", version())
        database.exec(`PRAGMA user_version = ${schemaVersion}`)
      })()
    )
  }
}

/** Pages that a connection keeps, in KiB. */
const cacheKiB = 65_536

const all = (statement: StatementSync, params: SqlRow): ReadonlyArray<SqlRow> =>
  statement.all(...params) as unknown as ReadonlyArray<SqlRow>
