/**
 * The SQLite table of usage records: opening, migrating, writing and reading it, all synchronous.
 *
 * It runs in a thread of its own, where waiting for a lock or a disk stops nobody else. Values from outside are always
 * bound, never part of a statement. The schema has a version in `PRAGMA user_version`; a database of a newer version is
 * refused, never changed.
 */
import { mkdirSync } from "node:fs"
import path from "node:path"
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import type { GroupBy, UsageReport } from "../AdminAnswers.ts"
import type { PageScan, StoredRecord, UsageFilters, UsageScan } from "../UsageLog.ts"
import type { AttemptRecord, UsageRecord } from "../UsageRecord.ts"
import { UsageAggregate, type UsageFigures } from "./UsageAggregate.ts"

export interface UsageTableOptions {
  /** A file, or `:memory:`. A missing folder is made. */
  readonly path: string
  /** Milliseconds to wait for a lock. */
  readonly busyTimeoutMs: number
  /** `full` survives a power cut, `normal` only the end of the process. */
  readonly synchronous: "normal" | "full"
  readonly readOnly: boolean
}

/** Each brings the schema from the version that is its index to the next one. */
const migrations: ReadonlyArray<string> = [
  `CREATE TABLE usage_records (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    key_id TEXT,
    model_requested TEXT,
    model TEXT,
    provider TEXT,
    status TEXT NOT NULL,
    fault TEXT,
    error_kind TEXT,
    cache TEXT NOT NULL,
    uncached_input INTEGER NOT NULL,
    cache_read_input INTEGER NOT NULL,
    cache_write_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    cost_usd REAL,
    price_table TEXT,
    unpriced_reason TEXT,
    saved_usd REAL,
    saved_tokens INTEGER NOT NULL,
    latency_ms REAL,
    ttft_ms REAL,
    queue_ms REAL NOT NULL,
    cache_age_ms REAL,
    cache_similarity REAL,
    attempts TEXT NOT NULL
  );
  CREATE INDEX usage_records_time ON usage_records (time_ms);
  CREATE INDEX usage_records_id ON usage_records (id);`,
  `ALTER TABLE usage_records ADD COLUMN overhead_ms REAL;
  ALTER TABLE usage_records ADD COLUMN stream INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE usage_records ADD COLUMN metadata TEXT;
  ALTER TABLE usage_records ADD COLUMN content TEXT;
  ALTER TABLE usage_records ADD COLUMN input_usd REAL;
  ALTER TABLE usage_records ADD COLUMN cache_read_usd REAL;
  ALTER TABLE usage_records ADD COLUMN cache_write_usd REAL;
  ALTER TABLE usage_records ADD COLUMN output_usd REAL;
  ALTER TABLE usage_records ADD COLUMN reasoning_usd REAL;
  ALTER TABLE usage_records ADD COLUMN provider_cache_saved_usd REAL;
  ALTER TABLE usage_records ADD COLUMN error_detail TEXT;
  ALTER TABLE usage_records ADD COLUMN fingerprint TEXT;`,
  `ALTER TABLE usage_records ADD COLUMN usage_detail TEXT;`
]

/** Field of a record and its column, in the order of the table. */
const columns = [
  ["id", "id"],
  ["timeMs", "time_ms"],
  ["tenant", "tenant"],
  ["keyId", "key_id"],
  ["modelRequested", "model_requested"],
  ["model", "model"],
  ["provider", "provider"],
  ["status", "status"],
  ["fault", "fault"],
  ["errorKind", "error_kind"],
  ["cache", "cache"],
  ["uncachedInput", "uncached_input"],
  ["cacheReadInput", "cache_read_input"],
  ["cacheWriteInput", "cache_write_input"],
  ["output", "output"],
  ["reasoning", "reasoning"],
  ["estimated", "estimated"],
  ["costUsd", "cost_usd"],
  ["priceTable", "price_table"],
  ["unpricedReason", "unpriced_reason"],
  ["savedUsd", "saved_usd"],
  ["savedTokens", "saved_tokens"],
  ["latencyMs", "latency_ms"],
  ["ttftMs", "ttft_ms"],
  ["queueMs", "queue_ms"],
  ["cacheAgeMs", "cache_age_ms"],
  ["cacheSimilarity", "cache_similarity"],
  ["overheadMs", "overhead_ms"],
  ["stream", "stream"],
  ["metadata", "metadata"],
  ["content", "content"],
  ["inputUsd", "input_usd"],
  ["cacheReadUsd", "cache_read_usd"],
  ["cacheWriteUsd", "cache_write_usd"],
  ["outputUsd", "output_usd"],
  ["reasoningUsd", "reasoning_usd"],
  ["providerCacheSavedUsd", "provider_cache_saved_usd"],
  ["usageDetail", "usage_detail"],
  ["errorDetail", "error_detail"],
  ["fingerprint", "fingerprint"],
  ["attempts", "attempts"]
] as const satisfies ReadonlyArray<readonly [keyof UsageRecord, string]>

const columnOf: { readonly [K in GroupBy]: string } = {
  model: "model",
  provider: "provider",
  tenant: "tenant",
  key: "key_id",
  status: "status",
  cache: "cache"
}

const insertRecord = `INSERT INTO usage_records (${columns.map(([, column]) => column).join(", ")})
  VALUES (${columns.map(() => "?").join(", ")})`

const selectRecord = `SELECT seq, ${columns.map(([field, column]) => `${column} AS ${field}`).join(", ")} FROM usage_records`

/** In the order in which `figuresOf` reads them. */
const selectFigures = `time_ms, status, cache, uncached_input, cache_read_input, cache_write_input, output, reasoning,
  cost_usd, unpriced_reason, saved_usd, saved_tokens, latency_ms, ttft_ms`

export class UsageTable {
  private readonly database: DatabaseSync
  private readonly insertion: StatementSync | undefined

  /** Throws what SQLite throws: no such folder, no right to write, locked, not a database. */
  constructor(options: UsageTableOptions) {
    if (options.path !== ":memory:" && !options.readOnly) mkdirSync(path.dirname(options.path), { recursive: true })
    this.database = new DatabaseSync(options.path, { timeout: options.busyTimeoutMs, readOnly: options.readOnly })
    try {
      if (!options.readOnly) {
        this.database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${options.synchronous}`)
        this.migrate()
        this.insertion = this.database.prepare(insertRecord)
      }
    } catch (error) {
      this.database.close()
      throw error
    }
  }

  /** Writes all records or none. */
  insert(records: ReadonlyArray<UsageRecord>): void {
    const { database, insertion } = this
    if (insertion === undefined) throw new Error("the database is open for reading only")
    database.exec("BEGIN IMMEDIATE")
    try {
      for (const record of records) insertion.run(...valuesOf(record))
      database.exec("COMMIT")
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK")
      throw error
    }
  }

  /** Undefined when the report would have more than `maxPoints` points. */
  usage(scan: UsageScan, maxPoints: number): UsageReport | undefined {
    const { values, where } = conditionsOf(scan)
    where.push("time_ms >= ?", "time_ms < ?")
    values.push(scan.fromMs, scan.toMs)
    const group = scan.groupBy === undefined ? "NULL" : columnOf[scan.groupBy]
    const statement = this.database.prepare(
      `SELECT ${group}, ${selectFigures} FROM usage_records WHERE ${where.join(" AND ")}`
    )
    // Rows as objects would take about three times as long.
    statement.setReturnArrays(true)
    const aggregate = new UsageAggregate(scan.bucket, maxPoints)
    for (const row of statement.iterate(...values) as unknown as Iterable<FiguresRow>) {
      if (!aggregate.add(figuresOf(row), row[0])) return undefined
    }
    return aggregate.report()
  }

  page(scan: PageScan): Array<StoredRecord> {
    const { values, where } = conditionsOf(scan)
    const bound = (condition: string, ...bindings: ReadonlyArray<number>) => {
      where.push(condition)
      values.push(...bindings)
    }
    if (scan.fromMs !== undefined) bound("time_ms >= ?", scan.fromMs)
    if (scan.toMs !== undefined) bound("time_ms < ?", scan.toMs)
    if (scan.after !== undefined) bound("(time_ms, seq) < (?, ?)", scan.after.timeMs, scan.after.seq)
    const filter = where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`
    const statement = this.database.prepare(`${selectRecord} ${filter} ORDER BY time_ms DESC, seq DESC LIMIT ?`)
    return statement.all(...values, scan.limit).map(storedOf)
  }

  /** The last record with this id. */
  find(id: string): UsageRecord | undefined {
    const row = this.database.prepare(`${selectRecord} WHERE id = ? ORDER BY seq DESC LIMIT 1`).get(id)
    return row === undefined ? undefined : storedOf(row).record
  }

  close(): void {
    this.database.close()
  }

  private migrate(): void {
    const { database } = this
    const version = () => Number(database.prepare("PRAGMA user_version").get()?.user_version)
    if (version() === migrations.length) return
    database.exec("BEGIN IMMEDIATE")
    try {
      const from = version()
      if (from > migrations.length) {
        throw new Error(`the database has version ${from} of the schema, this Millrace knows ${migrations.length}`)
      }
      for (const migration of migrations.slice(from)) database.exec(migration)
      database.exec(`PRAGMA user_version = ${migrations.length}`)
      database.exec("COMMIT")
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK")
      throw error
    }
  }
}

const conditionsOf = (
  filters: UsageFilters
): { readonly where: Array<string>; readonly values: Array<SQLInputValue> } => {
  const where: Array<string> = []
  const values: Array<SQLInputValue> = []
  for (const [name, column] of Object.entries(columnOf)) {
    const value = filters[name as GroupBy]
    if (value === undefined) continue
    where.push(`${column} = ?`)
    values.push(value)
  }
  return { where, values }
}

type FiguresRow = readonly [
  group: string | null,
  timeMs: number,
  status: UsageFigures["status"],
  cache: UsageFigures["cache"],
  uncachedInput: number,
  cacheReadInput: number,
  cacheWriteInput: number,
  output: number,
  reasoning: number,
  costUsd: number | null,
  unpricedReason: string | null,
  savedUsd: number | null,
  savedTokens: number,
  latencyMs: number | null,
  ttftMs: number | null
]

const figuresOf = (row: FiguresRow): UsageFigures => ({
  timeMs: row[1],
  status: row[2],
  cache: row[3],
  uncachedInput: row[4],
  cacheReadInput: row[5],
  cacheWriteInput: row[6],
  output: row[7],
  reasoning: row[8],
  costUsd: row[9],
  unpricedReason: row[10],
  savedUsd: row[11],
  savedTokens: row[12],
  latencyMs: row[13],
  ttftMs: row[14]
})

const valuesOf = (record: UsageRecord): Array<SQLInputValue> => [
  record.id,
  record.timeMs,
  record.tenant,
  record.keyId,
  record.modelRequested,
  record.model,
  record.provider,
  record.status,
  record.fault,
  record.errorKind,
  record.cache,
  record.uncachedInput,
  record.cacheReadInput,
  record.cacheWriteInput,
  record.output,
  record.reasoning,
  record.estimated ? 1 : 0,
  record.costUsd,
  record.priceTable,
  record.unpricedReason,
  record.savedUsd,
  record.savedTokens,
  record.latencyMs,
  record.ttftMs,
  record.queueMs,
  record.cacheAgeMs,
  record.cacheSimilarity,
  record.overheadMs,
  record.stream ? 1 : 0,
  record.metadata === null ? null : JSON.stringify(record.metadata),
  record.content === null ? null : JSON.stringify(record.content),
  record.inputUsd,
  record.cacheReadUsd,
  record.cacheWriteUsd,
  record.outputUsd,
  record.reasoningUsd,
  record.providerCacheSavedUsd,
  record.usageDetail === null ? null : JSON.stringify(record.usageDetail),
  record.errorDetail,
  record.fingerprint,
  JSON.stringify(record.attempts)
]

const storedOf = (row: Record<string, unknown>): StoredRecord => {
  const { seq, ...fields } = row
  return {
    seq: Number(seq),
    record: {
      ...(fields as unknown as UsageRecord),
      estimated: fields.estimated === 1,
      stream: fields.stream === 1,
      metadata: parsed(fields.metadata) as UsageRecord["metadata"],
      content: parsed(fields.content) as UsageRecord["content"],
      usageDetail: parsed(fields.usageDetail) as UsageRecord["usageDetail"],
      attempts: (JSON.parse(fields.attempts as string) as Array<AttemptRecord>).map(attemptOf)
    }
  }
}

const parsed = (text: unknown): unknown => (typeof text === "string" ? JSON.parse(text) : null)

/** Attempts that were written before there was a field lack it. */
const attemptOf = (attempt: AttemptRecord): AttemptRecord => ({ ...attempt, costUsd: attempt.costUsd ?? null })
