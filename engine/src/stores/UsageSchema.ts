/**
 * The tables of the usage database and how a database comes to have them, for SQLite and Postgres.
 *
 * `usage_records` has one row a request. All others are derived from it, up to the record that `usage_state` names
 * `rolled`: sums by time, place and group (`usage_cells`), places of records by what can be asked for (`usage_places`,
 * `usage_dims`), failures by fingerprint. `usage_writers` knows the last batch of each writer, so that none is written
 * twice. A database of a newer version is refused, never changed.
 */
import { type ColumnKind, columns, required } from "./UsageColumns.ts"
import { type Dialect, query, type SqlProgram, type SqlTable } from "./UsageSql.ts"

const sqlTypes: { readonly [K in Dialect]: { readonly [T in ColumnKind | "bytes"]: string } } = {
  sqlite: {
    text: "TEXT",
    integer: "INTEGER",
    real: "REAL",
    flag: "INTEGER",
    json: "TEXT",
    money: "INTEGER",
    bytes: "BLOB"
  },
  postgres: {
    text: "text",
    integer: "bigint",
    real: "double precision",
    flag: "bigint",
    json: "text",
    money: "bigint",
    bytes: "bytea"
  }
}

const tableTypes = {
  text: "text",
  integer: "integer",
  real: "real",
  flag: "integer",
  json: "text",
  money: "integer"
} as const

export const records: SqlTable = {
  name: "usage_records",
  columns: [["seq", "integer"], ...columns.map(([, column, kind]) => [column, tableTypes[kind]] as const)]
}

export const dims: SqlTable = {
  name: "usage_dims",
  columns: [
    ["id", "integer"],
    ["provider", "text"],
    ["model", "text"],
    ["tenant", "text"],
    ["key_id", "text"],
    ["status", "text"],
    ["cache", "text"]
  ]
}

export const places: SqlTable = {
  name: "usage_places",
  columns: [
    ["dims", "integer"],
    ["time_ms", "integer"],
    ["seq", "integer"]
  ]
}

export const cells: SqlTable = {
  name: "usage_cells",
  columns: [
    ["shape", "integer"],
    ["a", "text"],
    ["start_ms", "integer"],
    ["b", "text"],
    ["body", "bytes"]
  ]
}

export const failures: SqlTable = {
  name: "usage_failures",
  columns: [
    ["size_ms", "integer"],
    ["start_ms", "integer"],
    ["fingerprint", "text"],
    ["tenant", "text"],
    ["failures", "integer"],
    ["first_ms", "integer"],
    ["last_ms", "integer"],
    ["sample_id", "text"]
  ]
}

export const fingerprints: SqlTable = {
  name: "usage_fingerprints",
  columns: [
    ["fingerprint", "text"],
    ["kind", "text"],
    ["fault", "text"],
    ["provider", "text"],
    ["model", "text"],
    ["message", "text"]
  ]
}

export const state: SqlTable = {
  name: "usage_state",
  columns: [
    ["name", "text"],
    ["value", "integer"]
  ]
}

export const writers: SqlTable = {
  name: "usage_writers",
  columns: [
    ["writer", "text"],
    ["batch", "integer"],
    ["time_ms", "integer"]
  ]
}

/** The version that this Millrace writes. */
export const schemaVersion = 3

const create = (
  dialect: Dialect,
  table: SqlTable,
  primaryKey: string,
  nullable: ReadonlyArray<string> = []
): string => {
  const types = sqlTypes[dialect]
  const fields = table.columns.map(
    ([name, type]) => `${name} ${types[type]}${nullable.includes(name) ? "" : " NOT NULL"}`
  )
  const bare = dialect === "sqlite" ? " WITHOUT ROWID" : ""
  return `CREATE TABLE ${table.name} (${fields.join(", ")}, PRIMARY KEY (${primaryKey}))${bare}`
}

const derived = (dialect: Dialect): ReadonlyArray<string> => [
  create(dialect, dims, "id").replace(
    "PRIMARY KEY (id)",
    "PRIMARY KEY (id), UNIQUE (provider, model, tenant, key_id, status, cache)"
  ),
  create(dialect, places, "dims, time_ms, seq"),
  create(dialect, cells, "shape, a, start_ms, b"),
  "CREATE INDEX usage_cells_b ON usage_cells (shape, b, start_ms)",
  create(dialect, failures, "size_ms, start_ms, fingerprint, tenant"),
  create(dialect, fingerprints, "fingerprint", ["kind", "fault", "provider", "model", "message"]),
  create(dialect, state, "name"),
  create(dialect, writers, "writer")
]

/** Columns of the first version that later ones have no use for, but to read the rows that it wrote. */
const sqliteFirst = `CREATE TABLE usage_records (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL, time_ms INTEGER NOT NULL, tenant TEXT NOT NULL, key_id TEXT,
  model_requested TEXT, model TEXT, provider TEXT, status TEXT NOT NULL, fault TEXT, error_kind TEXT, cache TEXT NOT NULL,
  uncached_input INTEGER NOT NULL, cache_read_input INTEGER NOT NULL, cache_write_input INTEGER NOT NULL,
  output INTEGER NOT NULL, reasoning INTEGER NOT NULL, estimated INTEGER NOT NULL, cost_usd REAL, price_table TEXT,
  unpriced_reason TEXT, saved_usd REAL, saved_tokens INTEGER NOT NULL, latency_ms REAL, ttft_ms REAL,
  queue_ms REAL NOT NULL, cache_age_ms REAL, cache_similarity REAL, attempts TEXT NOT NULL
)`

const inSqliteFirst = new Set([...sqliteFirst.matchAll(/(\w+) (?:TEXT|INTEGER|REAL)/g)].map(([, column]) => column))

const indexes = [
  "CREATE INDEX usage_records_time ON usage_records (time_ms)",
  "CREATE INDEX usage_records_id ON usage_records (id)"
]

/** Adding a column rewrites no row, whatever the size of the table. */
const added = columns
  .filter(([, column]) => !inSqliteFirst.has(column))
  .map(([field, column, kind]) => {
    const rest = required.has(field) ? " NOT NULL DEFAULT 0" : ""
    return `ALTER TABLE usage_records ADD COLUMN ${column} ${sqlTypes.sqlite[kind]}${rest}`
  })

const postgresRecords = (): string => {
  const fields = columns.map(
    ([field, column, kind]) => `${column} ${sqlTypes.postgres[kind]}${required.has(field) ? " NOT NULL" : ""}`
  )
  return `CREATE TABLE usage_records (seq bigint PRIMARY KEY, ${fields.join(", ")})`
}

/**
 * Sums by minute of each key and each tenant begin with the next minute that has no records, where there are sums already:
 * nothing is summed up again.
 */
const laterSums = `INSERT INTO usage_state (name, value)
  SELECT 'later', (max(newest) / 60000 + 1) * 60000 FROM (
    SELECT max(time_ms) AS newest FROM usage_records UNION ALL SELECT value FROM usage_state WHERE name = 'pruned'
  ) AS times WHERE EXISTS (SELECT 1 FROM usage_state WHERE name = 'rolled') HAVING max(newest) IS NOT NULL`

/** Each brings the schema from the version that is its index to the next one. */
const steps: { readonly [K in Dialect]: ReadonlyArray<ReadonlyArray<string>> } = {
  sqlite: [[sqliteFirst, ...indexes], [...added, ...derived("sqlite")], [laterSums]],
  postgres: [[], [postgresRecords(), ...indexes, ...derived("postgres")], [laterSums]]
}

/** Brings the schema to this version, from none or an earlier one. Throws for a newer one. */
export const migrate = function* (dialect: Dialect, version: number): SqlProgram<void> {
  if (version > schemaVersion) {
    throw new Error(`the database has version ${version} of the schema, this Millrace knows ${schemaVersion}`)
  }
  for (const step of steps[dialect].slice(version)) for (const sql of step) yield query(sql)
}

/** How a column is read: rows of the first version have their money in dollars. */
export const readable = (dialect: Dialect, column: string): string => {
  const before = column === "cost_picos" ? "cost_usd" : column === "saved_picos" ? "saved_usd" : undefined
  return dialect === "postgres" || before === undefined
    ? column
    : `coalesce(${column}, CAST(round(${before} * 1e12) AS INTEGER))`
}
