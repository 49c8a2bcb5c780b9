/**
 * Budgets in the shared database, SQLite or Postgres.
 *
 * An exchange is one transaction of a few statements, however many accounts it is about. An instance on Postgres says that it
 * lives with each exchange and every ten seconds; one that has been silent for a minute is taken for dead by any other, and
 * what it held counts as spent. A SQLite file has one instance: whoever opens it takes those before it for dead. Rows of
 * periods that have long been over are deleted.
 */
import { Array as Arr, Clock, Effect, Schedule, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import {
  type BudgetBalance,
  type BudgetEntry,
  type BudgetKey,
  type BudgetScan,
  type BudgetStore,
  BudgetStoreUnavailable,
  type BudgetTotal,
  exchanged,
  type Holding
} from "../BudgetStore.ts"
import { Database, type DatabaseUnavailable } from "./Database.ts"

export interface BudgetSqlOptions {
  /** Milliseconds between two signs of life, 10,000 by default. */
  readonly heartbeatMs?: number | undefined
  /** Milliseconds of silence after which an instance is taken for dead, 60,000 by default. */
  readonly ownerTimeoutMs?: number | undefined
}

/** Rows of periods are kept so many milliseconds after their end. */
const retentionMs = 86_400_000
const pruneEveryMs = 3_600_000
/** Milliseconds that leaving may take: the engine is closing. */
const leaveMs = 2000

export const make = (options: BudgetSqlOptions = {}): Effect.Effect<BudgetStore, never, Database | Scope.Scope> =>
  Effect.gen(function* () {
    const database = yield* Database
    const owner = randomUUID()
    const owned = new Owned(owner, database.kind === "postgres", options.ownerTimeoutMs ?? 60_000)

    const use = <A, E>(f: (sql: SqlClient) => Effect.Effect<A, E | SqlError>) =>
      Effect.mapError(
        database.use((sql) => Effect.retry(f(sql), { times: 3, while: wasInTheWay })),
        (error) => new BudgetStoreUnavailable({ detail: (error as DatabaseUnavailable).detail })
      )

    if (database.kind === "postgres") {
      const beat = Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
        owned.known ? Effect.ignore(use((sql) => sql.withTransaction(owned.live(sql, nowMs)))) : Effect.void
      )
      yield* Effect.forkScoped(Effect.repeat(beat, Schedule.spaced(options.heartbeatMs ?? 10_000)))
    }
    yield* Effect.addFinalizer(() =>
      owned.known
        ? Effect.ignore(
            Effect.timeout(
              use((sql) => sql.withTransaction(owned.leave(sql))),
              leaveMs
            )
          )
        : Effect.void
    )

    return {
      kind: database.kind,
      exchange: (entries, nowMs) =>
        use((sql) => sql.withTransaction(Effect.andThen(owned.live(sql, nowMs), exchange(sql, owner, entries, nowMs)))),
      list: (scan) => use((sql) => list(sql, scan))
    }
  })

/** Two transactions were in each other's way, and this one gave in: it can be tried again at once. */
const wasInTheWay = (error: unknown): boolean =>
  isSqlError(error) && (error.reason._tag === "DeadlockError" || error.reason._tag === "SerializationError")

/** Amounts are read as text: they may be larger than what a number holds. */
interface Amounts {
  readonly id: string
  readonly spent: string
  readonly held: string
}

const holdingOf = ({ held, spent }: Amounts): Holding => ({ spent: BigInt(spent), held: BigInt(held) })

const forUpdate = (sql: SqlClient) => sql.literal(sql.onDialectOrElse({ pg: () => "FOR UPDATE", orElse: () => "" }))

const exchange = Effect.fnUntraced(function* (
  sql: SqlClient,
  owner: string,
  unsorted: ReadonlyArray<BudgetEntry>,
  nowMs: number
) {
  // In the order of their bytes, in which everybody locks them.
  const entries = unsorted
    .map((entry, index) => ({ entry, index, id: idOf(entry) }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)))
  const ids = entries.map(({ id }) => id)
  const locked = sql<Amounts & { readonly created_ms: number | string | bigint }>`
    SELECT id, created_ms, CAST(spent AS TEXT) AS spent, CAST(held AS TEXT) AS held
    FROM budget_periods WHERE ${sql.in("id", ids)} ORDER BY id ${forUpdate(sql)}`
  let totals = new Map((yield* locked).map((row) => [row.id, row]))
  const missing = entries.filter(({ id }) => !totals.has(id)).map(({ entry }) => rowOf(entry, nowMs, nothing))
  if (Arr.isArrayNonEmpty(missing)) {
    yield* sql`INSERT INTO budget_periods ${sql.insert(missing)}
      ON CONFLICT (id) DO NOTHING`
    totals = new Map((yield* locked).map((row) => [row.id, row]))
  }
  const held = yield* sql<Amounts>`SELECT id, CAST(spent AS TEXT) AS spent, CAST(held AS TEXT) AS held
    FROM budget_holdings WHERE owner = ${owner} AND ${sql.in("id", ids)}`
  const holdings = new Map(held.map((row) => [row.id, holdingOf(row)]))

  const balances: Array<BudgetBalance> = []
  const changed: Array<Row> = []
  const kept: Array<Record<string, unknown>> = []
  const gone: Array<string> = []
  for (const { entry, id, index } of entries) {
    const row = totals.get(id)!
    const { enough, lost, own, total } = exchanged(entry, holdingOf(row), holdings.get(id))
    const createdMs = Number(row.created_ms)
    changed.push(rowOf(entry, createdMs, total))
    if (entry.done) gone.push(id)
    else kept.push({ owner, id, spent: own.spent, held: own.held })
    balances[index] = { ...own, lost, enough, totalSpent: total.spent, totalHeld: total.held, createdMs }
  }
  if (!Arr.isArrayNonEmpty(changed)) return balances
  yield* sql`INSERT INTO budget_periods ${sql.insert(changed)} ON CONFLICT (id) DO UPDATE
    SET spent = excluded.spent, held = excluded.held, limit_amount = excluded.limit_amount, scope = excluded.scope`
  if (Arr.isArrayNonEmpty(kept)) {
    yield* sql`INSERT INTO budget_holdings ${sql.insert(kept)} ON CONFLICT (owner, id) DO UPDATE
      SET spent = excluded.spent, held = excluded.held`
  }
  if (gone.length > 0) yield* sql`DELETE FROM budget_holdings WHERE owner = ${owner} AND ${sql.in("id", gone)}`
  return balances
})

const nothing: Holding = { spent: 0n, held: 0n }

const rowOf = (entry: BudgetEntry, createdMs: number, { held, spent }: Holding) => ({
  id: idOf(entry),
  budget: entry.budget,
  account: entry.account,
  unit: entry.unit,
  scope: entry.scope,
  start_ms: entry.startMs,
  end_ms: Number.isFinite(entry.endMs) ? entry.endMs : null,
  created_ms: createdMs,
  limit_amount: entry.limit,
  spent,
  held
})

type Row = Record<string, unknown>

const idOf = ({ account, budget, startMs, unit }: BudgetKey): string => `${budget}\n${unit}\n${startMs}\n${account}`

interface Listed extends Amounts {
  readonly budget: string
  readonly account: string
  readonly unit: BudgetTotal["unit"]
  readonly scope: BudgetTotal["scope"]
  readonly start_ms: number | string | bigint
  readonly end_ms: number | string | bigint | null
  readonly created_ms: number | string | bigint
  readonly limit_amount: string
}

const list = (sql: SqlClient, { account, after, budget, limit, nowMs, scope }: BudgetScan) =>
  Effect.map(
    sql<Listed>`SELECT id, budget, account, unit, scope, start_ms, end_ms, created_ms,
        CAST(limit_amount AS TEXT) AS limit_amount, CAST(spent AS TEXT) AS spent, CAST(held AS TEXT) AS held
      FROM budget_periods WHERE ${sql.and([
        sql`start_ms <= ${nowMs}`,
        sql`(end_ms IS NULL OR end_ms > ${nowMs})`,
        ...(budget === undefined ? [] : [sql`budget = ${budget}`]),
        ...(scope === undefined ? [] : [sql`scope = ${scope}`]),
        ...(account === undefined ? [] : [sql`account = ${account}`]),
        ...(after === undefined
          ? []
          : [sql`(budget, account, unit) > (${after.budget}, ${after.account}, ${after.unit})`])
      ])} ORDER BY budget, account, unit LIMIT ${limit}`,
    (rows) =>
      rows.map((row): BudgetTotal => ({
        budget: row.budget,
        account: row.account,
        unit: row.unit,
        scope: row.scope,
        startMs: Number(row.start_ms),
        endMs: row.end_ms === null ? Number.POSITIVE_INFINITY : Number(row.end_ms),
        createdMs: Number(row.created_ms),
        limit: BigInt(row.limit_amount),
        ...holdingOf(row)
      }))
  )

/** The rows of one owner, and those of owners that are dead. */
class Owned {
  /** True once the database knows the owner. */
  known = false
  private readonly owner: string
  private readonly isShared: boolean
  private readonly timeoutMs: number
  private prunedMs = 0

  constructor(owner: string, isShared: boolean, timeoutMs: number) {
    this.owner = owner
    this.isShared = isShared
    this.timeoutMs = timeoutMs
  }

  /** A sign of life; buries those who gave none for long. */
  live(sql: SqlClient, nowMs: number): Effect.Effect<void, SqlError> {
    if (!this.isShared && this.known && nowMs - this.prunedMs < pruneEveryMs) return Effect.void
    return Effect.gen({ self: this }, function* () {
      // Who buries an owner takes its row away: from then on it begins anew.
      const now = nowOf(sql, nowMs)
      yield* sql`INSERT INTO budget_owners (owner, seen_ms) VALUES (${this.owner}, ${now})
        ON CONFLICT (owner) DO UPDATE SET seen_ms = excluded.seen_ms`
      const dead = yield* sql<{ readonly owner: string }>`DELETE FROM budget_owners
        WHERE owner <> ${this.owner} ${this.isShared ? sql`AND seen_ms < ${now} - ${this.timeoutMs}` : sql``}
        RETURNING owner`
      if (dead.length > 0) {
        yield* this.part(
          sql,
          dead.map(({ owner }) => owner),
          sql`spent = spent + part.rest`
        )
      }
      if (nowMs - this.prunedMs >= pruneEveryMs) {
        this.prunedMs = nowMs
        yield* sql`DELETE FROM budget_periods WHERE end_ms < ${nowMs - retentionMs}
          AND id NOT IN (SELECT id FROM budget_holdings)`
      }
      this.known = true
    })
  }

  /** Gives back what is not spent. */
  leave(sql: SqlClient): Effect.Effect<void, SqlError> {
    return Effect.andThen(
      this.part(sql, [this.owner], sql`held = budget_periods.held - part.rest`),
      sql`DELETE FROM budget_owners WHERE owner = ${this.owner}`
    )
  }

  /** Takes the parts of owners out of the totals; `part.rest` is what they did not spend. */
  private part(
    sql: SqlClient,
    owners: ReadonlyArray<string>,
    change: ReturnType<SqlClient["literal"]> | ReturnType<SqlClient>
  ): Effect.Effect<void, SqlError> {
    const theirs = sql.in("owner", owners)
    return Effect.gen(function* () {
      yield* sql`SELECT id FROM budget_periods WHERE id IN (SELECT id FROM budget_holdings WHERE ${theirs})
        ORDER BY id ${forUpdate(sql)}`
      yield* sql`UPDATE budget_periods SET ${change}
        FROM (SELECT id, SUM(held - spent) AS rest FROM budget_holdings WHERE ${theirs} GROUP BY id) AS part
        WHERE budget_periods.id = part.id`
      yield* sql`DELETE FROM budget_holdings WHERE ${theirs}`
    })
  }
}

/** The clock of the database where several instances share it. */
const nowOf = (sql: SqlClient, nowMs: number) =>
  sql.onDialectOrElse({
    pg: () => sql`CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`,
    orElse: () => sql`${nowMs}`
  })
