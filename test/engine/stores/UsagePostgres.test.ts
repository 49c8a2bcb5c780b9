import { randomBytes } from "node:crypto"
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, beforeAll, describe } from "vitest"
import * as Database from "../../../engine/src/stores/Database.ts"
import * as UsagePostgres from "../../../engine/src/stores/UsagePostgres.ts"
import { UsageLog } from "../../../engine/src/UsageLog.ts"
import { noonMs, recordOf } from "../../contracts/usage-record.ts"
import { usageHistoryContract, usageRollupContract } from "../../contracts/UsageHistory.ts"
import { sameAsMemory } from "../../contracts/UsageRandom.ts"
import { usageStoreContract } from "../../contracts/UsageStore.ts"
import { noPostgres, postgresBinaries, type Postgres, startPostgres } from "../../support/postgres.ts"

const range = { fromMs: 0, toMs: 2e12 }

type Options = Partial<UsagePostgres.UsagePostgresOptions>

const postgres = (url: string, options: Options = {}) =>
  UsageLog.layer(
    UsagePostgres.make({ url: Redacted.make(url), durability: "relaxed", retryMs: 50, stallMs: 10_000, ...options })
  )

const withLog = <A, E>(url: string, body: (log: UsageLog["Service"]) => Effect.Effect<A, E>, options: Options = {}) =>
  Effect.flatMap(UsageLog, body).pipe(Effect.provide(postgres(url, options)))

/** Looks again, turn by turn of the event loop, until the answer is yes. */
const until = (condition: () => boolean) =>
  Effect.promise(async (signal) => {
    while (!condition() && !signal.aborted) await new Promise((resolve) => setImmediate(resolve))
  })

const idsOf = (log: UsageLog["Service"]) =>
  Effect.map(log.requests({ ...range, limit: 500 }), ({ items }) => items.map(({ id }) => id).toSorted())

if (postgresBinaries === undefined) {
  it.skip(noPostgres, () => {})
} else {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.stop())

  usageStoreContract("postgres", () => postgres(server.newDatabase()))
  usageHistoryContract("postgres", () => postgres(server.newDatabase()))
  usageRollupContract("postgres", () => postgres(server.newDatabase()))

  it(
    "memory and Postgres give the same answers to random questions about random records",
    () => Effect.runPromise(withLog(server.newDatabase(), (database) => sameAsMemory(database, 25))),
    60_000
  )

  describe("a Postgres database", () => {
    it.effect(
      "is shared by instances that write and sum up at once, and counts every record once",
      () =>
        Effect.gen(function* () {
          const url = server.newDatabase()
          const instance = (name: string) =>
            withLog(url, (log) =>
              Effect.gen(function* () {
                for (let batch = 0; batch < 6; batch++) {
                  for (let i = 0; i < 100; i++) {
                    log.record(
                      recordOf({ id: `${name} ${batch} ${i}`, timeMs: noonMs + batch * 1000 + i, costUsd: 0.001 })
                    )
                  }
                  yield* log.store.prune({ beforeMs: 0, keepRollups: true })
                }
              })
            )
          yield* Effect.all(["a", "b"].map(instance), { concurrency: "unbounded" })
          yield* withLog(url, (log) =>
            Effect.gen(function* () {
              expect((yield* log.usage(range)).totals).toMatchObject({ requests: 1200, costUsd: 1.2 })
              expect((yield* log.usage({ ...range, bucket: "day" })).totals.requests).toBe(1200)
            })
          )
        }),
      60_000
    )

    it.effect("that does not answer holds up nobody, says so, and gets every record once when it answers again", () =>
      withLog(
        server.newDatabase(),
        (log) =>
          Effect.gen(function* () {
            log.record(recordOf({ id: "before" }))
            expect(yield* idsOf(log)).toEqual(["before"])
            server.stall()
            try {
              for (let i = 0; i < 700; i++) expect(log.record(recordOf({ id: `r${i}` }))).toBeUndefined()
              yield* until(() => !log.health().healthy)
              expect(log.health()).toMatchObject({
                kind: "postgres",
                reason: "no answer within 100 ms",
                rowsDropped: 100
              })
            } finally {
              server.resume()
            }
            yield* until(() => log.health().healthy)
            expect((yield* log.usage(range)).totals.requests).toBe(601)
            expect(log.health().rowsDropped).toBe(100)
          }),
        { stallMs: 100, maxQueued: 600 }
      )
    )

    it.effect("that is given up on in the middle of a write has its batch once", () =>
      withLog(
        server.newDatabase(),
        (log) =>
          Effect.gen(function* () {
            log.record(recordOf({ id: "before" }))
            expect(yield* idsOf(log)).toEqual(["before"])
            server.stall()
            let asked
            try {
              log.record(recordOf({ id: "during" }))
              yield* TestClock.adjust("200 millis")
              yield* until(() => !log.health().healthy)
              asked = yield* Effect.forkChild(Effect.result(log.usage(range)))
              yield* until(() => log.health().reason?.includes("300 ms") === true)
            } finally {
              server.resume()
            }
            // The question goes with the connections that were given up, unless it was late: then it is answered.
            const answer = yield* Fiber.join(asked)
            if (Result.isFailure(answer)) expect(answer.failure.message).toContain("was given up")
            yield* until(() => log.health().healthy)
            expect(yield* idsOf(log)).toEqual(["before", "during"])
          }),
        { stallMs: 100, giveUpMs: 300 }
      )
    )

    it.effect("gives up a record that it can't hold, counts and tells it, and writes the rest of the batch", () =>
      withLog(server.newDatabase(), (log) =>
        Effect.gen(function* () {
          log.record(recordOf({ id: "before" }))
          // No index of Postgres holds a text that is longer than a third of a page and can't be compressed.
          for (const _ of [1, 2]) log.record(recordOf({ id: randomBytes(6000).toString("base64") }))
          for (let i = 0; i < 60; i++) log.record(recordOf({ id: `after ${i}` }))
          yield* TestClock.adjust("200 millis")
          yield* until(() => log.health().rowsDropped > 0)
          expect(log.health()).toMatchObject({ healthy: true, reason: null, rowsDropped: 2 })
          const ids = yield* idsOf(log)
          expect(ids).toHaveLength(61)
          log.record(recordOf({ id: "later" }))
          expect(yield* idsOf(log)).toContain("later")
        })
      )
    )

    it.effect(
      "has one that sums up: an instance leaves it to who is at it, and finishes it when that one is gone",
      () =>
        Effect.gen(function* () {
          const url = server.newDatabase()
          const database = yield* Database.make({ location: { kind: "postgres", url: Redacted.make(url) } })
          yield* withLog(url, (log) =>
            Effect.gen(function* () {
              log.record(recordOf({ id: "first" }))
              yield* idsOf(log)
              const waiting = Effect.map(
                database.use(
                  (sql) => sql<{ n: number }>`SELECT count(*)::int AS n FROM pg_locks
                WHERE locktype = 'advisory' AND objid = (6174100002 % 4294967296)::bigint::text::oid AND NOT granted`
                ),
                ([row]) => row!.n
              )
              const rolled = Effect.map(
                database.use((sql) => sql<{ value: bigint }>`SELECT value FROM usage_state WHERE name = 'rolled'`),
                ([row]) => Number(row?.value ?? 0)
              )
              yield* database.use((sql) =>
                sql.withTransaction(
                  Effect.gen(function* () {
                    yield* sql`SELECT pg_advisory_xact_lock(6174100002)`
                    log.record(recordOf({ id: "second" }))
                    yield* idsOf(log)
                    // Longer than the pause between a write and the sums that follow it.
                    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2500)))
                    expect(yield* waiting).toBe(0)
                    expect((yield* log.usage(range)).totals.requests).toBe(2)
                  })
                )
              )
              while ((yield* rolled) < 2) yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))
              expect((yield* log.usage(range)).totals.requests).toBe(2)
            })
          )
        })
    )

    it.effect("that can't sum up says so in its health, answers all the same, and says when it can again", () =>
      Effect.gen(function* () {
        const url = server.newDatabase()
        const database = yield* Database.make({ location: { kind: "postgres", url: Redacted.make(url) } })
        yield* withLog(url, (log) =>
          Effect.gen(function* () {
            log.record(recordOf({ id: "first" }))
            yield* idsOf(log)
            yield* database.use((sql) => sql`ALTER TABLE usage_places RENAME TO usage_places_away`)
            log.record(recordOf({ id: "second" }))
            yield* idsOf(log).pipe(Effect.ignore)
            yield* until(() => log.health().sumsReason !== undefined)
            expect(log.health()).toMatchObject({ healthy: true, rowsDropped: 0 })
            expect(log.health().sumsReason).toContain("usage_places")
            yield* database.use((sql) => sql`ALTER TABLE usage_places_away RENAME TO usage_places`)
            yield* until(() => log.health().sumsReason === undefined)
            expect((yield* log.usage(range)).totals.requests).toBe(2)
          })
        )
      })
    )

    it.effect("in strict mode lets a request wait for its record, but not for a database that is unwell", () =>
      withLog(
        server.newDatabase(),
        (log) =>
          Effect.gen(function* () {
            yield* log.record(recordOf({ id: "mine" })) ?? Effect.die("strict mode did not wait")
            server.stall()
            try {
              yield* log.record(recordOf({ id: "a" })) ?? Effect.void
              expect(log.health().healthy).toBe(false)
              yield* log.record(recordOf({ id: "b" })) ?? Effect.void
            } finally {
              server.resume()
            }
            yield* until(() => log.health().healthy)
            expect(yield* idsOf(log)).toEqual(["a", "b", "mine"])
          }),
        { durability: "strict", stallMs: 100 }
      )
    )

    it.effect("that refuses the connection is named in the health without its password", () => {
      const url = server.newDatabase().replace(server.password, "a-wrong-canary")
      return withLog(
        url,
        (log) =>
          Effect.gen(function* () {
            log.record(recordOf())
            yield* until(() => !log.health().healthy)
            const failure = yield* Effect.flip(log.usage(range))
            for (const text of [log.health().reason, String(failure), JSON.stringify(failure)]) {
              expect(text).not.toContain("canary")
            }
            expect(log.health().reason).toContain("password")
          }),
        { closeTimeoutMs: 50 }
      )
    })
  })
}
