/**
 * The tables of budgets: totals by account and period, the parts of them that instances hold, and the instances.
 *
 * Amounts are whole picodollars or tokens. A row's id says budget, unit, period and account in one text.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

/** A step of `Migrations`. */
export const tables = Effect.gen(function* () {
  const sql = yield* SqlClient
  const amount = sql.literal(sql.onDialectOrElse({ pg: () => "NUMERIC(38, 0)", orElse: () => "INTEGER" }))
  // Names are compared and sorted by their bytes on both.
  const name = sql.literal(sql.onDialectOrElse({ pg: () => `TEXT COLLATE "C"`, orElse: () => "TEXT" }))
  yield* sql`CREATE TABLE budget_owners (owner VARCHAR(64) PRIMARY KEY, seen_ms BIGINT NOT NULL)`
  yield* sql`CREATE TABLE budget_periods (
    id ${name} PRIMARY KEY,
    budget ${name} NOT NULL,
    account ${name} NOT NULL,
    unit VARCHAR(8) NOT NULL,
    scope VARCHAR(16) NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT,
    created_ms BIGINT NOT NULL,
    limit_amount ${amount} NOT NULL,
    spent ${amount} NOT NULL,
    held ${amount} NOT NULL
  )`
  yield* sql`CREATE INDEX budget_periods_listed ON budget_periods (budget, account, unit, start_ms)`
  yield* sql`CREATE INDEX budget_periods_ended ON budget_periods (end_ms)`
  yield* sql`CREATE TABLE budget_holdings (
    owner VARCHAR(64) NOT NULL,
    id ${name} NOT NULL,
    spent ${amount} NOT NULL,
    held ${amount} NOT NULL,
    PRIMARY KEY (owner, id)
  )`
  yield* sql`CREATE INDEX budget_holdings_id ON budget_holdings (id)`
})
