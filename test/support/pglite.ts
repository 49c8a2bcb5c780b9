/**
 * A PGlite of a test's own, Postgres in WebAssembly with pgvector, that takes connections on a free port of loopback.
 *
 * It has one database and one backend, whose connections take turns: `newDatabase` empties it, so tests that share one run one
 * after the other. Nothing of it reaches a disk.
 */
import { PGlite } from "@electric-sql/pglite"
import { vector } from "@electric-sql/pglite-pgvector"
import { listen } from "./pglite-socket.ts"

export interface PgliteServer {
  /** Empties the database; returns its URL. */
  readonly newDatabase: () => Promise<string>
  /** Empties every table whose name begins so, but not the one of its version. */
  readonly emptyTables: (prefix: string) => Promise<void>
  /** Rows of a table whose column is like a pattern; 0 while there is no such table. */
  readonly count: (table: string, column: string, pattern: string) => Promise<number>
  readonly stop: () => Promise<void>
}

export const startPglite = async (): Promise<PgliteServer> => {
  const db = await PGlite.create({ extensions: { vector } })
  const socket = await listen(db, { port: 0 })
  const exec = (sql: string) => socket.alone(() => db.exec(sql))
  const rowsOf = <Row>(sql: string, params: Array<string>) =>
    socket.alone(async () => (await db.query<Row>(sql, params)).rows)
  return {
    newDatabase: async () => {
      await exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
      return `postgres://postgres@127.0.0.1:${socket.port}/postgres?sslmode=disable`
    },
    emptyTables: async (prefix) => {
      const named = `SELECT tablename FROM pg_tables WHERE starts_with(tablename, $1) AND tablename NOT LIKE '%version'`
      const tables = await rowsOf<{ readonly tablename: string }>(named, [prefix])
      if (tables.length > 0) await exec(`TRUNCATE ${tables.map(({ tablename }) => tablename).join(", ")}`)
    },
    count: async (table, column, pattern) => {
      const tables = await rowsOf("SELECT 1 FROM pg_tables WHERE tablename = $1", [table])
      if (tables.length === 0) return 0
      const counted = `SELECT count(*)::int AS n FROM ${table} WHERE ${column} LIKE $1`
      const [row] = await rowsOf<{ readonly n: number }>(counted, [pattern])
      return row?.n ?? 0
    },
    stop: async () => {
      await socket.close()
      await db.close()
    }
  }
}
