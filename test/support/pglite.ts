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
  readonly stop: () => Promise<void>
}

export const startPglite = async (): Promise<PgliteServer> => {
  const db = await PGlite.create({ extensions: { vector } })
  const socket = await listen(db, { port: 0 })
  return {
    newDatabase: async () => {
      await db.exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
      return `postgres://postgres@127.0.0.1:${socket.port}/postgres?sslmode=disable`
    },
    emptyTables: async (prefix) => {
      const named = `SELECT tablename FROM pg_tables WHERE starts_with(tablename, $1) AND tablename NOT LIKE '%version'`
      const { rows } = await db.query<{ readonly tablename: string }>(named, [prefix])
      if (rows.length > 0) await db.exec(`TRUNCATE ${rows.map(({ tablename }) => tablename).join(", ")}`)
    },
    stop: async () => {
      await socket.close()
      await db.close()
    }
  }
}
