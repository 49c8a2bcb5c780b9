import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, describe } from "vitest"
import * as UsageSqlite from "../../../engine/src/stores/UsageSqlite.ts"
import { maxPoints, UsageLog } from "../../../engine/src/UsageLog.ts"
import { recordOf } from "../../contracts/usage-record.ts"
import { sumUp, usageHistoryContract, usageRollupContract } from "../../contracts/UsageHistory.ts"
import { sameAsMemory } from "../../contracts/UsageRandom.ts"
import { usageStoreContract } from "../../contracts/UsageStore.ts"

const folder = mkdtempSync(path.join(tmpdir(), "millrace-usage-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const newFile = () => path.join(folder, `${++files}`, "usage.db")

type Options = Partial<UsageSqlite.UsageSqliteOptions>

const sqlite = (options: Options & { readonly path: string }) =>
  UsageLog.layer(UsageSqlite.make({ durability: "relaxed", busyTimeoutMs: 50, retryMs: 20, ...options }))

/** Runs the body with a log over the file and closes it. */
const withLog = <A, E>(
  options: Options & { readonly path: string },
  body: (log: UsageLog["Service"]) => Effect.Effect<A, E>
) => Effect.flatMap(UsageLog, body).pipe(Effect.provide(sqlite(options)))

const range = { fromMs: 0, toMs: 2e12 }

const requestsOf = (log: UsageLog["Service"]) => Effect.map(log.usage(range), ({ totals }) => totals.requests)

/** Looks again, turn by turn of the event loop, until the answer is yes. */
const until = (condition: () => boolean) =>
  Effect.promise(async () => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  })

usageStoreContract("sqlite", () => sqlite({ path: newFile() }))
usageHistoryContract("sqlite", () => sqlite({ path: newFile() }))
usageRollupContract("sqlite", () => sqlite({ path: newFile() }))

describe("a SQLite file", () => {
  it.effect("holds everything after an orderly end, also what had not been written yet", () =>
    Effect.gen(function* () {
      const file = newFile()
      yield* withLog({ path: file }, (log) =>
        Effect.sync(() => {
          for (let i = 0; i < 2345; i++) log.record(recordOf({ id: `r${i}` }))
        })
      )
      yield* withLog({ path: file }, (log) =>
        Effect.gen(function* () {
          expect(yield* requestsOf(log)).toBe(2345)
          expect(log.totals().requests).toBe(0)
        })
      )
      const database = new DatabaseSync(file)
      expect(database.prepare("PRAGMA integrity_check").get()).toMatchObject({ integrity_check: "ok" })
      database.close()
    })
  )

  it.effect("answers while another process writes, and is written while another one reads", () =>
    Effect.gen(function* () {
      const file = newFile()
      yield* withLog({ path: file }, (log) =>
        Effect.gen(function* () {
          log.record(recordOf({ id: "before" }))
          expect(yield* requestsOf(log)).toBe(1)
          const other = new DatabaseSync(file)
          other.exec("BEGIN IMMEDIATE; DELETE FROM usage_records")
          expect(yield* requestsOf(log)).toBe(1)
          expect((yield* log.requests({})).items).toHaveLength(1)
          other.exec("ROLLBACK; BEGIN")
          const seen = () => other.prepare("SELECT count(*) AS records FROM usage_records").get()?.records
          expect(seen()).toBe(1)
          log.record(recordOf({ id: "during" }))
          expect(yield* requestsOf(log)).toBe(2)
          expect(seen()).toBe(1)
          other.exec("COMMIT")
          expect(seen()).toBe(2)
          other.close()
        })
      )
    })
  )

  it.effect("of the first version keeps its rows and their dollars, and gets sums", () =>
    Effect.gen(function* () {
      const file = path.join(folder, "first.db")
      const first = new DatabaseSync(file)
      first.exec(`CREATE TABLE usage_records (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL, time_ms INTEGER NOT NULL, tenant TEXT NOT NULL, key_id TEXT,
        model_requested TEXT, model TEXT, provider TEXT, status TEXT NOT NULL, fault TEXT, error_kind TEXT,
        cache TEXT NOT NULL, uncached_input INTEGER NOT NULL, cache_read_input INTEGER NOT NULL,
        cache_write_input INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
        estimated INTEGER NOT NULL, cost_usd REAL, price_table TEXT, unpriced_reason TEXT, saved_usd REAL,
        saved_tokens INTEGER NOT NULL, latency_ms REAL, ttft_ms REAL, queue_ms REAL NOT NULL, cache_age_ms REAL,
        cache_similarity REAL, attempts TEXT NOT NULL);
        CREATE INDEX usage_records_time ON usage_records (time_ms);
        CREATE INDEX usage_records_id ON usage_records (id);
        PRAGMA user_version = 1`)
      const insert = first.prepare(
        `INSERT INTO usage_records VALUES (NULL, ?, ?, 't', NULL, NULL, 'm', 'p', 'success', NULL, NULL, 'miss',
          10, 0, 0, 5, 0, 0, 0.1, 'table', NULL, 0.2, 0, 250, NULL, 0, NULL, NULL,
          '[{"provider":"p","model":"m","startedAtMs":1,"queueMs":0,"firstPartAtMs":2,"endedAtMs":3,"error":null}]')`
      )
      for (let i = 0; i < 300; i++) insert.run(`old ${i}`, 1e12 + i)
      first.close()
      yield* withLog({ path: file }, (log) =>
        Effect.gen(function* () {
          log.record(recordOf({ id: "new", timeMs: 1e12, tenant: "t", costUsd: 0.5 }))
          const sums = { requests: 301, costUsd: 30.5, savedUsd: 60 }
          expect((yield* log.usage(range)).totals).toMatchObject(sums)
          yield* sumUp(log)
          expect((yield* log.usage({ ...range, bucket: "day", groupBy: "tenant" })).series).toMatchObject([sums])
          expect(yield* log.store.find("old 7")).toMatchObject({ costUsd: 0.1, metadata: null, stream: false })
          expect((yield* log.request("old 7"))?.attemptDetails).toHaveLength(1)
        })
      )
    })
  )

  it.effect(
    "of the second version, without sums of tenants by minute, gives the same answers and gets them from then on",
    () =>
      Effect.gen(function* () {
        const file = newFile()
        const startMs = 1e12
        const recordFrom = (log: UsageLog["Service"], first: number) =>
          Effect.gen(function* () {
            for (let i = 0; i < 60; i++) {
              log.record(recordOf({ timeMs: startMs + (first + i) * 7_000, tenant: `t${i % 3}`, keyId: `k${i % 5}` }))
            }
            yield* sumUp(log)
          })
        yield* withLog({ path: file }, (log) => recordFrom(log, 0))
        const second = new DatabaseSync(file)
        expect(second.prepare("DELETE FROM usage_cells WHERE shape IN (129, 130)").run().changes).toBeGreaterThan(0)
        second.exec("PRAGMA user_version = 2")
        second.close()
        yield* withLog({ path: file }, (log) =>
          Effect.gen(function* () {
            // Some of these are of the time before, of which the sums are not complete.
            yield* recordFrom(log, 50)
            for (const bucket of ["minute", "hour"] as const) {
              for (const groupBy of ["tenant", "key"] as const) {
                const scan = { fromMs: startMs + 3, toMs: startMs + 700_001, bucket, groupBy }
                const { series, totals } = yield* log.usage(scan)
                const counts = Map.groupBy(series, (point) => point.group)
                const sums = [...counts].map(([, points]) => points.reduce((sum, point) => sum + point.requests, 0))
                expect(totals.requests).toBe(110)
                expect(sums.reduce((sum, count) => sum + count, 0)).toBe(110)
                expect(counts.size).toBe(groupBy === "tenant" ? 3 : 5)
              }
            }
          })
        )
        const third = new DatabaseSync(file)
        const later = third.prepare("SELECT value FROM usage_state WHERE name = 'later'").get()?.value as number
        expect(later).toBe((Math.floor((startMs + 59 * 7_000) / 60_000) + 1) * 60_000)
        third.close()
      })
  )

  it.effect("is written behind after 200 ms, without being asked", () =>
    Effect.gen(function* () {
      const file = newFile()
      yield* withLog({ path: file }, (log) =>
        Effect.gen(function* () {
          yield* requestsOf(log)
          log.record(recordOf())
          const other = new DatabaseSync(file, { readOnly: true })
          const count = other.prepare("SELECT count(*) AS n FROM usage_records")
          yield* TestClock.adjust("199 millis")
          expect(count.get()).toEqual({ n: 0 })
          yield* TestClock.adjust("1 millis")
          yield* until(() => count.get()?.n === 1)
          other.close()
        })
      )
    })
  )

  it.effect("refuses to be read by a database of a newer version, and is left as it is", () =>
    Effect.gen(function* () {
      const file = path.join(folder, "newer.db")
      const database = new DatabaseSync(file)
      database.exec("PRAGMA user_version = 99; CREATE TABLE usage_records (something TEXT)")
      yield* withLog({ path: file, closeTimeoutMs: 50 }, (log) =>
        Effect.gen(function* () {
          log.record(recordOf())
          yield* until(() => !log.health().healthy)
          expect(log.health().reason).toContain("version 99")
        })
      )
      expect(database.prepare("SELECT count(*) AS n FROM usage_records").get()).toEqual({ n: 0 })
      database.close()
    })
  )

  it.effect("in an unwritable place fails no request: the health says why, and records are dropped and counted", () =>
    Effect.gen(function* () {
      const notAFolder = path.join(folder, "plain-file")
      writeFileSync(notAFolder, "")
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        sqlite({ path: path.join(notAFolder, "usage.db"), maxQueued: 10, closeTimeoutMs: 50 }),
        scope
      )
      const log = yield* Effect.provide(UsageLog, context)
      yield* until(() => !log.health().healthy)
      expect(log.health().reason).toContain(notAFolder)
      for (let i = 0; i < 25; i++) expect(log.record(recordOf({ id: `r${i}` }))).toBeUndefined()
      expect(log.health().rowsDropped).toBe(15)
      expect(log.totals().requests).toBe(25)
      expect((yield* Effect.flip(log.usage(range)))._tag).toBe("UsageUnavailable")
      expect((yield* Effect.flip(log.request("r1")))._tag).toBe("UsageUnavailable")
      yield* Scope.close(scope, Exit.void)
      expect(log.health().rowsDropped).toBe(25)
    })
  )

  it.effect("locked by another process delays no request, and gets everything when the lock is gone", () =>
    Effect.gen(function* () {
      const file = newFile()
      yield* withLog({ path: file }, (log) =>
        Effect.gen(function* () {
          log.record(recordOf({ id: "first" }))
          expect(yield* requestsOf(log)).toBe(1)
          const other = new DatabaseSync(file)
          other.exec("BEGIN EXCLUSIVE")
          for (let i = 0; i < 600; i++) log.record(recordOf({ id: `r${i}` }))
          yield* until(() => !log.health().healthy)
          expect(log.health().reason).toContain("locked")
          expect(yield* requestsOf(log)).toBe(1)
          other.exec("ROLLBACK")
          other.close()
          yield* until(() => log.health().healthy)
          expect(yield* requestsOf(log)).toBe(601)
          expect(log.health()).toMatchObject({ rowsDropped: 0, reason: null })
        })
      )
    })
  )

  it.effect("in strict mode lets a request wait until its record is on disk", () =>
    Effect.gen(function* () {
      const file = newFile()
      yield* withLog({ path: file, durability: "strict" }, (log) =>
        Effect.gen(function* () {
          yield* log.record(recordOf({ id: "mine" })) ?? Effect.die("strict mode did not wait")
          const other = new DatabaseSync(file, { readOnly: true })
          expect(other.prepare("SELECT id FROM usage_records").all()).toEqual([{ id: "mine" }])
          other.close()
        })
      )
    })
  )

  it.effect("in strict mode lets no request wait for a database that is unwell", () =>
    Effect.gen(function* () {
      const file = newFile()
      yield* withLog({ path: file, durability: "strict" }, (log) =>
        Effect.gen(function* () {
          yield* requestsOf(log)
          const other = new DatabaseSync(file)
          other.exec("BEGIN EXCLUSIVE")
          yield* log.record(recordOf({ id: "a" })) ?? Effect.void
          expect(log.health().healthy).toBe(false)
          yield* log.record(recordOf({ id: "b" })) ?? Effect.void
          other.exec("ROLLBACK")
          other.close()
          yield* until(() => log.health().healthy)
          expect(yield* requestsOf(log)).toBe(2)
        })
      )
    })
  )

  it("in strict mode has lost nothing that was answered when the process is killed", async () => {
    const file = newFile()
    const child = spawn(process.execPath, [path.join(import.meta.dirname, "usage-writer.ts"), file], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let answered = ""
    for await (const chunk of child.stdout) {
      answered += String(chunk)
      if (answered.split("\n").length > 40) child.kill("SIGKILL")
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
    expect(child.signalCode).toBe("SIGKILL")
    const database = new DatabaseSync(file)
    expect(database.prepare("PRAGMA integrity_check").get()).toMatchObject({ integrity_check: "ok" })
    const kept = new Set(
      database
        .prepare("SELECT id FROM usage_records")
        .all()
        .map((row) => row.id)
    )
    database.close()
    const complete = answered.slice(0, answered.lastIndexOf("\n")).split("\n")
    expect(complete.length).toBeGreaterThanOrEqual(40)
    expect(complete.filter((id) => !kept.has(id))).toEqual([])
  })

  it.effect(`answers no series of more than ${maxPoints} points`, () =>
    withLog({ path: ":memory:" }, (log) =>
      Effect.gen(function* () {
        for (let i = 0; i <= maxPoints; i++) log.record(recordOf({ timeMs: i * 60_000 }))
        expect((yield* Effect.flip(log.usage({ ...range, bucket: "minute" })))._tag).toBe("SeriesTooLong")
        expect((yield* log.usage({ ...range, bucket: "hour" })).totals.requests).toBe(maxPoints + 1)
      })
    )
  )

  it.effect("gives up a record that it can't hold, counts it, and writes the rest of the batch", () =>
    withLog({ path: newFile(), retryMs: 20 }, (log) =>
      Effect.gen(function* () {
        for (let i = 0; i < 20; i++) log.record(recordOf({ id: `r${i}` }))
        log.record(recordOf({ id: "none", tenant: undefined as unknown as string }))
        yield* TestClock.adjust("200 millis")
        while (log.health().rowsDropped === 0) yield* Effect.promise(() => new Promise((done) => setTimeout(done, 10)))
        expect(log.health()).toMatchObject({ healthy: true, reason: null, rowsDropped: 1 })
        expect((yield* log.usage(range)).totals.requests).toBe(20)
      })
    )
  )

  it.effect("drops and counts what comes after the end", () =>
    Effect.gen(function* () {
      const log = yield* withLog({ path: newFile() }, Effect.succeed)
      log.record(recordOf())
      expect(log.health().rowsDropped).toBe(1)
    })
  )
})

it("memory and SQLite give the same answers to random questions about random records", () =>
  Effect.runPromise(withLog({ path: ":memory:" }, (database) => sameAsMemory(database, 100))))
