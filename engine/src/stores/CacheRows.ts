/**
 * The SQLite table of cache entries: opening, writing and reading it, all synchronous, in a thread of its own.
 *
 * A row is a record as JSON beside the fields that purges choose by. What another version of keys or records has written
 * is thrown away: it would never be found. What is over, and what is more than the cache holds, goes with the writes.
 */
import { mkdirSync } from "node:fs"
import path from "node:path"
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import type { CacheRecord } from "../CacheRecord.ts"
import { recordVersion } from "../CacheRecordVersion.ts"
import type { GroupFilter } from "../CacheTable.ts"

export interface CacheRowsOptions {
  /** A file, or `:memory:`. A missing folder is made. */
  readonly path: string
  /** Milliseconds to wait for a lock. */
  readonly busyTimeoutMs: number
  /** Rows that are kept, the newest. */
  readonly maxRows: number
}

/** One change, in the order in which the cache made it. */
export type CacheChange =
  | { readonly _tag: "put"; readonly row: CacheRow }
  | { readonly _tag: "remove"; readonly key: string }
  | { readonly _tag: "purge"; readonly filter: GroupFilter }

/** `record` is a `CacheRecord` as JSON. */
export interface CacheRow extends Pick<
  CacheRecord,
  "key" | "provider" | "model" | "tenant" | "namespace" | "storedAtMs" | "expiresAtMs"
> {
  readonly record: string
}

/** Rows that are not over at a time, from a place on; the oldest of the newest `maxRows` first. */
export interface CacheScan {
  readonly nowMs: number
  readonly maxRows: number
  readonly after: { readonly storedAtMs: number; readonly key: string } | undefined
  readonly limit: number
}

const schema = `CREATE TABLE cache_entries (
  key TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  tenant TEXT NOT NULL,
  namespace TEXT,
  stored_at_ms REAL NOT NULL,
  expires_at_ms REAL NOT NULL,
  record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX cache_entries_stored ON cache_entries (stored_at_ms, key);`

const columns = { provider: "provider", model: "model", tenant: "tenant", namespace: "namespace" } as const

/** Writes after which rows that are over, or too many, are deleted. */
const tidyEvery = 64

export class CacheRows {
  private readonly database: DatabaseSync
  private readonly maxRows: number
  private readonly insertion: StatementSync
  private readonly removal: StatementSync
  private writes = 0

  /** Throws what SQLite throws: no such folder, no right to write, locked, not a database. */
  constructor(options: CacheRowsOptions) {
    this.maxRows = options.maxRows
    if (options.path !== ":memory:") mkdirSync(path.dirname(options.path), { recursive: true })
    this.database = new DatabaseSync(options.path, { timeout: options.busyTimeoutMs })
    try {
      this.database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = normal")
      this.migrate()
      this.insertion = this.database.prepare(
        `INSERT OR REPLACE INTO cache_entries
           (key, provider, model, tenant, namespace, stored_at_ms, expires_at_ms, record)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
      )
      this.removal = this.database.prepare("DELETE FROM cache_entries WHERE key = ?")
    } catch (error) {
      this.database.close()
      throw error
    }
  }

  /** Makes all changes or none. */
  apply(changes: ReadonlyArray<CacheChange>, nowMs: number): void {
    const { database } = this
    database.exec("BEGIN IMMEDIATE")
    try {
      for (const change of changes) this.change(change)
      if (this.writes++ % tidyEvery === 0) this.tidy(nowMs)
      database.exec("COMMIT")
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK")
      throw error
    }
  }

  scan({ after, limit, maxRows, nowMs }: CacheScan): ReadonlyArray<CacheRow> {
    // The oldest row that is among the newest `maxRows`.
    const first = this.database
      .prepare(
        `SELECT stored_at_ms AS storedAtMs, key FROM cache_entries WHERE expires_at_ms > ?
         ORDER BY stored_at_ms DESC, key DESC LIMIT 1 OFFSET ?`
      )
      .get(nowMs, maxRows)
    const from = after ?? (first as unknown as CacheScan["after"]) ?? { storedAtMs: -1, key: "" }
    return this.database
      .prepare(
        `SELECT key, provider, model, tenant, namespace, stored_at_ms AS storedAtMs, expires_at_ms AS expiresAtMs, record
         FROM cache_entries WHERE expires_at_ms > ? AND (stored_at_ms, key) > (?, ?)
         ORDER BY stored_at_ms, key LIMIT ?`
      )
      .all(nowMs, from.storedAtMs, from.key, limit) as unknown as ReadonlyArray<CacheRow>
  }

  close(): void {
    this.database.close()
  }

  private change(change: CacheChange): void {
    switch (change._tag) {
      case "put": {
        const { expiresAtMs, key, model, namespace, provider, record, storedAtMs, tenant } = change.row
        this.insertion.run(key, provider, model, tenant, namespace, storedAtMs, expiresAtMs, record)
        return
      }
      case "remove":
        this.removal.run(change.key)
        return
      case "purge": {
        const where: Array<string> = ["1"]
        const values: Array<SQLInputValue> = []
        for (const [name, column] of Object.entries(columns)) {
          const value = change.filter[name as keyof typeof columns]
          if (value === undefined) continue
          where.push(`${column} = ?`)
          values.push(value)
        }
        this.database.prepare(`DELETE FROM cache_entries WHERE ${where.join(" AND ")}`).run(...values)
      }
    }
  }

  private tidy(nowMs: number): void {
    this.database.prepare("DELETE FROM cache_entries WHERE expires_at_ms <= ?").run(nowMs)
    this.database
      .prepare(
        `DELETE FROM cache_entries WHERE (stored_at_ms, key) <=
           (SELECT stored_at_ms, key FROM cache_entries ORDER BY stored_at_ms DESC, key DESC LIMIT 1 OFFSET ?)`
      )
      .run(this.maxRows)
  }

  private migrate(): void {
    const { database } = this
    const application = Number(database.prepare("PRAGMA application_id").get()?.["application_id"])
    const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"])
    if (application === applicationId && version === recordVersion) return
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
    if (application !== applicationId && tables.length > 0)
      throw new Error("the file is the database of something else")
    database.exec(
      `BEGIN IMMEDIATE; DROP TABLE IF EXISTS cache_entries; ${schema}
       PRAGMA user_version = ${recordVersion}; PRAGMA application_id = ${applicationId}; COMMIT`
    )
  }
}

/** Says that a file is a cache of Millrace: "Mllr". */
const applicationId = 0x4d6c6c72
