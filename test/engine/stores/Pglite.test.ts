/**
 * The contracts of the stores that Postgres has, on PGlite: Postgres in WebAssembly, over a socket, by the same code.
 */
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Scope } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import { AIEngine } from "../../../engine/src/AIEngine.ts"
import * as BudgetSql from "../../../engine/src/stores/BudgetSql.ts"
import * as Database from "../../../engine/src/stores/Database.ts"
import * as KeysSql from "../../../engine/src/stores/KeysSql.ts"
import * as UsagePostgres from "../../../engine/src/stores/UsagePostgres.ts"
import * as VectorPostgres from "../../../engine/src/stores/VectorPostgres.ts"
import { scriptedProvider } from "../../../engine/src/testing.ts"
import { UsageLog, type UsageStore } from "../../../engine/src/UsageLog.ts"
import { budgetStoreContract, nowMs } from "../../contracts/BudgetStore.ts"
import { keyStoreContract } from "../../contracts/KeyStore.ts"
import { usageHistoryContract, usageRollupContract } from "../../contracts/UsageHistory.ts"
import { sameAsMemory } from "../../contracts/UsageRandom.ts"
import { usageStoreContract } from "../../contracts/UsageStore.ts"
import { vectorStoreContract } from "../../contracts/VectorStore.ts"
import { type PgliteServer, startPglite } from "../../support/pglite.ts"

let server: PgliteServer
beforeAll(async () => {
  server = await startPglite()
}, 120_000)
afterAll(() => server.stop())

const newUrl = Effect.map(
  Effect.promise(() => server.newDatabase()),
  (url) => Redacted.make(url)
)

/** One store for all tests, since its thread takes longer to start than most of them: it is emptied in between. */
let store: UsageStore
let closeStore: Effect.Effect<void>
beforeAll(async () => {
  const scope = Scope.makeUnsafe()
  const opened = Effect.flatMap(newUrl, (url) => UsagePostgres.make({ url, durability: "relaxed", stallMs: 10_000 }))
  store = await Effect.runPromise(Scope.provide(opened, scope))
  closeStore = Scope.close(scope, Exit.void)
}, 60_000)
afterAll(() => Effect.runPromise(closeStore))

/** A question waits until everything that was recorded before it is written. */
const emptied = Effect.andThen(
  Effect.suspend(() => Effect.orDie(store.find(""))),
  Effect.promise(() => server.emptyTables("usage_"))
)

const usage = () => UsageLog.layer(Effect.map(emptied, () => store))

usageStoreContract("postgres (PGlite)", usage)
usageHistoryContract("postgres (PGlite)", usage)
usageRollupContract("postgres (PGlite)", usage)

it(
  "memory and PGlite give the same answers to random questions about random records",
  () =>
    Effect.runPromise(
      Effect.provide(
        Effect.flatMap(UsageLog, (log) => sameAsMemory(log, 10)),
        usage()
      )
    ),
  60_000
)

describe("keys in PGlite", () => {
  keyStoreContract(
    Effect.map(newUrl, (url) =>
      Effect.flatMap(Database.make({ location: { kind: "postgres", url }, retryMs: 0 }), (database) =>
        Effect.provideService(KeysSql.make, Database.Database, database)
      )
    ),
    { shared: true }
  )
})

vectorStoreContract(
  "PGlite",
  Effect.map(newUrl, (url) => {
    const location = { kind: "postgres", url } as const
    return (space: string) => VectorPostgres.make({ location, space })
  })
)

budgetStoreContract(
  "PGlite",
  Effect.map(newUrl, (url) => {
    const ownerOf = (options?: BudgetSql.BudgetSqlOptions) =>
      Effect.gen(function* () {
        const outer = yield* Scope.fork(yield* Effect.scope)
        const location = { kind: "postgres", url } as const
        const database = yield* Scope.provide(Database.make({ location, timeoutMs: 30_000 }), outer)
        return yield* Effect.provideService(BudgetSql.make(options), Database.Database, database)
      })
    return {
      owner: ownerOf(),
      killed: (work) =>
        Effect.gen(function* () {
          const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
          yield* work(yield* Scope.provide(ownerOf(), scope))
          yield* Effect.scoped(Effect.flatMap(ownerOf({ ownerTimeoutMs: -1 }), (next) => next.exchange([], nowMs)))
        })
    }
  }),
  { shared: true }
)

it("two engines over one database serve each other's answers, by the configuration alone", async () => {
  const database = await server.newDatabase()
  const engineOf = () => {
    const provider = scriptedProvider("a", () => "Paris")
    const config = {
      providers: [{ name: "a", kind: "openai" as const, apiKey: "test" }],
      cache: { semantic: { mode: "on" as const } },
      storage: { database }
    }
    return { engine: new AIEngine(config, { providers: [provider] }), provider }
  }
  const [one, two] = [engineOf(), engineOf()]
  await using _one = one.engine
  await using _two = two.engine
  // A start waits for no database: the first prompts may come before it is ready.
  const countries = ["France", "Italy", "Spain", "Norway", "Chile", "Peru", "Kenya", "Japan", "Greece", "Poland"]
  let served: string | undefined
  for (const country of countries) {
    const known = two.provider.calls.length
    await one.engine.generateText({ prompt: `What is the capital of ${country}?` })
    await until(async () => (await server.count("semantic_prompts", "prompt", `%${country}%`)) > 0)
    const answer = await two.engine.generateText({ prompt: `what's the capital of  ${country}` })
    if (answer.cacheKind !== "semantic") continue
    expect(answer).toMatchObject({ content: "Paris", cached: true, cost: 0 })
    expect(two.provider.calls).toHaveLength(known)
    served = country
    break
  }
  expect(served).toBeDefined()
})

/** Looks again every 20 ms until the answer is yes. */
const until = async (condition: () => Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}
