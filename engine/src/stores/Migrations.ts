/**
 * The schema of the shared database, step by step: each row is run once, in order, on SQLite and on Postgres.
 *
 * A step that has been released is never changed; a new one comes after it. What differs between the databases is said with
 * `sql.onDialectOrElse` inside a step, which lives with the store whose tables it makes.
 */
import { Effect } from "effect"
import type { ResolvedMigration } from "effect/sql/Migrator"
import * as BudgetTables from "./BudgetTables.ts"
import * as KeysTables from "./KeysTables.ts"

export const migrations: ReadonlyArray<ResolvedMigration> = [
  [1, "virtual_keys", Effect.succeed(KeysTables.tables)],
  [2, "budgets", Effect.succeed(BudgetTables.tables)]
]
