/**
 * The thread that runs the statements of `SqlThread` on a connection to a SQLite file.
 *
 * A statement that SQLite refuses is answered with its code and leaves the connection as it is; when the file can't be
 * opened, the next statement tries again. It imports nothing that takes time to load.
 */
import { mkdirSync } from "node:fs"
import path from "node:path"
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { workerData } from "node:worker_threads"
import { serve } from "./WorkerLoop.ts"

export interface SqlThreadData {
  /** A file, or `:memory:`. A missing folder is made. */
  readonly path: string
  /** Milliseconds to wait for a lock of another process. */
  readonly busyTimeoutMs: number
  /** `full` survives a power cut, `normal` only the end of the process. */
  readonly synchronous: "normal" | "full"
}

/** One statement; `values` asks for rows as arrays. */
export interface SqlQuestion {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
  readonly values: boolean
}

/** Rows, or what SQLite said; `errcode` is its extended result code. */
export type SqlAnswer =
  | { readonly _tag: "rows"; readonly rows: ReadonlyArray<unknown> }
  | { readonly _tag: "refused"; readonly errcode: number; readonly message: string }

const options = workerData as SqlThreadData

/** Statements that stay prepared. */
const preparedMax = 100

class Connection {
  private readonly database: DatabaseSync
  private readonly prepared = new Map<string, StatementSync>()

  constructor() {
    if (options.path !== ":memory:") mkdirSync(path.dirname(options.path), { recursive: true })
    this.database = new DatabaseSync(options.path, { timeout: options.busyTimeoutMs })
    this.database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${options.synchronous}`)
  }

  run({ params, sql, values }: SqlQuestion): SqlAnswer {
    try {
      const statement = this.prepare(sql)
      statement.setReturnArrays(values)
      return { _tag: "rows", rows: statement.all(...params.map(inputOf)) }
    } catch (error) {
      if (!hasCode(error)) throw error
      return { _tag: "refused", errcode: error.errcode, message: error.message }
    }
  }

  close(): void {
    this.database.close()
  }

  private prepare(sql: string): StatementSync {
    let statement = this.prepared.get(sql)
    if (statement === undefined) {
      statement = this.database.prepare(sql)
      statement.setReadBigInts(false)
      if (this.prepared.size >= preparedMax) this.prepared.clear()
      this.prepared.set(sql, statement)
    }
    return statement
  }
}

const inputOf = (value: unknown): SQLInputValue =>
  typeof value === "boolean" ? (value ? 1 : 0) : value instanceof Date ? value.toISOString() : (value as SQLInputValue)

const hasCode = (error: unknown): error is Error & { readonly errcode: number } =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number"

serve<Connection, never, SqlQuestion, SqlAnswer>({
  path: options.path,
  retryMs: 500,
  openAtStart: false,
  open: () => new Connection(),
  write: () => {},
  answer: (connection, question) => connection.run(question)
})
