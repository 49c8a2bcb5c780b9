import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import * as Database from "../../../engine/src/stores/Database.ts"
import { parse } from "../../../engine/src/stores/DatabaseLocation.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "millrace-database-"))),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

const sqlite = (file: string) => Database.make({ location: { kind: "sqlite", path: file }, retryMs: 0 })

describe("Database on SQLite", () => {
  it.live("keeps what was written for the next process", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "new", "folder", "state.db")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const database = yield* sqlite(file)
          yield* database.use((sql) => sql`CREATE TABLE kept (name TEXT PRIMARY KEY, n INTEGER)`)
          yield* database.use((sql) => sql`INSERT INTO kept ${sql.insert([{ name: "a", n: 1 }])}`)
        })
      )
      const database = yield* sqlite(file)
      assert.deepStrictEqual(yield* database.use((sql) => sql`SELECT name, n FROM kept`), [{ name: "a", n: 1 }])
    })
  )

  it.live("rolls a transaction back that fails, and goes on", () =>
    Effect.gen(function* () {
      const database = yield* sqlite(":memory:")
      yield* database.use((sql) => sql`CREATE TABLE kept (n INTEGER PRIMARY KEY)`)
      const twice = database.use((sql) =>
        sql.withTransaction(Effect.andThen(sql`INSERT INTO kept VALUES (1)`, sql`INSERT INTO kept VALUES (1)`))
      )
      const error = yield* Effect.flip(twice)
      assert.match(error.message, /UNIQUE/)
      assert.deepStrictEqual(yield* database.use((sql) => sql`SELECT n FROM kept`), [])
    })
  )

  it.live("runs transactions of many fibers one at a time", () =>
    Effect.gen(function* () {
      const database = yield* sqlite(path.join(yield* folder, "state.db"))
      yield* database.use((sql) => sql`CREATE TABLE counted (n INTEGER)`)
      yield* database.use((sql) => sql`INSERT INTO counted VALUES (0)`)
      const increment = database.use((sql) =>
        sql.withTransaction(
          Effect.flatMap(
            sql<{ n: number }>`SELECT n FROM counted`,
            ([row]) => sql`UPDATE counted SET n = ${row!.n + 1}`
          )
        )
      )
      yield* Effect.all(
        Array.from({ length: 50 }, () => increment),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* database.use((sql) => sql`SELECT n FROM counted`), [{ n: 50 }])
    })
  )

  it.live("fails while the file can't be opened, and works when it can", () =>
    Effect.gen(function* () {
      const base = yield* folder
      const blocked = path.join(base, "blocked")
      writeFileSync(blocked, "a file in the place of a folder")
      const database = yield* sqlite(path.join(blocked, "state.db"))
      const error = yield* Effect.flip(database.use((sql) => sql`SELECT 1`))
      assert.strictEqual(error._tag, "DatabaseUnavailable")
      rmSync(blocked)
      assert.deepStrictEqual(yield* database.use((sql) => sql`SELECT 1 AS one`), [{ one: 1 }])
    })
  )

  it.live("gives the connection back when a use is interrupted", () =>
    Effect.gen(function* () {
      const database = yield* sqlite(":memory:")
      yield* database.use((sql) => sql`CREATE TABLE kept (n INTEGER)`)
      const stuck = database.use((sql) =>
        sql.withTransaction(Effect.andThen(sql`INSERT INTO kept VALUES (1)`, Effect.never))
      )
      const fiber = yield* Effect.forkChild(stuck)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* database.use((sql) => sql`SELECT n FROM kept`), [])
    })
  )
})

describe("Database on Postgres", () => {
  it.live("says why it can't be reached without the password", () =>
    Effect.gen(function* () {
      const url = "postgres://millrace:s3cr3t-pass%21word@127.0.0.1:1/none"
      const database = yield* Database.make({ location: { kind: "postgres", url: Redacted.make(url) }, retryMs: 0 })
      const error = yield* Effect.flip(database.use((sql) => sql`SELECT 1`))
      assert.strictEqual(error._tag, "DatabaseUnavailable")
      assert.notMatch(`${error.message} ${JSON.stringify(error)}`, /s3cr3t|pass!word/)
    })
  )
})

describe("storage.database", () => {
  it("names a place, and nothing else does", () => {
    assert.deepStrictEqual(parse("memory"), { kind: "memory" })
    assert.deepStrictEqual(parse("sqlite::memory:"), { kind: "sqlite", path: ":memory:" })
    assert.deepStrictEqual(parse("sqlite:/data/a.db"), { kind: "sqlite", path: "/data/a.db" })
    assert.deepStrictEqual(parse("sqlite:///data/a.db"), { kind: "sqlite", path: "/data/a.db" })
    assert.strictEqual(parse("postgres://u:p@h/n")?.kind, "postgres")
    assert.strictEqual(parse("mysql://u:p@h/n"), undefined)
  })
})
