/**
 * The tables of virtual keys: one row a key, and a revision that every change moves on.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

/** A step of `Migrations`. */
export const tables = Effect.gen(function* () {
  const sql = yield* SqlClient
  yield* sql`CREATE TABLE virtual_keys (
    id VARCHAR(64) PRIMARY KEY,
    record TEXT NOT NULL,
    last_used_at_ms BIGINT
  )`
  yield* sql`CREATE TABLE virtual_keys_revision (revision BIGINT NOT NULL)`
  yield* sql`INSERT INTO virtual_keys_revision VALUES (0)`
})
