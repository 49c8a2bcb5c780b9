/**
 * The schema of the shared database, step by step: each row is run once, in order, on SQLite and on Postgres.
 *
 * A step that has been released is never changed; a new one comes after it. What differs between the databases is said with
 * `sql.onDialectOrElse` inside a step, which lives with the store whose tables it makes.
 */
import type { ResolvedMigration } from "effect/sql/Migrator"

export const migrations: ReadonlyArray<ResolvedMigration> = []
