/**
 * Virtual keys in the shared database, SQLite or Postgres.
 *
 * A key is a row with its record as JSON, so that a new field of keys needs no migration; of its secrets there are hashes.
 * Each write is a transaction that also moves the revision on. Uses are written beside the record and are no change.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSecretKept, type KeyRecord } from "../KeyRecord.ts"
import { type KeyStore, KeyStoreUnavailable } from "../KeyStore.ts"
import { Database, type DatabaseUnavailable } from "./Database.ts"

interface Row {
  readonly record: string
  /** Postgres gives whole numbers of 64 bits as text. */
  readonly last_used_at_ms: number | string | bigint | null
}

export const make: Effect.Effect<KeyStore, never, Database> = Effect.map(Database, (database): KeyStore => {
  const use = <A, E>(f: (sql: SqlClient) => Effect.Effect<A, E>) =>
    Effect.mapError(database.use(f), (error) => unavailable(error as DatabaseUnavailable))

  const advance = (sql: SqlClient) => sql`UPDATE virtual_keys_revision SET revision = revision + 1`

  const revisionOf = (sql: SqlClient) =>
    Effect.map(
      sql<{ readonly revision: number | string | bigint }>`SELECT revision FROM virtual_keys_revision`,
      ([row]) => Number(row?.revision ?? 0)
    )

  return {
    kind: database.kind,
    revision: use(revisionOf),
    load: use((sql) =>
      Effect.gen(function* () {
        // The revision first: what changes in between is read again, not missed.
        const revision = yield* revisionOf(sql)
        const rows = yield* sql<Row>`SELECT record, last_used_at_ms FROM virtual_keys`
        return { revision, records: rows.flatMap(recordsOf) }
      })
    ),
    insert: (record) =>
      use((sql) =>
        sql.withTransaction(
          Effect.andThen(
            advance(sql),
            sql`INSERT INTO virtual_keys ${sql.insert({ id: record.id, record: textOf(record), last_used_at_ms: null })}`
          )
        )
      ),
    update: (id, f) =>
      use((sql) =>
        sql.withTransaction(
          Effect.gen(function* () {
            // First of all, since it makes writers of any instance wait for each other.
            yield* advance(sql)
            const rows = yield* sql<Row>`SELECT record, last_used_at_ms FROM virtual_keys WHERE id = ${id}`
            const [before] = rows.flatMap(recordsOf)
            if (before === undefined) return undefined
            const next = { ...f(before), lastUsedAtMs: before.lastUsedAtMs }
            yield* sql`UPDATE virtual_keys SET record = ${textOf(next)} WHERE id = ${id}`
            return next
          })
        )
      ),
    remove: (id) =>
      use((sql) =>
        sql.withTransaction(
          Effect.gen(function* () {
            yield* advance(sql)
            const rows = yield* sql`DELETE FROM virtual_keys WHERE id = ${id} RETURNING id`
            return rows.length > 0
          })
        )
      ),
    touch: (uses) =>
      use((sql) =>
        sql.withTransaction(
          Effect.forEach(
            uses,
            ([id, atMs]) =>
              sql`UPDATE virtual_keys SET last_used_at_ms = ${atMs}
                  WHERE id = ${id} AND (last_used_at_ms IS NULL OR last_used_at_ms < ${atMs})`,
            { discard: true }
          )
        )
      )
  }
})

const unavailable = ({ detail }: DatabaseUnavailable) => new KeyStoreUnavailable({ detail })

const textOf = ({ lastUsedAtMs: _, ...record }: KeyRecord): string => JSON.stringify(record)

/** The record of a row; nothing for one that this version can't read, which is then no valid key. */
const recordsOf = ({ last_used_at_ms: usedAtMs, record }: Row): ReadonlyArray<KeyRecord> => {
  try {
    const read = JSON.parse(record) as Omit<KeyRecord, "lastUsedAtMs">
    if (!Array.isArray(read.secrets) || !read.secrets.every(isSecretKept)) return []
    return [{ ...read, lastUsedAtMs: usedAtMs === null ? null : Number(usedAtMs) }]
  } catch {
    return []
  }
}
