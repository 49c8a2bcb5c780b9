/**
 * What the admin API answers about budgets: every account with what is spent, reserved and left of it.
 *
 * Shapes of the wire and of the services behind it alike, as in `AdminAnswers`. Amounts are dollars or tokens, by `unit`.
 */
import { Schema } from "effect"

const NullableString = Schema.NullOr(Schema.String)

export const BudgetScopeName = Schema.Literals(["global", "tenant", "key", "model", "provider"])

/** One account of a budget in its current period. */
export const BudgetStatus = Schema.Struct({
  /** Name in the configuration; `key:month` and its like for budgets that virtual keys bring. */
  budget: Schema.String,
  scope: BudgetScopeName,
  /** The tenant, key id, model or provider whose account it is; null for one that all share who are counted. */
  of: NullableString,
  /** The names and patterns that share the account, as configured; absent where it is that of one name, or of everybody. */
  sharedBy: Schema.optional(Schema.Array(Schema.String)),
  unit: Schema.Literals(["usd", "tokens"]),
  limit: Schema.Finite,
  spent: Schema.Finite,
  /** Held for calls under way, here and on other instances. */
  reserved: Schema.Finite,
  /** What has not been spent; calls under way may hold a part of it. Never below zero. */
  left: Schema.Finite,
  /** Spent and reserved as a share of the limit. */
  usedShare: Schema.Finite,
  state: Schema.Literals(["ok", "warned", "exhausted"]),
  /** Shares of `warnAt` that were passed. */
  passed: Schema.Array(Schema.Finite),
  period: Schema.Literals(["minute", "hour", "day", "month", "total"]),
  /** null where the budget is a key's and the key was not used since the start. */
  timeZone: NullableString,
  /** null for a budget without periods. */
  startsAt: NullableString,
  resetsAt: NullableString,
  /** When all is spent at the rate so far; null when that is after the reset, or nothing can be said yet. */
  exhaustedAt: NullableString
}).annotate({ identifier: "BudgetStatus" })
export type BudgetStatus = typeof BudgetStatus.Type

/** Where budgets are kept, and whether it can be asked. */
export const BudgetStoreStatus = Schema.Struct({
  kind: Schema.Literals(["memory", "sqlite", "postgres", "redis"]),
  healthy: Schema.Boolean,
  reason: NullableString,
  /** Reservations that were made without the store since the start, because it could not be asked. */
  decidedAlone: Schema.Finite
}).annotate({ identifier: "BudgetStoreStatus" })
export type BudgetStoreStatus = typeof BudgetStoreStatus.Type

/** The fullest accounts first, at most 100. */
export const BudgetOverview = Schema.Struct({
  items: Schema.Array(BudgetStatus),
  /** Accounts that this process knows. */
  accounts: Schema.Finite,
  store: BudgetStoreStatus
}).annotate({ identifier: "BudgetOverview" })
export type BudgetOverview = typeof BudgetOverview.Type

/** Accounts by budget, name and unit. While the store can't be asked, they are those that this process knows. */
export const BudgetPage = Schema.Struct({
  items: Schema.Array(BudgetStatus),
  nextCursor: NullableString,
  store: BudgetStoreStatus
}).annotate({ identifier: "BudgetPage" })
export type BudgetPage = typeof BudgetPage.Type
