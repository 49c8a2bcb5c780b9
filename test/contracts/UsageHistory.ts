/**
 * What every store of usage records promises about history: failures, pages of rows, retention, prices made anew. The sums
 * are the same before and after records have been summed up.
 */
import { expect, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { describe } from "vitest"
import { type UsageLog as Log, UsageLog } from "../../engine/src/UsageLog.ts"
import type { UsageRecord } from "../../engine/src/UsageRecord.ts"
import { noonMs, recordOf } from "./usage-record.ts"

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const range = { fromMs: noonMs - 10 * dayMs, toMs: noonMs + 10 * dayMs }

/** Lets the store sum up all that it has, where it does so. */
export const sumUp = (log: Log["Service"]) => log.store.prune({ beforeMs: 0, keepRollups: true })

const failure = (fields: Partial<UsageRecord> = {}): Partial<UsageRecord> => ({
  status: "error",
  fault: "provider",
  errorKind: "ProviderOverloaded",
  errorDetail: "the model is overloaded",
  fingerprint: "f1",
  ...fields
})

const change = (seq: number, costUsd: number | null) => ({
  seq,
  costUsd,
  priceTable: costUsd === null ? null : "table 2",
  unpricedReason: costUsd === null ? "model is in no price table" : null,
  savedUsd: null,
  inputUsd: costUsd,
  cacheReadUsd: null,
  cacheWriteUsd: null,
  outputUsd: null,
  reasoningUsd: null,
  providerCacheSavedUsd: null
})

export const usageHistoryContract = (name: string, layer: () => Layer.Layer<UsageLog>): void => {
  const test = (title: string, body: (log: Log["Service"]) => Effect.Effect<void, unknown>) =>
    it.effect(title, () => Effect.flatMap(UsageLog, body).pipe(Effect.provide(layer())))
  const recordAll = (log: Log["Service"], records: ReadonlyArray<Partial<UsageRecord>>) => {
    for (const fields of records) log.record(recordOf(fields))
  }

  describe(`history of a usage store: ${name}`, () => {
    for (const summed of [false, true]) {
      const when = summed ? "after they are summed up" : "before they are summed up"

      test(`groups failures by fingerprint, ${when}`, (log) =>
        Effect.gen(function* () {
          const { store } = log
          recordAll(log, [
            failure({ id: "a", timeMs: noonMs, tenant: "x", keyId: "k" }),
            failure({ id: "b", timeMs: noonMs + 2 * hourMs, tenant: "y" }),
            failure({ id: "c", timeMs: noonMs + 61_000, tenant: "x" }),
            failure({ id: "d", fingerprint: "f2", errorKind: "ProviderTimeout", errorDetail: null, provider: "other" }),
            { id: "e" }
          ])
          if (summed) yield* sumUp(log)
          const first = {
            fingerprint: "f1",
            kind: "ProviderOverloaded",
            fault: "provider",
            provider: "openai",
            model: "gpt-5.4-mini",
            message: "the model is overloaded"
          }
          const all = { ...range, bucket: "hour", limit: 10 } as const
          expect(yield* store.errors(all)).toEqual([
            {
              ...first,
              count: 3,
              firstSeenMs: noonMs,
              lastSeenMs: noonMs + 2 * hourMs,
              sampleId: "b",
              series: [
                { startMs: noonMs, count: 2 },
                { startMs: noonMs + 2 * hourMs, count: 1 }
              ]
            },
            {
              fingerprint: "f2",
              kind: "ProviderTimeout",
              fault: "provider",
              provider: "other",
              model: "gpt-5.4-mini",
              message: null,
              count: 1,
              firstSeenMs: noonMs,
              lastSeenMs: noonMs,
              sampleId: "d",
              series: [{ startMs: noonMs, count: 1 }]
            }
          ])
          const counts = (scan: object) =>
            Effect.map(store.errors({ ...all, ...scan }), (groups) =>
              groups.map((group) => `${group.fingerprint} ${group.count} ${group.sampleId}`)
            )
          expect(yield* counts({ limit: 1 })).toEqual(["f1 3 b"])
          expect(yield* counts({ tenant: "x" })).toEqual(["f1 2 c"])
          expect(yield* counts({ key: "k" })).toEqual(["f1 1 a"])
          expect(yield* counts({ provider: "other" })).toEqual(["f2 1 d"])
          expect(yield* counts({ kind: "ProviderOverloaded" })).toEqual(["f1 3 b"])
          expect(yield* counts({ fingerprint: "f2" })).toEqual(["f2 1 d"])
          expect(yield* counts({ model: "none" })).toEqual([])
          expect(yield* counts({ fromMs: noonMs + 61_000, toMs: noonMs + 2 * hourMs, bucket: "minute" })).toEqual([
            "f1 1 c"
          ])
        }))

      test(`prices records anew, and the sums with them, ${when}`, (log) =>
        Effect.gen(function* () {
          const { store } = log
          recordAll(log, [
            { id: "a", costUsd: 1 },
            { id: "b", costUsd: 2, tenant: "x" },
            { id: "c", costUsd: 4 }
          ])
          if (summed) yield* sumUp(log)
          const stored = yield* store.scanRows({ ...range, limit: 10 }, undefined)
          expect(stored.map(({ record }) => record.id)).toEqual(["a", "b", "c"])
          const [a, b] = stored
          expect(yield* store.reprice([change(a!.seq, null), change(b!.seq, 0.25), change(999_999, 9)])).toBe(2)
          expect(yield* store.find("b")).toMatchObject({ costUsd: 0.25, priceTable: "table 2", inputUsd: 0.25 })
          expect(yield* store.find("a")).toMatchObject({ costUsd: null, unpricedReason: "model is in no price table" })
          const { totals } = yield* log.usage(range)
          expect(totals).toMatchObject({ requests: 3, costUsd: 4.25, unpriced: 1 })
          for (const bucket of ["minute", "hour", "day"] as const) {
            const { series } = yield* log.usage({ ...range, bucket, groupBy: "tenant" })
            expect(series.map((point) => [point.group, point.costUsd])).toEqual([
              ["default", 4],
              ["x", 0.25]
            ])
          }
        }))
    }

    test("gives rows in pages, oldest first, with any filter", (log) =>
      Effect.gen(function* () {
        const { store } = log
        recordAll(
          log,
          Array.from({ length: 50 }, (_, i) => ({ id: `r${i}`, timeMs: noonMs + (i % 10), tenant: `t${i % 3}` }))
        )
        const read = Effect.fnUntraced(function* (tenant: string | undefined) {
          const ids: Array<string> = []
          let after: { timeMs: number; seq: number } | undefined
          while (true) {
            const page = yield* store.scanRows({ ...range, tenant, limit: 7 }, after)
            if (page.length === 0) return ids
            ids.push(...page.map(({ record }) => record.id))
            after = { timeMs: page.at(-1)!.record.timeMs, seq: page.at(-1)!.seq }
          }
        })
        const order = Array.from({ length: 50 }, (_, i) => i).sort((a, b) => (a % 10) - (b % 10) || a - b)
        for (const round of [1, 2]) {
          expect([round, yield* read(undefined)]).toEqual([round, order.map((i) => `r${i}`)])
          expect([round, yield* read("t1")]).toEqual([round, order.filter((i) => i % 3 === 1).map((i) => `r${i}`)])
          yield* sumUp(log)
        }
      }))

    test("forgets whole days, and no record of a later one", (log) =>
      Effect.gen(function* () {
        const { store } = log
        const midnightMs = noonMs - 10 * hourMs
        recordAll(log, [
          { id: "old", timeMs: midnightMs - 1 },
          { id: "older", timeMs: midnightMs - 3 * dayMs },
          { id: "new", timeMs: midnightMs }
        ])
        expect(yield* store.prune({ beforeMs: midnightMs + 5 * hourMs, keepRollups: false })).toMatchObject({ rows: 2 })
        expect((yield* log.requests(range)).items.map(({ id }) => id)).toEqual(["new"])
        expect((yield* log.usage(range)).totals.requests).toBe(1)
        expect(yield* store.find("old")).toBeUndefined()
        recordAll(log, [{ id: "next" }])
        expect((yield* log.usage(range)).totals.requests).toBe(2)
      }))

    test("keeps metadata, content and price lines as they were", (log) =>
      Effect.gen(function* () {
        const full = recordOf({
          id: "full",
          metadata: { a: 1, b: ["x"] },
          content: { prompt: "p\u0000\ud800", answer: "🦆" },
          inputUsd: 0.000_000_1,
          outputUsd: 0.004,
          costUsd: 0.004_000_1,
          overheadMs: 0.5,
          stream: true,
          errorDetail: "a detail"
        })
        log.record(full)
        const found = yield* log.store.find("full")
        expect({ ...found, content: null }).toEqual({ ...full, content: null })
        expect(found?.content?.answer).toBe("🦆")
      }))
  })
}

/** What only a store that keeps sums promises. */
export const usageRollupContract = (name: string, layer: () => Layer.Layer<UsageLog>): void => {
  describe(`sums of a usage store: ${name}`, () => {
    it.effect("outlive the records where they are kept", () =>
      Effect.gen(function* () {
        const log = yield* UsageLog
        for (let i = 0; i < 30; i++) {
          log.record(recordOf({ id: `r${i}`, timeMs: noonMs + i * 7 * hourMs, tenant: `t${i % 3}`, costUsd: 0.1 }))
        }
        const whole = { fromMs: noonMs - dayMs, toMs: noonMs + 30 * dayMs }
        const ask = (bucket: "hour" | "day") => log.usage({ ...whole, bucket, groupBy: "tenant" })
        const before = [yield* ask("hour"), yield* ask("day")]
        const pruned = yield* log.store.prune({ beforeMs: noonMs + 6 * dayMs, keepRollups: true })
        expect(pruned.rows).toBeGreaterThan(10)
        expect([yield* ask("hour"), yield* ask("day")]).toEqual(before)
        const { totals } = yield* log.usage({ ...whole, fromMs: noonMs + 1, toMs: noonMs + 7 * hourMs + 1 })
        expect(totals.requests).toBe(2)
      }).pipe(Effect.provide(layer()))
    )
  })
}
