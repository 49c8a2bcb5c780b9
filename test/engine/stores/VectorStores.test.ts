/**
 * The contract of stores of shared prompts on memory and on a real Postgres that has pgvector; PGlite has it in its own file.
 */
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import * as VectorPostgres from "../../../engine/src/stores/VectorPostgres.ts"
import { vectorStoreContract } from "../../contracts/VectorStore.ts"
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

  vectorStoreContract(
    "Postgres",
    Effect.sync(() => {
      const location = { kind: "postgres", url: Redacted.make(server.newDatabase()) } as const
      return (space: string) => VectorPostgres.make({ location, space })
    })
  )
})
