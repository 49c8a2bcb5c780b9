/**
 * Random usage records and questions: a store in SQL gives the answers that the store in memory gives.
 */
import { expect } from "@effect/vitest"
import { Effect, Result } from "effect"
import fc from "fast-check"
import * as UsageMemory from "../../engine/src/stores/UsageMemory.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import type { UsageRecord } from "../../engine/src/UsageRecord.ts"
import { noonMs, recordOf } from "./usage-record.ts"
import { sumUp } from "./UsageHistory.ts"

const name = fc.constantFrom("a", "b", "A", "é", "🦆", "o'x", "")
const maybe = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { freq: 3 })
const tokens = fc.nat({ max: 1000 })
const durationMs = fc.nat({ max: 400 }).map((quarters) => quarters / 4)
/** Multiples of 2⁻¹⁰, whose sums are exact in any order. */
const usd = fc.nat({ max: 4096 }).map((units) => units / 1024)
const status = fc.constantFrom("success", "error", "cancelled")
const cache = fc.constantFrom("hit", "semantic", "coalesced", "miss", "bypass")
const timeMs = fc.integer({ min: noonMs, max: noonMs + 3 * 3_600_000 })

const record: fc.Arbitrary<UsageRecord> = fc
  .record({
    timeMs: fc.oneof(timeMs, fc.constantFrom(noonMs, noonMs + 60_000)),
    tenant: name,
    keyId: maybe(name),
    model: maybe(name),
    provider: maybe(name),
    status,
    cache,
    uncachedInput: tokens,
    cacheReadInput: tokens,
    cacheWriteInput: tokens,
    output: tokens,
    reasoning: tokens,
    estimated: fc.boolean(),
    costUsd: maybe(usd),
    unpricedReason: maybe(name),
    savedUsd: maybe(usd),
    savedTokens: tokens,
    latencyMs: maybe(durationMs),
    ttftMs: maybe(durationMs)
  } satisfies { [K in keyof UsageRecord]?: unknown })
  .map((fields) => recordOf(fields))

const filters = {
  model: name,
  provider: name,
  tenant: name,
  key: name,
  status,
  cache
}

const usageQuery = fc
  .record(
    {
      ...filters,
      fromMs: timeMs,
      toMs: timeMs,
      bucket: fc.constantFrom("minute", "hour", "day"),
      groupBy: fc.constantFrom("model", "provider", "tenant", "key", "status", "cache")
    },
    { requiredKeys: [] }
  )
  .map((query) => ({ fromMs: noonMs, toMs: noonMs + 864e5, ...query }))

/** Sums of records that are looked at one by one, sometimes of more than are. */
const recordSums = fc.record({
  query: usageQuery,
  minLatencyMs: durationMs,
  maxRecords: fc.constantFrom(0, 10, 20, 1000)
})

const requestsQuery = fc
  .record({ ...filters, fromMs: timeMs, toMs: timeMs, limit: fc.integer({ min: 1, max: 7 }) }, { requiredKeys: [] })
  .map((query) => ({ fromMs: noonMs, toMs: noonMs + 864e5, limit: 5, ...query }))

const allPages = Effect.fnUntraced(function* (
  log: UsageLog["Service"],
  query: Parameters<UsageLog["Service"]["requests"]>[0]
) {
  const items = []
  let cursor: string | undefined
  do {
    const page = yield* log.requests({ ...query, cursor })
    items.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return items
})

/** Asks a store and one in memory the same random questions about the same random records, before and after it sums up. */
export const sameAsMemory = (database: UsageLog["Service"], numRuns: number): Effect.Effect<void> => {
  let runs = 0
  const property = fc.asyncProperty(
    fc.array(record, { maxLength: 40 }),
    fc.array(usageQuery, { minLength: 1, maxLength: 6 }),
    fc.array(requestsQuery, { minLength: 1, maxLength: 4 }),
    fc.array(recordSums, { maxLength: 3 }),
    // Three hours, or three minutes, in which most ranges end a moment before or after the last record.
    fc.constantFrom(1, 60),
    (records, usageQueries, requestsQueries, sumsQueries, denser) =>
      Effect.gen(function* () {
        const memory = yield* UsageLog
        // Each run has ten days of its own, so that one database serves them all.
        const laterMs = ++runs * 864e6
        const timeOf = (madeMs: number) => noonMs + Math.floor((madeMs - noonMs) / denser) + laterMs
        const later = <Query extends { readonly fromMs: number; readonly toMs: number }>(query: Query) => ({
          ...query,
          fromMs: timeOf(query.fromMs),
          toMs: timeOf(query.toMs)
        })
        const ids = ["r0", "r7", "r29", "r30"].map((id) => `${runs} ${id}`)
        for (const [i, made] of records.entries()) {
          const shifted = { ...made, id: `${runs} r${i % 30}`, timeMs: timeOf(made.timeMs) }
          memory.record(shifted)
          database.record(shifted)
        }
        for (const summed of [false, true]) {
          if (summed) yield* sumUp(database)
          for (const query of usageQueries.map(later)) {
            expect(yield* database.usage(query)).toEqual(yield* memory.usage(query))
          }
          for (const { query, ...rest } of sumsQueries) {
            const scan = { bucket: "hour" as const, groupBy: undefined, ...later(query), ...rest }
            const found = yield* Effect.result(database.store.recordSums(scan))
            if (Result.isSuccess(found)) expect(found.success).toEqual(yield* memory.store.recordSums(scan))
            else {
              expect(found.failure._tag).toBe("TooManyRecords")
              expect((yield* memory.usage(scan)).totals.requests).toBeGreaterThan(scan.maxRecords)
            }
          }
          for (const query of requestsQueries.map(later)) {
            expect(yield* allPages(database, query)).toEqual(yield* allPages(memory, query))
          }
        }
        for (const id of ids) expect(yield* database.request(id)).toEqual(yield* memory.request(id))
      }).pipe(Effect.provide(UsageLog.layer(UsageMemory.make)), Effect.runPromise)
  )
  return Effect.promise(() => fc.assert(property, { numRuns }))
}
