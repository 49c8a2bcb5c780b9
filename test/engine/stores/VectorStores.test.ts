/**
 * The contract of stores of shared prompts on memory and on a real Postgres that has pgvector; PGlite has it in its own file.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import * as Database from "../../../engine/src/stores/Database.ts"
import * as VectorPostgres from "../../../engine/src/stores/VectorPostgres.ts"
import { promptOf, vectorStoreContract } from "../../contracts/VectorStore.ts"
import { hasPgvector, noPgvector, type Postgres, startPostgres } from "../../support/postgres.ts"
import { PromptTable } from "../../support/vectors.ts"

vectorStoreContract(
  "memory",
  Effect.sync(() => {
    const table = new PromptTable()
    return (space: string) => Effect.sync(() => table.open(space))
  })
)

describe.skipIf(!hasPgvector)(hasPgvector ? "Postgres" : `Postgres: ${noPgvector}`, () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.stop())

  it.live("says that the extension may not be made, and is asked again later", () =>
    Effect.gen(function* () {
      const url = new URL(server.newDatabase())
      server.newRole("nobody", "secret-of-nobody")
      url.username = "nobody"
      url.password = "secret-of-nobody"
      const location = { kind: "postgres", url: Redacted.make(url.href) } as const
      const store = yield* VectorPostgres.make({ location, space: "s" })
      const error = yield* Effect.flip(store.prepare)
      assert.match(error.message, /permission denied/)
      assert.notInclude(error.message, "secret-of-nobody")
    })
  )

  it.live("makes an index for vectors of each length", () =>
    Effect.gen(function* () {
      const url = server.newDatabase()
      const location = { kind: "postgres", url: Redacted.make(url) } as const
      const store = yield* VectorPostgres.make({ location, space: "s" })
      yield* store.put([promptOf()])
      const database = yield* Database.make({ location })
      const indexes = yield* database.use(
        (sql) => sql<{ indexdef: string }>`SELECT indexdef FROM pg_indexes WHERE indexname = 'semantic_prompts_hnsw_3'`
      )
      assert.match(indexes[0]?.indexdef ?? "", /USING hnsw .*vector_cosine_ops.* WHERE \(dims = 3\)/)
    })
  )

  vectorStoreContract(
    "Postgres",
    Effect.sync(() => {
      const location = { kind: "postgres", url: Redacted.make(server.newDatabase()) } as const
      return (space: string) => VectorPostgres.make({ location, space })
    })
  )
})
