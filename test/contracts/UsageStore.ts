/**
 * What every store of usage records promises, asked through the usage log: the same suite runs on memory and on SQLite.
 */
import { expect, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { describe } from "vitest"
import { type UsageLog as Log, maxPoints, UsageLog } from "../../engine/src/UsageLog.ts"
import type { UsageRecord } from "../../engine/src/UsageRecord.ts"
import { noonMs, recordOf } from "./usage-record.ts"

const minuteMs = 60_000
const hourMs = 60 * minuteMs

const day = { fromMs: noonMs - 24 * hourMs, toMs: noonMs + 24 * hourMs }

const recordAll = (log: Log["Service"], records: ReadonlyArray<Partial<UsageRecord>>): void => {
  for (const fields of records) log.record(recordOf(fields))
}

/** Percentiles are within one percent. */
const within = (expected: number) => (value: number | null) =>
  value !== null && Math.abs(value - expected) <= expected / 100

/** Every id that paging finds, page by page. */
const pagesOf = Effect.fnUntraced(function* (log: Log["Service"], limit: number, between: Effect.Effect<void>) {
  const pages: Array<ReadonlyArray<string>> = []
  let cursor: string | undefined
  do {
    const page = yield* log.requests({ limit, cursor })
    pages.push(page.items.map((item) => item.id))
    cursor = page.nextCursor ?? undefined
    yield* between
  } while (cursor !== undefined)
  return pages
})

export const usageStoreContract = (name: string, layer: () => Layer.Layer<UsageLog>): void => {
  const test = (title: string, body: (log: Log["Service"]) => Effect.Effect<void, unknown>) =>
    it.effect(title, () => Effect.flatMap(UsageLog, body).pipe(Effect.provide(layer())), 60_000)

  describe(`usage store: ${name}`, () => {
    test("counts every settled request, told apart by status and cache", (log) =>
      Effect.gen(function* () {
        recordAll(log, [
          { id: "a" },
          { id: "b", status: "error", fault: "provider", errorKind: "ProviderTimeout", costUsd: null },
          { id: "c", status: "cancelled", fault: "caller", errorKind: "Cancelled", costUsd: null },
          { id: "d", cache: "hit", costUsd: 0, savedUsd: 0.01, savedTokens: 163, providerCacheSavedUsd: -0.25 },
          { id: "e", cache: "semantic", costUsd: 0, savedUsd: 0.02, savedTokens: 100, providerCacheSavedUsd: 0.1 },
          { id: "f", cache: "coalesced", costUsd: 0 },
          { id: "g", cache: "bypass" }
        ])
        const { series, totals } = yield* log.usage(day)
        expect(totals).toMatchObject({
          requests: 7,
          errors: 1,
          cacheHits: 3,
          savedTokens: 263,
          providerCacheSavedUsd: -0.15
        })
        expect(totals.savedUsd).toBeCloseTo(0.03, 12)
        expect(series).toEqual([{ start: "2026-11-22T10:00:00.000Z", group: null, ...totals }])
      }))

    test("adds up disjoint tokens and dollars, and says how many have no price", (log) =>
      Effect.gen(function* () {
        recordAll(log, [
          {},
          { uncachedInput: 7, cacheReadInput: 0, cacheWriteInput: 0, output: 2, reasoning: 0, costUsd: 0.5 },
          { costUsd: null, priceTable: null, unpricedReason: "model is in no price table" },
          { uncachedInput: 0, cacheReadInput: 0, cacheWriteInput: 0, output: 0, reasoning: 0, unpricedReason: "none" }
        ])
        const { totals } = yield* log.usage(day)
        expect(totals).toMatchObject({
          promptTokens: 123 + 7 + 123,
          completionTokens: 40 + 2 + 40,
          cachedTokens: 40,
          reasoningTokens: 20,
          unpriced: 1
        })
        expect(totals.costUsd).toBeCloseTo(0.52, 12)
      }))

    test("gives percentiles by nearest rank within one percent, and null where there is no figure", (log) =>
      Effect.gen(function* () {
        recordAll(
          log,
          Array.from({ length: 100 }, (_, i) => ({ latencyMs: 100 - i, ttftMs: null }))
        )
        const { totals } = yield* log.usage(day)
        expect(totals).toMatchObject({ ttftMsP50: null, ttftMsP95: null })
        expect(totals.latencyMsP50).toSatisfy(within(50))
        expect(totals.latencyMsP95).toSatisfy(within(95))
        const nothing = yield* log.usage({ ...day, model: "no such model" })
        expect(nothing.series).toEqual([])
        expect(nothing.totals).toMatchObject({ requests: 0, costUsd: 0, latencyMsP50: null, latencyMsP95: null })
      }))

    test("gives the only value as every percentile", (log) =>
      Effect.gen(function* () {
        recordAll(log, [{ latencyMs: 12.5, ttftMs: 0 }])
        const { totals } = yield* log.usage(day)
        expect(totals).toMatchObject({ ttftMsP50: 0, ttftMsP95: 0 })
        expect(totals.latencyMsP50).toSatisfy(within(12.5))
        expect(totals.latencyMsP95).toBe(totals.latencyMsP50)
      }))

    test("buckets by minute, hour and day of UTC, in order, without empty buckets", (log) =>
      Effect.gen(function* () {
        const times = [noonMs + 61 * minuteMs, noonMs, noonMs + 59_999, noonMs + minuteMs, noonMs - 11 * hourMs]
        recordAll(
          log,
          times.map((timeMs) => ({ timeMs }))
        )
        const starts = (bucket: "minute" | "hour" | "day") =>
          Effect.map(log.usage({ ...day, bucket }), ({ series }) =>
            series.map((point) => `${point.start.slice(0, 16)} ${point.requests}`)
          )
        expect(yield* starts("minute")).toEqual([
          "2026-11-21T23:00 1",
          "2026-11-22T10:00 2",
          "2026-11-22T10:01 1",
          "2026-11-22T11:01 1"
        ])
        expect(yield* starts("hour")).toEqual(["2026-11-21T23:00 1", "2026-11-22T10:00 3", "2026-11-22T11:00 1"])
        expect(yield* starts("day")).toEqual(["2026-11-21T00:00 1", "2026-11-22T00:00 4"])
      }))

    test("groups by each field, with null for requests that have no such value", (log) =>
      Effect.gen(function* () {
        recordAll(log, [
          { keyId: "key_1", tenant: "b" },
          { provider: "anthropic", model: "claude-haiku-4-5", cache: "hit" },
          { provider: null, model: null, status: "error", fault: "caller", errorKind: "ModelNotFound" }
        ])
        const groups = (groupBy: "model" | "provider" | "tenant" | "key" | "status" | "cache") =>
          Effect.map(log.usage({ ...day, groupBy }), ({ series }) =>
            series.map((point) => [point.group, point.requests])
          )
        expect(yield* groups("model")).toEqual([
          [null, 1],
          ["claude-haiku-4-5", 1],
          ["gpt-5.4-mini", 1]
        ])
        expect(yield* groups("provider")).toEqual([
          [null, 1],
          ["anthropic", 1],
          ["openai", 1]
        ])
        expect(yield* groups("tenant")).toEqual([
          ["b", 1],
          ["default", 2]
        ])
        expect(yield* groups("key")).toEqual([
          [null, 2],
          ["key_1", 1]
        ])
        expect(yield* groups("status")).toEqual([
          ["error", 1],
          ["success", 2]
        ])
        expect(yield* groups("cache")).toEqual([
          ["hit", 1],
          ["miss", 2]
        ])
      }))

    test("filters by each field and by all at once", (log) =>
      Effect.gen(function* () {
        recordAll(log, [
          { id: "a", keyId: "key_1", tenant: "b", provider: "google", model: "gemini", cache: "hit" },
          { id: "b", keyId: "key_1", status: "error", fault: "policy", errorKind: "QueueFull" },
          { id: "c" }
        ])
        const ids = (filters: Parameters<typeof log.requests>[0]) =>
          Effect.map(log.requests(filters), ({ items }) =>
            items
              .map((item) => item.id)
              .toSorted()
              .join()
          )
        expect(yield* ids({})).toBe("a,b,c")
        expect(yield* ids({ key: "key_1" })).toBe("a,b")
        expect(yield* ids({ tenant: "default" })).toBe("b,c")
        expect(yield* ids({ provider: "google" })).toBe("a")
        expect(yield* ids({ model: "gpt-5.4-mini" })).toBe("b,c")
        expect(yield* ids({ status: "error" })).toBe("b")
        expect(yield* ids({ cache: "hit" })).toBe("a")
        expect(yield* ids({ key: "key_1", status: "error", tenant: "default", cache: "miss" })).toBe("b")
        expect((yield* log.usage({ ...day, key: "key_1", status: "success" })).totals.requests).toBe(1)
      }))

    test("takes filter values as values, whatever they look like", (log) =>
      Effect.gen(function* () {
        const odd = [
          "' OR '1'='1",
          "x'; DROP TABLE usage_records; --",
          "%",
          "_",
          "\\",
          '"',
          "a\u0000b",
          "naïve 🦆 模型",
          "?"
        ]
        recordAll(log, [...odd.map((tenant, i) => ({ id: `odd_${i}`, tenant })), { id: "plain" }])
        for (const [i, tenant] of odd.entries()) {
          const { items } = yield* log.requests({ tenant })
          // Postgres holds no zero character.
          const held = name.startsWith("postgres") ? tenant.replaceAll("\u0000", "\ufffd") : tenant
          expect(items.map((item) => [item.id, item.tenant])).toEqual([[`odd_${i}`, held]])
          expect((yield* log.usage({ ...day, tenant })).totals.requests).toBe(1)
          expect(yield* log.request(tenant)).toBeUndefined()
        }
        expect((yield* log.usage({ ...day, groupBy: "tenant" })).series).toHaveLength(odd.length + 1)
      }))

    test("includes from and excludes to", (log) =>
      Effect.gen(function* () {
        recordAll(log, [
          { id: "before", timeMs: noonMs - 1 },
          { id: "at", timeMs: noonMs },
          { id: "last", timeMs: noonMs + 9 },
          { id: "after", timeMs: noonMs + 10 }
        ])
        const range = { fromMs: noonMs, toMs: noonMs + 10 }
        expect((yield* log.requests(range)).items.map((item) => item.id)).toEqual(["last", "at"])
        expect((yield* log.usage(range)).totals.requests).toBe(2)
        expect((yield* log.usage({ fromMs: noonMs, toMs: noonMs })).totals.requests).toBe(0)
      }))

    test("looks at the last 24 hours up to now when no range is given", (log) =>
      Effect.gen(function* () {
        recordAll(log, [{ timeMs: 0 }, { timeMs: -24 * hourMs }, { timeMs: -24 * hourMs - 1 }, { timeMs: 1 }])
        expect((yield* log.usage({})).totals.requests).toBe(1)
        expect((yield* log.usage({ toMs: 0 })).totals.requests).toBe(1)
      }))

    test("pages from the newest to the oldest and shows each request once, also when times are equal", (log) =>
      Effect.gen(function* () {
        recordAll(
          log,
          Array.from({ length: 25 }, (_, i) => ({ id: `r${i}`, timeMs: noonMs + Math.floor(i / 4) }))
        )
        const pages = yield* pagesOf(log, 7, Effect.void)
        expect(pages.map((page) => page.length)).toEqual([7, 7, 7, 4])
        expect(pages.flat()).toEqual(Array.from({ length: 25 }, (_, i) => `r${24 - i}`))
      }))

    test("ends with no cursor when the last page is full", (log) =>
      Effect.gen(function* () {
        recordAll(log, [{ id: "a" }, { id: "b" }])
        expect((yield* log.requests({ limit: 2 })).nextCursor).toBeNull()
        expect((yield* log.requests({ limit: 1 })).nextCursor).not.toBeNull()
      }))

    test("keeps a cursor's place while requests are written", (log) =>
      Effect.gen(function* () {
        const before = Array.from({ length: 20 }, (_, i) => `old_${i}`)
        recordAll(
          log,
          before.map((id, i) => ({ id, timeMs: noonMs + i }))
        )
        let written = 0
        const write = Effect.sync(() => {
          written += 1
          recordAll(log, [
            { id: `newer_${written}`, timeMs: noonMs + 100 + written },
            { id: `older_${written}`, timeMs: noonMs - 100 - written }
          ])
        })
        const pages = yield* pagesOf(log, 6, write)
        const seen = pages.flat()
        expect(new Set(seen).size).toBe(seen.length)
        expect(seen.filter((id) => id.startsWith("old_"))).toEqual(before.toReversed())
        expect(seen.some((id) => id.startsWith("newer_"))).toBe(false)
      }))

    test("refuses a cursor that it did not make", (log) =>
      Effect.gen(function* () {
        for (const cursor of ["x", "1", ".", "1.", "1.2.3", "zzzzzzzzzzzz.1", "-1.-1", "' OR 1=1", "1.2 "]) {
          expect((yield* Effect.flip(log.requests({ cursor })))._tag).toBe("InvalidCursor")
        }
      }))

    test("finds a request by its id, with every attempt and the lines of its price", (log) =>
      Effect.gen(function* () {
        const attempts: UsageRecord["attempts"] = [
          {
            provider: "openai",
            model: "gpt-5.4-mini",
            startedAtMs: noonMs + 10,
            queueMs: 5,
            firstPartAtMs: null,
            endedAtMs: noonMs + 110,
            costUsd: null,
            error: {
              kind: "ProviderOverloaded",
              fault: "provider",
              status: 529,
              upstreamStatus: 529,
              retryAfterMs: 1500
            }
          },
          {
            provider: "anthropic",
            model: "claude-haiku-4-5",
            startedAtMs: noonMs + 120,
            queueMs: 0,
            firstPartAtMs: noonMs + 200,
            endedAtMs: noonMs + 250,
            costUsd: 0.01,
            error: null
          }
        ]
        recordAll(log, [{ id: "other" }, { id: "one", estimated: true, cacheAgeMs: 7, cacheSimilarity: 0.9, attempts }])
        expect(yield* log.request("one")).toMatchObject({
          id: "one",
          time: "2026-11-22T10:00:00.000Z",
          tenant: "default",
          keyId: null,
          modelRequested: "fast",
          model: "gpt-5.4-mini",
          provider: "openai",
          status: "success",
          fault: null,
          errorKind: null,
          cache: "miss",
          attempts: 2,
          promptTokens: 123,
          completionTokens: 40,
          costUsd: 0.01,
          latencyMs: 250,
          ttftMs: 50,
          queueMs: 5,
          attemptDetails: [
            {
              provider: "openai",
              model: "gpt-5.4-mini",
              reason: "first",
              lost: false,
              lostUsd: null,
              startedAt: "2026-11-22T10:00:00.010Z",
              queueMs: 5,
              firstPartMs: null,
              durationMs: 100,
              error: {
                kind: "ProviderOverloaded",
                fault: "provider",
                status: 529,
                upstreamStatus: 529,
                retryAfterMs: 1500
              }
            },
            {
              provider: "anthropic",
              model: "claude-haiku-4-5",
              reason: "fallback",
              lost: false,
              lostUsd: null,
              startedAt: "2026-11-22T10:00:00.120Z",
              queueMs: 0,
              firstPartMs: 80,
              durationMs: 130,
              error: null
            }
          ],
          cacheAgeMs: 7,
          cacheSimilarity: 0.9,
          reasoningTokens: 10,
          estimated: true,
          price: {
            usd: 0.01,
            table: "table 1",
            unpricedReason: null,
            lines: expect.arrayContaining([
              expect.objectContaining({ kind: "uncachedInput", tokens: 100 }),
              expect.objectContaining({ kind: "cacheReadInput", tokens: 20 }),
              expect.objectContaining({ kind: "cacheWriteInput", tokens: 3 })
            ])
          },
          savedUsd: null,
          savedTokens: 0
        })
        expect(yield* log.request("none")).toBeUndefined()
      }))

    test("counts 1,000 concurrent requests exactly", (log) =>
      Effect.gen(function* () {
        yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, i) => i),
          (i) =>
            Effect.andThen(
              Effect.yieldNow,
              Effect.suspend(
                () => log.record(recordOf({ id: `r${i}`, costUsd: 1, tenant: `t${i % 10}` })) ?? Effect.void
              )
            ),
          { concurrency: "unbounded" }
        )
        const { series, totals } = yield* log.usage({ ...day, groupBy: "tenant" })
        expect(totals).toMatchObject({ requests: 1000, costUsd: 1000, promptTokens: 123_000 })
        expect(series.map((point) => point.requests)).toEqual(Array.from({ length: 10 }, () => 100))
        expect(log.totals()).toEqual({
          requests: 1000,
          errors: 0,
          promptTokens: 123_000,
          completionTokens: 40_000,
          costUsd: 1000,
          savedUsd: 0,
          savedTokens: 0,
          providerCacheSavedUsd: 0
        })
        expect(log.health()).toMatchObject({ healthy: true, rowsDropped: 0, reason: null })
      }))

    test(`answers with up to ${maxPoints} points`, (log) =>
      Effect.gen(function* () {
        const range = { fromMs: 0, toMs: 1e12 }
        recordAll(
          log,
          Array.from({ length: maxPoints }, (_, i) => ({ timeMs: i * minuteMs }))
        )
        expect((yield* log.usage({ ...range, bucket: "minute", groupBy: "tenant" })).series).toHaveLength(maxPoints)
        expect((yield* log.usage({ ...range, bucket: "day" })).series).toHaveLength(7)
      }))
  })
}
