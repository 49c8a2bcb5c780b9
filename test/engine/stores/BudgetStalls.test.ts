/**
 * A database of budgets that stands still, real ones: calls go on within the wait that is allowed, the budget holds by what is
 * known, and what was spent in the meantime is told when it is back.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Result, Schedule } from "effect"
import type { Budget } from "../../../engine/src/Budget.ts"
import * as BudgetSql from "../../../engine/src/stores/BudgetSql.ts"
import * as Database from "../../../engine/src/stores/Database.ts"
import { attempt, budgetOf, instance, type Planned } from "../../support/budgets.ts"
import { noPostgres, postgresBinaries, startPostgres } from "../../support/postgres.ts"

/** 0.3 $ each. */
const call: Planned = { prompt: 100, maxTokens: 100, used: { prompt: 100, output: 100 } }

const ask = (budget: Budget["Service"]) =>
  Effect.map(Effect.timed(Effect.result(attempt(budget, call))), ([took, result]) => ({
    tookMs: Duration.toMillis(took),
    answered: Result.isSuccess(result)
  }))

const spentAt = (budget: Budget["Service"]) =>
  Effect.map(budget.page({}), ({ items, store }) => ({ spent: items[0]!.spent, reserved: items[0]!.reserved, store }))

/** Runs calls before and while the database stands still, and looks at the books when it is back. */
const course = (budget: Budget["Service"], stall: Effect.Effect<void>, resume: Effect.Effect<void>) =>
  Effect.gen(function* () {
    for (let i = 0; i < 10; i++) assert.isTrue((yield* ask(budget)).answered)
    yield* Effect.sleep(1500)
    yield* stall
    const during = yield* Effect.ensuring(
      Effect.all(
        Array.from({ length: 200 }, () => ask(budget)),
        { concurrency: "unbounded" }
      ),
      resume
    )
    // 30 $ are there, 3 $ are spent.
    assert.strictEqual(during.filter(({ answered }) => answered).length, 90)
    assert.isBelow(Math.max(...during.map(({ tookMs }) => tookMs)), 1500)
    const after = yield* Effect.repeat(spentAt(budget), {
      schedule: Schedule.spaced(200),
      until: ({ store }) => store.healthy
    })
    assert.deepInclude(after, { spent: 30, reserved: 0 })
    assert.isAtLeast(after.store.decidedAlone, 1)
  })

const budgets = [budgetOf({ name: "all", usd: 30 })]

describe("a database that stands still", () => {
  it.live(
    "SQLite, locked by another process",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const folder = mkdtempSync(path.join(tmpdir(), "millrace-budgets-"))
          yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
          const file = path.join(folder, "state.db")
          const database = yield* Database.make({ location: { kind: "sqlite", path: file } })
          yield* database.use((sql) => sql`SELECT 1`)
          const store = Effect.provideService(BudgetSql.make(), Database.Database, database)
          const budget = yield* instance(store, budgets)
          const other = new DatabaseSync(file)
          yield* course(
            budget,
            Effect.sync(() => other.exec("BEGIN IMMEDIATE")),
            Effect.sync(() => {
              other.exec("ROLLBACK")
              other.close()
            })
          )
        })
      ),
    60_000
  )

  it.live.skipIf(postgresBinaries === undefined)(
    postgresBinaries === undefined ? noPostgres : "Postgres, stopped where it is",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const postgres = yield* Effect.acquireRelease(Effect.promise(startPostgres), (started) =>
            Effect.promise(started.stop)
          )
          const url = Redacted.make(postgres.newDatabase())
          const database = yield* Database.make({ location: { kind: "postgres", url } })
          yield* database.use((sql) => sql`SELECT 1`)
          const store = Effect.provideService(BudgetSql.make(), Database.Database, database)
          const budget = yield* instance(store, budgets)
          yield* course(budget, Effect.sync(postgres.stall), Effect.sync(postgres.resume))
        })
      ),
    60_000
  )
})
