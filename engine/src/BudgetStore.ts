/**
 * What a store of budgets promises: totals of every account, of which owners hold parts that they spend from memory.
 *
 * An owner is one ledger in one process. What it holds of an account counts as taken for everybody else, so the parts of all
 * owners together never pass the limit; it tells what it has spent of its part, asks for more, and gives back what it does
 * not need, all in one exchange that can be repeated without harm. When an owner is gone without a word its part counts as
 * spent. The arithmetic of an exchange is here, for all stores alike; a store keeps rows and makes exchanges atomic.
 */
import { type Effect, Schema } from "effect"
import type { BudgetScope, BudgetUnit } from "./BudgetRule.ts"

/** An account in one of its periods. */
export interface BudgetKey {
  readonly budget: string
  /** A tenant, a key id, a model or a provider; empty for an account that all share. */
  readonly account: string
  readonly unit: BudgetUnit
  /** Start of the period in epoch milliseconds, 0 for all time. */
  readonly startMs: number
}

/** What an owner has to say about an account. Amounts are whole picodollars or tokens. */
export interface BudgetEntry extends BudgetKey {
  readonly scope: BudgetScope
  /** End of the period; infinite for all time. */
  readonly endMs: number
  readonly limit: bigint
  /** What the owner believes to hold. */
  readonly held: bigint
  /** What it has spent of that, since it holds anything. */
  readonly spent: bigint
  /** What it must hold after the exchange, whatever is left: it has given that away already. */
  readonly floor: bigint
  /** What it needs beyond the floor, or as much of it as there is. */
  readonly need: bigint
  /** What it would like to have beyond that, so that it need not ask for each call. */
  readonly spare: bigint
  /** The owner is done with the account and holds nothing any more. */
  readonly done: boolean
}

/** How an account stands after an exchange. */
export interface BudgetBalance {
  /** What the owner holds. */
  readonly held: bigint
  /** What it has spent of that. */
  readonly spent: bigint
  /** True when the owner had been taken for dead and what it held was counted as spent. */
  readonly lost: boolean
  /** False when there was less than was needed. */
  readonly enough: boolean
  /** Of all owners. */
  readonly totalSpent: bigint
  /** Of all owners, what was spent included. */
  readonly totalHeld: bigint
  /** When the account was first used in this period. */
  readonly createdMs: number
}

/** A row of a listing. */
export interface BudgetTotal extends BudgetKey {
  readonly scope: BudgetScope
  readonly endMs: number
  readonly limit: bigint
  readonly spent: bigint
  readonly held: bigint
  readonly createdMs: number
}

/** Accounts whose period is now, by budget, account and unit; at most `limit` of them after `after`. */
export interface BudgetScan {
  readonly nowMs: number
  readonly budget?: string | undefined
  readonly scope?: BudgetScope | undefined
  readonly account?: string | undefined
  readonly limit: number
  readonly after?: Pick<BudgetKey, "account" | "budget" | "unit"> | undefined
}

/** The store can't be asked now. */
export class BudgetStoreUnavailable extends Schema.TaggedError<BudgetStoreUnavailable>()("BudgetStoreUnavailable", {
  detail: Schema.String
}) {
  override get message() {
    return `the budgets can't be read: ${this.detail}`
  }
}

/** Totals as one owner sees them. It gives back everything that it holds when its scope closes. */
export interface BudgetStore {
  readonly kind: "memory" | "sqlite" | "postgres" | "redis"
  /** All entries or none; one balance for each, in order. Entries of one exchange are of different accounts. */
  readonly exchange: (
    entries: ReadonlyArray<BudgetEntry>,
    nowMs: number
  ) => Effect.Effect<ReadonlyArray<BudgetBalance>, BudgetStoreUnavailable>
  readonly list: (scan: BudgetScan) => Effect.Effect<ReadonlyArray<BudgetTotal>, BudgetStoreUnavailable>
}

/** Spent and held, by an owner or by all. */
export interface Holding {
  readonly spent: bigint
  readonly held: bigint
}

const nothing: Holding = { spent: 0n, held: 0n }

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/**
 * One entry of an exchange: the total and the owner's part after it. Without a part of its own an owner that believes to hold
 * something was taken for dead; what it held has been counted, and it begins anew with what goes beyond.
 */
export const exchanged = (
  entry: BudgetEntry,
  total: Holding,
  own: Holding | undefined
): { readonly total: Holding; readonly own: Holding; readonly lost: boolean; readonly enough: boolean } => {
  const lost = own === undefined && entry.held > 0n
  const counted = lost ? entry.held : 0n
  const before = own ?? nothing
  const spent = most(before.spent, most(0n, entry.spent - counted))
  const floor = most(entry.floor - counted, spent)
  const room = entry.limit - (total.held - before.held)
  let held = entry.done ? spent : floor
  if (!entry.done && held < room) {
    held += least(entry.need, room - held)
    // Of what is left an owner gets a quarter at most, so that the others find something too.
    held += least(entry.spare, (room - held) / 4n)
  }
  return {
    own: { spent, held },
    total: { spent: total.spent + spent - before.spent, held: total.held + held - before.held },
    lost,
    enough: entry.need === 0n || held >= floor + entry.need
  }
}

/** The total when an owner has left: what it did not spend is there again. */
export const left = (total: Holding, own: Holding): Holding => ({
  spent: total.spent,
  held: total.held - own.held + own.spent
})

/** The total when an owner is gone without a word: what it held may have been spent to the last bit. */
export const perished = (total: Holding, own: Holding): Holding => ({
  spent: total.spent + own.held - own.spent,
  held: total.held
})
