/**
 * An Effect `SqlClient` for SQLite whose statements run in a thread of their own.
 *
 * `node:sqlite` is synchronous, and waiting for a disk or a lock would stop every request of the process; here it stops one
 * thread. Statements run one after the other, transactions one at a time. Opening the file is left to the first statement
 * and tried again by the next one when it failed, so making a client never fails.
 */
import { Effect, Semaphore, type Scope, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, ConnectionError, SqlError } from "effect/sql/SqlError"
import { makeCompilerSqlite } from "effect/sql/Statement"
import type { SqlAnswer, SqlQuestion, SqlThreadData } from "./SqlThreadWorker.ts"
import { WorkerThread } from "./WorkerThread.ts"

export interface SqlThreadOptions {
  /** A file, or `:memory:`. A missing folder is made. */
  readonly path: string
  /** Milliseconds that a statement waits for a lock of another process, 1000 by default. */
  readonly busyTimeoutMs?: number | undefined
  /** `full` (default) survives a power cut, `normal` only the end of the process. */
  readonly synchronous?: "normal" | "full" | undefined
}

/** Milliseconds that closing waits for the statements that are under way. */
const closeTimeoutMs = 3000

export const make = (options: SqlThreadOptions): Effect.Effect<SqlClient.SqlClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const data: SqlThreadData = {
      path: options.path,
      busyTimeoutMs: options.busyTimeoutMs ?? 1000,
      synchronous: options.synchronous ?? "full"
    }
    const thread = yield* Effect.acquireRelease(
      Effect.sync(() => new WorkerThread<never, SqlQuestion, SqlAnswer>("SqlThreadWorker", data, () => {})),
      (thread) => Effect.promise(() => thread.close(closeTimeoutMs))
    )
    const acquirers = SqlClient.makeSqliteAcquirers({
      connection: Effect.succeed(connectionOf(thread)),
      semaphore: yield* Semaphore.make(1)
    })
    return yield* SqlClient.make({
      ...acquirers,
      compiler: makeCompilerSqlite(),
      // A transaction that begins by reading could not become a writing one beside another writer.
      beginTransaction: "BEGIN IMMEDIATE",
      releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
      driver: "sqlite-thread",
      spanAttributes: [["db.system.name", "sqlite"]]
    })
  }).pipe(Effect.provide(Reactivity.layer))

const connectionOf = (thread: WorkerThread<never, SqlQuestion, SqlAnswer>): Connection => {
  const run = <Row extends object>(sql: string, params: ReadonlyArray<unknown>, values: boolean) =>
    Effect.callback<ReadonlyArray<Row>, SqlError>((resume) =>
      thread.ask({ sql, params, values }, (answered) => {
        if (answered._tag === "unanswered") {
          const reason = new ConnectionError({ cause: answered.reason, message: answered.reason, operation: "execute" })
          return resume(Effect.fail(new SqlError({ reason })))
        }
        const { answer } = answered
        if (answer._tag === "rows") return resume(Effect.succeed(answer.rows as ReadonlyArray<Row>))
        const cause = { code: answer.errcode, message: answer.message }
        resume(Effect.fail(new SqlError({ reason: classifySqliteError(cause, { message: answer.message }) })))
      })
    )
  const rows: Connection["execute"] = (sql, params, transform) =>
    transform === undefined ? run(sql, params, false) : Effect.map(run(sql, params, false), transform)
  return {
    execute: rows,
    executeUnprepared: rows,
    executeRaw: (sql, params) => run(sql, params, false),
    executeValues: (sql, params) => run<ReadonlyArray<unknown>>(sql, params, true),
    executeValuesUnprepared: (sql, params) => run<ReadonlyArray<unknown>>(sql, params, true),
    executeStream: (sql, params, transform) =>
      Stream.unwrap(Effect.map(rows(sql, params, transform), Stream.fromIterable))
  }
}
