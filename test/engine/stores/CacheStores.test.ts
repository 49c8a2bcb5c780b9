import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Cache } from "../../../engine/src/Cache.ts"
import type { CacheStore } from "../../../engine/src/CacheStore.ts"
import { Engine } from "../../../engine/src/Engine.ts"
import * as CacheFile from "../../../engine/src/stores/CacheFile.ts"
import * as CacheMemory from "../../../engine/src/stores/CacheMemory.ts"
import * as CacheSqlite from "../../../engine/src/stores/CacheSqlite.ts"
import { scriptedProvider } from "../../../engine/src/testing.ts"
import {
  cacheLoadContract,
  cacheStoreContract,
  keyOf,
  laterMs,
  loaded as loadedFrom,
  type OpenStore,
  recordOf
} from "../../contracts/CacheStore.ts"
import { status, withEngine } from "../../support/engine.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "millrace-cache-store-"))),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

const sqlite = (file: string, options: Partial<CacheSqlite.CacheSqliteOptions> = {}) =>
  CacheSqlite.make({ path: file, maxEntries: 1000, retryMs: 20, busyTimeoutMs: 20, ...options })

const stores: Readonly<Record<string, Effect.Effect<OpenStore<CacheStore>, never, Scope.Scope>>> = {
  memory: Effect.sync(() => {
    const store = CacheMemory.make()
    return { store, reopened: Effect.succeed(store), stored: loadedFrom }
  }),
  sqlite: Effect.gen(function* () {
    const file = path.join(yield* folder, "nested", "cache.db")
    const first = yield* Scope.make()
    const store = yield* Scope.provide(sqlite(file), first)
    return { store, reopened: Effect.andThen(Scope.close(first, Exit.void), sqlite(file)), stored: loadedFrom }
  })
}

for (const [name, open] of Object.entries(stores)) {
  cacheStoreContract(name, open)
  cacheLoadContract(name, open)
}

const loaded = (store: CacheStore) =>
  Effect.gen(function* () {
    const keys: Array<string> = []
    yield* store.load({ nowMs: laterMs, maxEntries: 1000 }, (records) => keys.push(...records.map(({ key }) => key)))
    return keys
  })

describe("the SQLite store", () => {
  it.live("writes when its scope closes, and keeps the newest of what it is told to keep", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "cache.db")
      yield* Effect.scoped(
        Effect.map(sqlite(file, { maxEntries: 50 }), (store) => {
          for (let i = 0; i < 300; i++) store.put(recordOf(i))
        })
      )
      const rows = new DatabaseSync(file).prepare("SELECT count(*) AS n FROM cache_entries").get()
      expect(Number(rows!["n"])).toBeLessThanOrEqual(300)
      const found: Array<string> = []
      const store = yield* sqlite(file, { maxEntries: 50 })
      yield* store.load({ nowMs: laterMs, maxEntries: 50 }, (records) => found.push(...records.map(({ key }) => key)))
      expect(found).toEqual(Array.from({ length: 50 }, (_, i) => keyOf(250 + i)))
    }).pipe(Effect.scoped)
  )

  it.live("drops and counts what it can't write, and says why; nothing waits for it", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "cache.db")
      writeFileSync(file, "this is no database, and nothing that SQLite could take for one")
      const store = yield* sqlite(file, { maxQueued: 10, closeTimeoutMs: 50 })
      for (let i = 0; i < 30; i++) store.put(recordOf(i))
      yield* store.flush
      expect(store.health()).toMatchObject({ healthy: false, dropped: 20 })
      expect(store.health().reason).toContain("cache.db")
      expect(yield* loaded(store)).toEqual([])
    }).pipe(Effect.scoped)
  )

  it.live("leaves the database of something else alone", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "other.db")
      new DatabaseSync(file).exec("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
      const store = yield* sqlite(file, { closeTimeoutMs: 50 })
      store.put(recordOf(1))
      yield* store.flush
      expect(store.health()).toMatchObject({ healthy: false })
      const { n } = new DatabaseSync(file).prepare("SELECT count(*) AS n FROM theirs").get() as { n: number }
      expect(n).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("goes on when the database is free again", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "cache.db")
      const store = yield* sqlite(file)
      store.put(recordOf(1))
      yield* store.flush
      const lock = new DatabaseSync(file)
      lock.exec("BEGIN IMMEDIATE")
      store.put(recordOf(2))
      yield* store.flush
      expect(store.health().healthy).toBe(false)
      lock.exec("COMMIT")
      while (!store.health().healthy) yield* Effect.sleep(10)
      yield* store.flush
      expect(yield* loaded(store)).toEqual([keyOf(1), keyOf(2)])
    }).pipe(Effect.scoped)
  )
})

const provider = () => scriptedProvider("a", (_, index) => `answer ${index}`, { model: "m" })
const ask = (prompt: string) => Engine.generateText({ prompt })

describe("an engine with a store", () => {
  it.live("answers after a restart with what it had before, purged entries excepted", () =>
    Effect.gen(function* () {
      const config = { cache: { store: `sqlite:${path.join(yield* folder, "cache.db")}` } }
      const first = yield* Effect.all([ask("one"), ask("two")]).pipe(withEngine({ providers: [provider()], config }))
      const second = [provider()]
      yield* Effect.gen(function* () {
        expect(yield* ask("one")).toMatchObject({ cached: true, content: first[0].content })
        expect((yield* status).cache).toMatchObject({ entries: 2, store: { kind: "sqlite", healthy: true } })
        yield* (yield* Cache).purge({ provider: "a" })
        yield* ask("three")
      }).pipe(withEngine({ providers: second, config }))
      yield* Effect.gen(function* () {
        expect((yield* ask("one")).cached).toBe(false)
        expect((yield* ask("three")).cached).toBe(true)
      }).pipe(withEngine({ providers: [provider()], config }))
    }).pipe(Effect.scoped)
  )

  it.live("answers as if it had none when the store is broken, and says so", () =>
    Effect.gen(function* () {
      const made = yield* folder
      writeFileSync(path.join(made, "file"), "")
      const config = {
        cache: { store: `sqlite:${path.join(made, "file", "cache.db")}` },
        logging: { level: "none" as const }
      }
      yield* Effect.gen(function* () {
        expect((yield* ask("one")).cached).toBe(false)
        expect((yield* ask("one")).cached).toBe(true)
        const { store } = (yield* status).cache
        expect(store).toMatchObject({ kind: "sqlite", healthy: false })
      }).pipe(withEngine({ providers: [provider()], config }))
    }).pipe(Effect.scoped)
  )

  it.live("starts under a virtual clock", () =>
    Effect.gen(function* () {
      const config = { cache: { store: `sqlite:${path.join(yield* folder, "cache.db")}` } }
      const answered = yield* ask("one").pipe(
        withEngine({ providers: [provider()], config }),
        Effect.provide(TestClock.layer())
      )
      expect(answered.cached).toBe(false)
    }).pipe(Effect.scoped)
  )
})

describe("a warm-up file", () => {
  it.live("fills the cache at start; bad lines are told by number and left out", () =>
    Effect.gen(function* () {
      const file = path.join(yield* folder, "warm.jsonl")
      const records: Array<unknown> = []
      yield* Effect.gen(function* () {
        yield* Effect.all([ask("one"), ask("two")])
        records.push(...(yield* Cache).records(0, 10).records)
      }).pipe(withEngine({ providers: [provider()] }))
      const lines = [CacheFile.headerLine, ...records.map(CacheFile.lineOf)].toSpliced(2, 0, "not JSON", '{"key":1}')
      writeFileSync(file, lines.join("\n"))
      const read = yield* CacheFile.read(file, () => {})
      expect(read).toEqual({
        records: 2,
        bad: 2,
        badLines: [
          { line: 3, detail: "is not JSON" },
          { line: 4, detail: "key is not what it should be" }
        ],
        failure: undefined
      })
      yield* Effect.gen(function* () {
        expect((yield* ask("one")).cached).toBe(true)
        expect((yield* ask("two")).cached).toBe(true)
      }).pipe(withEngine({ providers: [provider()], config: { cache: { warmup: file } } }))
    }).pipe(Effect.scoped)
  )

  it.live("of another kind or version is refused as a whole, and a missing one stops nothing", () =>
    Effect.gen(function* () {
      const made = yield* folder
      const file = path.join(made, "warm.jsonl")
      for (const [first, failure] of [
        ["{}", "does not say that it is a cache"],
        ['{"millrace":"cache","version":2}', "has version 2"],
        ["", "is empty"]
      ] as const) {
        writeFileSync(file, first)
        expect((yield* CacheFile.read(file, () => {})).failure).toContain(failure)
      }
      const config = { cache: { warmup: path.join(made, "none.jsonl") }, logging: { level: "none" as const } }
      expect((yield* ask("one").pipe(withEngine({ providers: [provider()], config }))).cached).toBe(false)
    }).pipe(Effect.scoped)
  )
})
