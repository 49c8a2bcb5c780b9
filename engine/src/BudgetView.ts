/**
 * Accounts of budgets as people are shown them: in dollars, with times and a forecast.
 *
 * What a store lists is completed by what the rules and this process know. Pure.
 */
import type { BudgetPage, BudgetStatus } from "./AdminBudgetAnswers.ts"
import { type BudgetPeriod, budgetPeriods } from "./BudgetPeriod.ts"
import { type BudgetRule, type BudgetUnit, isOwn } from "./BudgetRule.ts"
import { type BudgetSlot, nameOf } from "./BudgetSlot.ts"
import type { BudgetScan, BudgetTotal } from "./BudgetStore.ts"
import { usdOf } from "./Money.ts"

/** An amount in dollars or tokens. */
export const amountOf = (unit: BudgetUnit, amount: bigint): number => (unit === "usd" ? usdOf(amount) : Number(amount))

/** Milliseconds of a period, or of all time, after which a rate says something. */
const settledMs = 60_000

export const statusOfSlot = (slot: BudgetSlot, nowMs: number): BudgetStatus =>
  statusOf(
    {
      budget: slot.rule.name,
      account: slot.account,
      unit: slot.unit,
      startMs: slot.span.startMs,
      endMs: slot.span.endMs,
      scope: slot.rule.scope,
      limit: slot.limit,
      spent: slot.spent,
      held: slot.spent + slot.allReserved,
      createdMs: slot.createdMs
    },
    slot.rule,
    nowMs
  )

/** A row of a store, whose limit is that of its rule where the rule is known. */
export const statusOf = (row: BudgetTotal, rule: BudgetRule | undefined, nowMs: number): BudgetStatus => {
  const { budget, createdMs, endMs, spent, startMs, unit } = row
  const limit = rule?.limits[unit] ?? row.limit
  const left = limit > spent ? limit - spent : 0n
  const reserved = row.held > spent ? row.held - spent : 0n
  const share = (amount: bigint) => (limit === 0n ? 1 : Number((amount * 1_000_000n) / limit) / 1_000_000)
  const passed = (rule?.warnAt ?? []).filter((at) => share(spent) >= at)
  const total = !Number.isFinite(endMs)
  return {
    budget,
    scope: row.scope,
    of: nameOf(row),
    ...(rule?.of === undefined ? {} : { sharedBy: rule.of }),
    unit,
    limit: amountOf(unit, limit),
    spent: amountOf(unit, spent),
    reserved: amountOf(unit, reserved),
    left: amountOf(unit, left),
    usedShare: share(spent + reserved),
    state: left === 0n ? "exhausted" : passed.length > 0 ? "warned" : "ok",
    passed,
    period: rule?.period ?? periodIn(budget),
    timeZone: rule?.timeZone ?? null,
    startsAt: total ? null : iso(startMs),
    resetsAt: total ? null : iso(endMs),
    exhaustedAt: exhaustedAt(Number(spent), Number(left), total ? createdMs : startMs, endMs, nowMs)
  }
}

const exhaustedAt = (spent: number, left: number, sinceMs: number, endMs: number, nowMs: number): string | null => {
  const passedMs = nowMs - sinceMs
  const lengthMs = endMs - sinceMs
  if (spent <= 0 || left <= 0 || passedMs < Math.min(settledMs, lengthMs / 10)) return null
  const atMs = nowMs + (left * passedMs) / spent
  return atMs >= Math.min(endMs, timeMax) ? null : iso(Math.ceil(atMs))
}

/** The last moment that a `Date` can say. */
const timeMax = 8.64e15

const iso = (ms: number): string => new Date(ms).toISOString()

const periodIn = (name: string): BudgetPeriod =>
  budgetPeriods.find((period) => name.split(":")[1] === period) ?? "total"

/** The fullest first. */
export const fullestFirst = (a: BudgetStatus, b: BudgetStatus): number => b.usedShare - a.usedShare

/** Whether an account is one of those that were asked for. */
export const matches = (
  slot: BudgetSlot,
  { account, budget, nowMs, scope }: Pick<BudgetScan, "account" | "budget" | "nowMs" | "scope">
): boolean =>
  slot.span.startMs <= nowMs &&
  nowMs < slot.span.endMs &&
  (account === undefined || account === slot.account) &&
  (budget === undefined || budget === slot.rule.name) &&
  (scope === undefined || scope === slot.rule.scope)

type Place = NonNullable<BudgetScan["after"]>

export const encodeCursor = ({ account, budget, unit }: Place): string =>
  Buffer.from(JSON.stringify([budget, account, unit])).toString("base64url")

/** Undefined for a text that is no cursor. */
export const decodeCursor = (cursor: string): Place | undefined => {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString())
    if (!Array.isArray(place) || place.length !== 3 || !place.every((part) => typeof part === "string"))
      return undefined
    const [budget, account, unit] = place as [string, string, string]
    return unit === "usd" || unit === "tokens" ? { budget, account, unit } : undefined
  } catch {
    return undefined
  }
}

/** A page of what a store lists: one row more than a page tells that there is another. */
export const pageOf = (
  rows: ReadonlyArray<BudgetTotal>,
  limit: number,
  view: (row: BudgetTotal) => BudgetStatus | undefined
): Pick<BudgetPage, "items" | "nextCursor"> => {
  const page = rows.slice(0, limit)
  const last = rows.length > limit ? page.at(-1) : undefined
  return {
    items: page.flatMap((row) => view(row) ?? []),
    nextCursor: last === undefined ? null : encodeCursor(last)
  }
}

/** True for accounts of budgets that are still configured, or belong to keys. */
export const isCurrent = (
  { budget, unit }: Pick<BudgetTotal, "budget" | "unit">,
  rules: ReadonlyMap<string, BudgetRule>
): boolean => isOwn(budget) || rules.get(budget)?.limits[unit] !== undefined
