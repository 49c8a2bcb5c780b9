import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { memoryCapacity } from "../../../engine/src/stores/UsageMemory.ts"
import { layer } from "../../../engine/src/stores/UsageDatabase.ts"
import { UsageLog } from "../../../engine/src/UsageLog.ts"
import { noonMs, recordOf } from "../../contracts/usage-record.ts"
import { usageHistoryContract } from "../../contracts/UsageHistory.ts"
import { usageStoreContract } from "../../contracts/UsageStore.ts"

const memory = () => layer({ database: "memory", durability: "relaxed" })

usageStoreContract("memory", memory)
usageHistoryContract("memory", memory)

it.effect("keeps the last 10,000 records and the sums of all", () =>
  Effect.gen(function* () {
    const log = yield* UsageLog
    const count = memoryCapacity + 25
    for (let i = 0; i < count; i++) log.record(recordOf({ id: `r${i}`, timeMs: noonMs + i }))
    const { totals } = yield* log.usage({ fromMs: noonMs, toMs: noonMs + count })
    expect(totals.requests).toBe(memoryCapacity)
    expect(log.totals().requests).toBe(count)
    expect(yield* log.request("r24")).toBeUndefined()
    expect(yield* log.request("r25")).toBeDefined()
    expect((yield* log.requests({ limit: 1 })).items[0]?.id).toBe(`r${count - 1}`)
  }).pipe(Effect.provide(memory()))
)

it.effect("is pruned once an hour where a retention is configured", () =>
  Effect.gen(function* () {
    const log = yield* UsageLog
    yield* TestClock.setTime(noonMs)
    for (const daysAgo of [0, 29, 31, 40]) {
      log.record(recordOf({ id: `${daysAgo}`, timeMs: noonMs - daysAgo * 86_400_000 }))
    }
    yield* TestClock.adjust("1 hour")
    yield* TestClock.adjust("1 minute")
    const { items } = yield* log.requests({ fromMs: 0 })
    expect(items.map(({ id }) => id)).toEqual(["0", "29"])
  }).pipe(Effect.provide(layer({ database: "memory", durability: "relaxed", retentionDays: 30 })))
)
