/**
 * The contract of budget stores on memory, on SQLite, on a real Postgres and on a real Redis.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect, Exit, Redacted, Scope } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import type { BudgetStore } from "../../../engine/src/BudgetStore.ts"
import { BudgetTable } from "../../../engine/src/stores/BudgetMemory.ts"
import * as BudgetSql from "../../../engine/src/stores/BudgetSql.ts"
import * as BudgetRedis from "../../../engine/src/stores/BudgetRedis.ts"
import * as Database from "../../../engine/src/stores/Database.ts"
import * as RedisLink from "../../../engine/src/stores/RedisLink.ts"
import { budgetStoreContract, nowMs, type OpenBudgets } from "../../contracts/BudgetStore.ts"
import { noPostgres, type Postgres, postgresBinaries, startPostgres } from "../../support/postgres.ts"
import { hasRedis, noRedis, type RedisServer, startRedis } from "../../support/redis.ts"

budgetStoreContract(
  "memory",
  Effect.sync((): OpenBudgets => {
    const table = new BudgetTable()
    return {
      owner: table.open,
      killed: (work) =>
        Effect.gen(function* () {
          yield* work(yield* table.open)
          table.bury("owner-1")
        })
    }
  }),
  { shared: true }
)

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "millrace-budgets-"))),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

/** An owner whose process is killed: its scope is never closed before the test ends. */
const killedWith =
  (
    owner: Effect.Effect<BudgetStore, never, Scope.Scope>,
    bury: Effect.Effect<unknown, unknown, Scope.Scope>
  ): OpenBudgets["killed"] =>
  (work) =>
    Effect.gen(function* () {
      const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
      yield* work(yield* Scope.provide(owner, scope))
      yield* bury
    })

/** An owner with a connection of its own, which is closed after it. */
const ownerOf = (location: Database.DatabaseOptions["location"], options?: BudgetSql.BudgetSqlOptions) =>
  Effect.gen(function* () {
    const outer = yield* Scope.fork(yield* Effect.scope)
    const database = yield* Scope.provide(Database.make({ location, timeoutMs: 30_000 }), outer)
    return yield* Effect.provideService(BudgetSql.make(options), Database.Database, database)
  })

budgetStoreContract(
  "SQLite",
  Effect.map(folder, (made): OpenBudgets => {
    const owner = ownerOf({ kind: "sqlite", path: path.join(made, "state.db") })
    return {
      owner,
      killed: killedWith(
        owner,
        Effect.flatMap(owner, (next) => next.exchange([], nowMs))
      )
    }
  }),
  { shared: false }
)

let postgres: Postgres | undefined
beforeAll(async () => {
  if (postgresBinaries !== undefined) postgres = await startPostgres()
}, 60_000)
afterAll(() => postgres?.stop())

describe.skipIf(postgresBinaries === undefined)(
  postgresBinaries === undefined ? `Postgres: ${noPostgres}` : "Postgres",
  () => {
    budgetStoreContract(
      "Postgres",
      Effect.sync(() => {
        const url = Redacted.make(postgres!.newDatabase())
        const location = { kind: "postgres", url } as const
        const owner = ownerOf(location)
        // The next one takes everybody for dead who was not heard of for no time at all.
        const bury = Effect.flatMap(ownerOf(location, { ownerTimeoutMs: -1 }), (next) => next.exchange([], nowMs))
        return { owner, killed: killedWith(owner, Effect.scoped(bury)) }
      }),
      { shared: true }
    )
  }
)

let redis: RedisServer | undefined
beforeAll(async () => {
  if (hasRedis) redis = await startRedis({ cluster: true })
}, 60_000)
afterAll(() => redis?.stop())

describe.skipIf(!hasRedis)(hasRedis ? "Redis" : `Redis: ${noRedis}`, () => {
  /** An owner with a link of its own that is up, and is closed after it. */
  const redisOwner = (options?: BudgetRedis.BudgetRedisOptions) =>
    Effect.gen(function* () {
      const outer = yield* Scope.fork(yield* Effect.scope)
      const made = RedisLink.make({ url: redis!.url, timeoutMs: 2000 })
      const link = yield* Scope.provide(made, outer)
      while (!link.up()) yield* Effect.sleep(5)
      return yield* BudgetRedis.make(link, options)
    })

  budgetStoreContract(
    "Redis",
    Effect.promise(async () => {
      await redis!.command("FLUSHALL")
      const bury = Effect.flatMap(redisOwner({ ownerTimeoutMs: -1 }), (next) => next.exchange([], nowMs))
      return { owner: redisOwner(), killed: killedWith(redisOwner(), Effect.scoped(bury)) }
    }),
    { shared: true }
  )
})
