/**
 * Usage records as lines of a file: CSV for spreadsheets, NDJSON for programs.
 *
 * Both have the same columns in the same order, and NDJSON the attempts of each request besides. A text that a spreadsheet
 * would read as a formula gets an apostrophe before it (OWASP, CSV injection). Prompts and answers are never exported.
 * A store is read page after page, as fast as the lines are taken, and no more than a page is in memory.
 */
import { Effect, Option, Stream } from "effect"
import type { Position, RecordFilters, RowsScan, StoredRecord, UsageStore, UsageUnavailable } from "../UsageLog.ts"
import { promptTokensOf, type UsageRecord } from "../UsageRecord.ts"
import { matches } from "./UsageSearch.ts"

export type ExportFormat = "csv" | "ndjson"

type Value = string | number | boolean | null

/** Name of each column and its value; the names are those of the admin API. */
const columns: ReadonlyArray<readonly [name: string, value: (record: UsageRecord) => Value]> = [
  ["id", (record) => record.id],
  ["time", (record) => new Date(record.timeMs).toISOString()],
  ["tenant", (record) => record.tenant],
  ["keyId", (record) => record.keyId],
  ["modelRequested", (record) => record.modelRequested],
  ["provider", (record) => record.provider],
  ["model", (record) => record.model],
  ["status", (record) => record.status],
  ["fault", (record) => record.fault],
  ["errorKind", (record) => record.errorKind],
  ["errorDetail", (record) => record.errorDetail],
  ["fingerprint", (record) => record.fingerprint],
  ["cache", (record) => record.cache],
  ["stream", (record) => record.stream],
  ["attempts", (record) => record.attempts.length],
  ["promptTokens", promptTokensOf],
  ["uncachedInputTokens", (record) => record.uncachedInput],
  ["cacheReadTokens", (record) => record.cacheReadInput],
  ["cacheWriteTokens", (record) => record.cacheWriteInput],
  ["completionTokens", (record) => record.output],
  ["reasoningTokens", (record) => record.reasoning],
  ["estimated", (record) => record.estimated],
  ["costUsd", (record) => record.costUsd],
  ["inputUsd", (record) => record.inputUsd],
  ["cacheReadUsd", (record) => record.cacheReadUsd],
  ["cacheWriteUsd", (record) => record.cacheWriteUsd],
  ["outputUsd", (record) => record.outputUsd],
  ["reasoningUsd", (record) => record.reasoningUsd],
  ["priceTable", (record) => record.priceTable],
  ["unpricedReason", (record) => record.unpricedReason],
  ["savedUsd", (record) => record.savedUsd],
  ["savedTokens", (record) => record.savedTokens],
  ["providerCacheSavedUsd", (record) => record.providerCacheSavedUsd],
  ["latencyMs", (record) => record.latencyMs],
  ["ttftMs", (record) => record.ttftMs],
  ["queueMs", (record) => record.queueMs],
  ["overheadMs", (record) => record.overheadMs],
  ["cacheAgeMs", (record) => record.cacheAgeMs],
  ["cacheSimilarity", (record) => record.cacheSimilarity]
]

/** Names of the columns; `metadata` is the last one. */
export const columnNames: ReadonlyArray<string> = [...columns.map(([name]) => name), "metadata"]

export const contentTypeOf = (format: ExportFormat): string =>
  format === "csv" ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson"

/** What a file begins with; empty for NDJSON. Lines of CSV end as RFC 4180 says. */
export const headerOf = (format: ExportFormat): string => (format === "csv" ? `${columnNames.join(",")}\r\n` : "")

export const lineOf = (format: ExportFormat, record: UsageRecord): string =>
  format === "csv" ? csvLine(record) : ndjsonLine(record)

/** Name of the file, from the range of what is in it. */
export const fileNameOf = (format: ExportFormat, fromMs: number, toMs: number): string =>
  `millrace-usage-${stamp(fromMs)}-${stamp(toMs)}.${format}`

/** `20261122T100000Z`. */
const stamp = (timeMs: number): string =>
  new Date(timeMs)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replaceAll(/[-:]/g, "")

/** Records that are read at once. */
const pageRows = 1000

/**
 * The lines of all records of a range, oldest first, a page at a time; fails at once where the store can't be read. A
 * request that ends while they are read may be among them or not.
 */
export const linesOf = (
  store: UsageStore,
  format: ExportFormat,
  asked: Omit<RowsScan, "limit"> & RecordFilters
): Effect.Effect<Stream.Stream<string, UsageUnavailable>, UsageUnavailable> => {
  const scan = { ...asked, limit: pageRows }
  const textOf = (page: ReadonlyArray<StoredRecord>): string => {
    let text = ""
    for (const { record } of page) if (matches(record, asked)) text += lineOf(format, record)
    return text
  }
  const afterOf = (page: ReadonlyArray<StoredRecord>): Option.Option<Position> => {
    const last = page.length < pageRows ? undefined : page.at(-1)
    return last === undefined ? Option.none() : Option.some({ timeMs: last.record.timeMs, seq: last.seq })
  }
  return Effect.map(store.scanRows(scan, undefined), (first) =>
    Stream.paginate(undefined as Position | undefined, (after) =>
      Effect.map(after === undefined ? Effect.succeed(first) : store.scanRows(scan, after), (page) => [
        [after === undefined ? headerOf(format) + textOf(page) : textOf(page)],
        afterOf(page)
      ])
    )
  )
}

const csvLine = (record: UsageRecord): string => {
  let line = ""
  for (const [, value] of columns) line += `${cell(value(record))},`
  return `${line}${cell(record.metadata === null ? null : JSON.stringify(record.metadata))}\r\n`
}

/** A cell; nothing stands for null. Numbers are no formulas, whatever their sign. */
const cell = (value: Value): string => {
  if (value === null) return ""
  if (typeof value !== "string") return String(value)
  const text = /^[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const ndjsonLine = (record: UsageRecord): string => {
  const row: { [name: string]: unknown } = {}
  for (const [name, value] of columns) row[name] = value(record)
  row["metadata"] = record.metadata
  row["attemptDetails"] = record.attempts
  return `${JSON.stringify(row)}\n`
}
