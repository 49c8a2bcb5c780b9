/**
 * The SQL database of the installation, SQLite or Postgres, for everything that is kept in tables of its own.
 *
 * It connects and migrates at the first use, so a database that is away at the start stops nobody; a failed connection is
 * tried again by a later use. A use that gets no answer in time fails: whoever asks decides what to do without it. What it
 * says of a failure never holds the password of the URL.
 */
import { Clock, Context, Effect, Exit, Fiber, Layer, Redacted, Schema, Scope, Semaphore } from "effect"
import { Reactivity } from "effect/reactivity"
import * as Migrator from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { DatabaseLocation } from "./DatabaseLocation.ts"
import { migrations } from "./Migrations.ts"
import * as SqlThread from "./SqlThread.ts"

/** The database can't be used now; `detail` says why. */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  detail: Schema.String
}) {
  override get message() {
    return `the database can't be used: ${this.detail}`
  }
}

export interface DatabaseOptions {
  readonly location: Exclude<DatabaseLocation, { readonly kind: "memory" }>
  /** Milliseconds that a use may take, connecting included, 10,000 by default. */
  readonly timeoutMs?: number | undefined
  /** Milliseconds after a failed connection in which none is tried, 500 by default. */
  readonly retryMs?: number | undefined
  /** Connections to Postgres at most, 4 by default. */
  readonly maxConnections?: number | undefined
}

export class Database extends Context.Service<
  Database,
  {
    readonly kind: "sqlite" | "postgres"
    /** Runs statements on the connected and migrated database. Errors of SQL that `f` lets through are `DatabaseUnavailable`. */
    readonly use: <A, E, R>(
      f: (sql: SqlClient) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, Exclude<E, SqlError> | DatabaseUnavailable, R>
  }
>()("millrace/Database") {
  static readonly layer = (options: DatabaseOptions): Layer.Layer<Database> => Layer.effect(Database, make(options))
}

export const make = (options: DatabaseOptions): Effect.Effect<Database["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const { location, retryMs = 500, timeoutMs = 10_000 } = options
    const owner = yield* Effect.scope
    const connecting = yield* Semaphore.make(1)
    let connected: SqlClient | undefined
    let refused: { readonly atMs: number; readonly error: DatabaseUnavailable } | undefined

    const failed = (error: unknown): DatabaseUnavailable =>
      new DatabaseUnavailable({ detail: detailOf(error, location) })

    const connect = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const opened = Effect.gen(function* () {
        const sql = yield* clientOf(options)
        yield* migrate.pipe(Effect.provideService(SqlClient, sql))
        return sql
      }).pipe(Scope.provide(scope))
      return yield* Effect.onExit(opened, (exit) =>
        Exit.isSuccess(exit) ? Scope.addFinalizerExit(owner, (ended) => closed(scope, ended)) : closed(scope, exit)
      )
    })

    const client: Effect.Effect<SqlClient, DatabaseUnavailable> = Effect.suspend(() => {
      if (connected !== undefined) return Effect.succeed(connected)
      return connecting.withPermit(
        Effect.gen(function* () {
          if (connected !== undefined) return connected
          const nowMs = yield* Clock.currentTimeMillis
          if (refused !== undefined && nowMs - refused.atMs < retryMs) return yield* refused.error
          const sql = yield* Effect.catch(connect, (cause) => {
            refused = { atMs: nowMs, error: failed(cause) }
            return Effect.fail(refused.error)
          })
          refused = undefined
          connected = sql
          return sql
        })
      )
    })

    return Database.of({
      kind: location.kind,
      use: <A, E, R>(f: (sql: SqlClient) => Effect.Effect<A, E, R>) =>
        Effect.flatMap(client, f).pipe(
          Effect.catchIf(isSqlError, (error) => Effect.fail(failed(error))),
          leaving,
          Effect.timeoutOrElse({
            duration: timeoutMs,
            orElse: () => Effect.fail(new DatabaseUnavailable({ detail: `no answer within ${timeoutMs} ms` }))
          })
        ) as Effect.Effect<A, Exclude<E, SqlError> | DatabaseUnavailable, R>
    })
  })

/** Whoever stops waiting goes on at once: what a transaction has to undo is waited for by nobody, since it may never come. */
const leaving = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), (fiber) =>
    Effect.onInterrupt(Fiber.join(fiber), () => Effect.sync(() => fiber.interruptUnsafe()))
  )

/** Milliseconds that closing waits for a database that does not answer. */
const closeTimeoutMs = 3000

const closed = (scope: Scope.Closeable, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.asVoid(Effect.timeoutOption(Effect.interruptible(leaving(Scope.close(scope, exit))), closeTimeoutMs))

const clientOf = ({ location, maxConnections = 4 }: DatabaseOptions) =>
  Effect.gen(function* () {
    if (location.kind === "sqlite") return yield* SqlThread.make({ path: location.path })
    const { PgClient } = yield* Effect.promise(() => import("@effect/sql-pg"))
    const made = PgClient.make({
      url: location.url,
      applicationName: "millrace",
      connectTimeout: 5000,
      maxConnections
    })
    return yield* Effect.provide(made, Reactivity.layer)
  })

const migrate = Migrator.make({})({ loader: Effect.succeed(migrations), table: "millrace_migrations" })

/** The words of a failure, without what a driver may quote of the URL. */
export const detailOf = (error: unknown, location: DatabaseOptions["location"]): string => {
  const text = isSqlError(error) ? wordsOf(error) : error instanceof Error ? error.message : String(error)
  if (location.kind !== "postgres") return text
  const url = Redacted.value(location.url)
  const password = URL.canParse(url) ? new URL(url).password : ""
  const hidden = text.replaceAll(url, "<url>")
  return password === ""
    ? hidden
    : hidden.replaceAll(password, "<redacted>").replaceAll(decodeURIComponent(password), "<redacted>")
}

/** The driver says what it did, its cause what the server said; what refuses a value may quote it, and is left out. */
const wordsOf = ({ reason }: SqlError): string => {
  const { cause } = reason
  if (!(cause instanceof Error) || cause.message === reason.message) return reason.message
  const refusesValue = "code" in cause && typeof cause.code === "string" && cause.code.startsWith("22")
  return `${reason.message}: ${refusesValue ? `a value was refused (${String(cause.code)})` : cause.message}`
}
