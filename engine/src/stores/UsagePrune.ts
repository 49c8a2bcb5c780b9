/**
 * What pruning would delete, without deleting it.
 */
import { Effect } from "effect"
import type { UsageStore, UsageUnavailable } from "../UsageLog.ts"
import { bucketMs } from "./UsageAggregate.ts"

/**
 * Requests before a time that are there one by one; days of which only sums are left don't count. Sums that would go with
 * them are not counted in advance.
 */
export const prunable = (
  store: UsageStore,
  beforeMs: number
): Effect.Effect<{ readonly rows: number; readonly rollups: null }, UsageUnavailable> =>
  Effect.gen(function* () {
    const [oldest] = yield* store.scanRows({ fromMs: 0, toMs: beforeMs, limit: 1 }, undefined)
    if (oldest === undefined) return { rows: 0, rollups: null }
    // Days are forgotten as a whole, so that from this one on all requests are there.
    const fromMs = Math.floor(oldest.record.timeMs / bucketMs.day) * bucketMs.day
    const scan = { fromMs, toMs: beforeMs, bucket: "day", groupBy: undefined } as const
    const { totals } = yield* Effect.catchTag(store.usage(scan), "SeriesTooLong", Effect.die)
    return { rows: totals.requests, rollups: null }
  })
