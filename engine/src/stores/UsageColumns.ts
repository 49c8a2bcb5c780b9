/**
 * The columns of usage records in a SQL database: how each field is stored and read, for SQLite and Postgres alike.
 *
 * Money is stored as whole picodollars, times as milliseconds, what has a structure as JSON. A value that a database can't
 * hold is brought into its bounds, so that one odd record stops no batch.
 */
import type { GroupBy } from "../AdminAnswers.ts"
import { picosPerUsd, usdOf } from "../Money.ts"
import type { StoredRecord } from "../UsageLog.ts"
import type { AttemptRecord, UsageRecord } from "../UsageRecord.ts"

/** What a statement takes and gives. */
export type SqlValue = string | number | null | Uint8Array

export type ColumnKind = "text" | "integer" | "real" | "flag" | "json" | "money"

/** Field of a record, its column and its kind, in the order in which they are read and written. */
export const columns = [
  ["id", "id", "text"],
  ["timeMs", "time_ms", "integer"],
  ["tenant", "tenant", "text"],
  ["keyId", "key_id", "text"],
  ["modelRequested", "model_requested", "text"],
  ["model", "model", "text"],
  ["provider", "provider", "text"],
  ["status", "status", "text"],
  ["fault", "fault", "text"],
  ["errorKind", "error_kind", "text"],
  ["cache", "cache", "text"],
  ["uncachedInput", "uncached_input", "integer"],
  ["cacheReadInput", "cache_read_input", "integer"],
  ["cacheWriteInput", "cache_write_input", "integer"],
  ["output", "output", "integer"],
  ["reasoning", "reasoning", "integer"],
  ["estimated", "estimated", "flag"],
  ["costUsd", "cost_picos", "money"],
  ["priceTable", "price_table", "text"],
  ["unpricedReason", "unpriced_reason", "text"],
  ["savedUsd", "saved_picos", "money"],
  ["savedTokens", "saved_tokens", "integer"],
  ["latencyMs", "latency_ms", "real"],
  ["ttftMs", "ttft_ms", "real"],
  ["queueMs", "queue_ms", "real"],
  ["cacheAgeMs", "cache_age_ms", "real"],
  ["cacheSimilarity", "cache_similarity", "real"],
  ["overheadMs", "overhead_ms", "real"],
  ["stream", "stream", "flag"],
  ["metadata", "metadata", "json"],
  ["content", "content", "json"],
  ["inputUsd", "input_picos", "money"],
  ["cacheReadUsd", "cache_read_picos", "money"],
  ["cacheWriteUsd", "cache_write_picos", "money"],
  ["outputUsd", "output_picos", "money"],
  ["reasoningUsd", "reasoning_picos", "money"],
  ["providerCacheSavedUsd", "provider_cache_saved_picos", "money"],
  ["usageDetail", "usage_detail", "json"],
  ["errorDetail", "error_detail", "text"],
  ["fingerprint", "fingerprint", "text"],
  ["attempts", "attempts", "json"]
] as const satisfies ReadonlyArray<readonly [keyof UsageRecord, string, ColumnKind]>

/** Fields whose column is never null. */
export const required: ReadonlySet<keyof UsageRecord> = new Set<keyof UsageRecord>([
  "id",
  "timeMs",
  "tenant",
  "status",
  "cache",
  "uncachedInput",
  "cacheReadInput",
  "cacheWriteInput",
  "output",
  "reasoning",
  "estimated",
  "savedTokens",
  "queueMs",
  "stream",
  "attempts"
])

export const fieldOf = {
  model: "model",
  provider: "provider",
  tenant: "tenant",
  key: "keyId",
  status: "status",
  cache: "cache"
} as const satisfies { readonly [K in GroupBy]: keyof UsageRecord }

export const columnOf: { readonly [K in GroupBy]: string } = {
  model: "model",
  provider: "provider",
  tenant: "tenant",
  key: "key_id",
  status: "status",
  cache: "cache"
}

/** The values of a record in the order of `columns`. */
export const valuesOf = (record: UsageRecord): Array<SqlValue> =>
  columns.map(([field, , kind]) => {
    const value = record[field]
    if (value === null || value === undefined) return null
    return toSql(value, kind)
  })

export const toSql = (value: unknown, kind: ColumnKind): SqlValue => {
  switch (kind) {
    case "text":
      return value as string
    case "integer":
      return bounded(Math.round(value as number))
    case "real":
      return value as number
    case "flag":
      return value === true ? 1 : 0
    case "json":
      return JSON.stringify(value)
    case "money":
      return bounded(Math.round((value as number) * picosPerUsd))
  }
}

/** Whole numbers beyond 2⁵³ can't be told from their neighbours. */
const bounded = (value: number): number =>
  Math.min(Math.max(value, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER) || 0

/** A row that begins with `seq` and goes on in the order of `columns`. */
export const storedOf = (row: ReadonlyArray<unknown>): StoredRecord => {
  const record: Record<string, unknown> = {}
  for (let i = 0; i < columns.length; i++) {
    const [field, , kind] = columns[i]!
    const value = row[i + 1]
    record[field] = value === null ? null : fromSql(value, kind)
  }
  record.attempts = (record.attempts as Array<AttemptRecord>).map(attemptOf)
  return { seq: row[0] as number, record: record as unknown as UsageRecord }
}

const fromSql = (value: unknown, kind: ColumnKind): unknown =>
  kind === "flag"
    ? value === 1
    : kind === "json"
      ? JSON.parse(value as string)
      : kind === "money"
        ? usdOf(value as number)
        : value

/** Attempts that were written before there was a field lack it. */
const attemptOf = (attempt: AttemptRecord): AttemptRecord => ({ ...attempt, costUsd: attempt.costUsd ?? null })
