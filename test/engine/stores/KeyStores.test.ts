import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as KeyRecord from "../../../engine/src/KeyRecord.ts"
import { Keys } from "../../../engine/src/Keys.ts"
import * as Database from "../../../engine/src/stores/Database.ts"
import { type DatabaseLocation, parse } from "../../../engine/src/stores/DatabaseLocation.ts"
import * as KeysMemory from "../../../engine/src/stores/KeysMemory.ts"
import * as KeysSql from "../../../engine/src/stores/KeysSql.ts"
import { keyStoreContract, settings } from "../../contracts/KeyStore.ts"
import { noPostgres, type Postgres, postgresBinaries, startPostgres } from "../../support/postgres.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "millrace-keys-"))),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

const sqlStore = (location: Exclude<DatabaseLocation, { readonly kind: "memory" }>) =>
  Effect.flatMap(Database.make({ location, retryMs: 0 }), (database) =>
    Effect.provideService(KeysSql.make, Database.Database, database)
  )

describe("keys in memory", () => {
  keyStoreContract(
    Effect.sync(() => KeysMemory.make),
    { shared: false }
  )
})

describe("keys in SQLite", () => {
  keyStoreContract(
    Effect.map(folder, (made) => sqlStore({ kind: "sqlite", path: path.join(made, "state.db") })),
    { shared: true }
  )

  it.live("leave no secret in the files of the database, before and after a rotation", () =>
    Effect.gen(function* () {
      const made = yield* folder
      const store = yield* sqlStore({ kind: "sqlite", path: path.join(made, "state.db") })
      const first = KeyRecord.make(settings, 1)
      yield* store.insert(first.record)
      const second = KeyRecord.rotate(first.record, 1000, 2)
      yield* store.update(first.record.id, () => second.record)
      const files = readdirSync(made).map((file) => readFileSync(path.join(made, file), "latin1"))
      assert.isAbove(files.join("").length, 0)
      assert.include(files.join(""), first.record.id)
      for (const { secret } of [first, second]) {
        const text = Redacted.value(secret)
        for (const file of files) {
          assert.notInclude(file, text)
          assert.notInclude(file, text.slice(3))
        }
      }
    })
  )
})

describe.skipIf(postgresBinaries === undefined)(
  postgresBinaries === undefined ? `keys in Postgres (${noPostgres})` : "keys in Postgres",
  () => {
    let postgres: Postgres
    beforeAll(async () => {
      postgres = await startPostgres()
    }, 60_000)
    afterAll(() => postgres.stop())

    keyStoreContract(
      Effect.sync(() => {
        const location = parse(postgres.newDatabase())
        if (location === undefined || location.kind === "memory") throw new Error("expected a URL")
        return sqlStore(location)
      }),
      { shared: true }
    )

    it.live("that stand still hold up nobody who calls, and refuse changes in time", () =>
      Effect.gen(function* () {
        const location = parse(postgres.newDatabase())
        if (location === undefined || location.kind === "memory") throw new Error("expected a URL")
        const database = yield* Database.make({ location, retryMs: 0, timeoutMs: 300 })
        const store = Effect.provideService(KeysSql.make, Database.Database, database)
        const context = yield* Layer.build(Keys.layer({ store, refreshMs: () => 20 }))
        const keys = yield* Effect.provide(Keys, context)
        const { record, secret } = yield* keys.create(settings)
        const judged = () => keys.authenticate(Redacted.value(secret), 0)._tag
        postgres.stall()
        const waited = yield* Effect.exit(keys.update(record.id, { disabled: true }))
        assert.isTrue(Exit.isFailure(waited))
        assert.strictEqual(judged(), "Granted")
        postgres.resume()
        while (keys.health().reason !== null) yield* Effect.sleep(10)
        yield* keys.update(record.id, { disabled: true })
        assert.strictEqual(judged(), "Refused")
      })
    )
  }
)
