/**
 * What pruning would delete, without deleting it.
 */
import { Effect } from "effect"
import type { UsageStore, UsageUnavailable } from "../UsageLog.ts"

/** Requests before a time; the sums that would go with them are not counted in advance. */
export const prunable = (
  store: UsageStore,
  beforeMs: number
): Effect.Effect<{ readonly rows: number; readonly rollups: null }, UsageUnavailable> =>
  Effect.map(
    Effect.catchTag(
      store.usage({ fromMs: 0, toMs: beforeMs, bucket: "day", groupBy: undefined }),
      "SeriesTooLong",
      Effect.die
    ),
    ({ totals }) => ({ rows: totals.requests, rollups: null })
  )
