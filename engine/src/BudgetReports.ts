/**
 * What is told about budgets: an overview of what this process knows, pages of what the store knows, and gauges.
 *
 * Everything here is read when somebody asks. A store that does not answer is said to be away, and what this process knows is
 * shown instead.
 */
import { Effect, Schema } from "effect"
import type { BudgetOverview, BudgetPage, BudgetStatus, BudgetStoreStatus } from "./AdminBudgetAnswers.ts"
import type { BudgetLedger } from "./BudgetLedger.ts"
import type { BudgetRule, BudgetScope, BudgetUnit } from "./BudgetRule.ts"
import type { BudgetSlot } from "./BudgetSlot.ts"
import type { BudgetScan, BudgetStore, BudgetTotal } from "./BudgetStore.ts"
import { decodeCursor, fullestFirst, isCurrent, matches, pageOf, statusOf, statusOfSlot } from "./BudgetView.ts"

/** Accounts that are asked for; `limit` is 1–500, 50 by default. */
export interface BudgetQuery {
  readonly budget?: string | undefined
  readonly scope?: BudgetScope | undefined
  readonly of?: string | undefined
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

/** The cursor was not made here. */
export class InvalidBudgetCursor extends Schema.TaggedError<InvalidBudgetCursor>()("InvalidBudgetCursor", {}) {
  override get message() {
    return "expected the nextCursor of an earlier page"
  }
}

/** The account of a budget that has used the largest share of its limit. */
export interface BudgetGauge {
  readonly budget: string
  readonly scope: BudgetScope
  readonly usedRatio: number
}

export interface ReportOptions {
  readonly ledger: BudgetLedger
  readonly store: BudgetStore
  readonly nowMs: () => number
  /** The budgets in force, by name. */
  readonly rules: () => ReadonlyMap<string, BudgetRule>
}

const shownMax = 100
const pageDefault = 50
/** Milliseconds that a listing waits for the store. */
const listTimeoutMs = 5000

export class BudgetReports {
  private readonly options: ReportOptions

  constructor(options: ReportOptions) {
    this.options = options
  }

  /** Undefined where there are no budgets. */
  overview(nowMs: number): BudgetOverview | undefined {
    const items = this.known({ nowMs })
    if (items.length === 0 && this.options.rules().size === 0) return undefined
    return {
      items: items.toSorted(fullestFirst).slice(0, shownMax),
      accounts: items.length,
      store: this.storeStatus()
    }
  }

  gauges(nowMs: number): ReadonlyArray<BudgetGauge> {
    const found = new Map<string, BudgetGauge>()
    for (const slot of this.current({ nowMs })) {
      const { label, scope } = slot.rule
      const usedRatio = slot.limit === 0n ? 1 : Number(slot.spent + slot.allReserved) / Number(slot.limit)
      if (usedRatio >= (found.get(label)?.usedRatio ?? 0)) found.set(label, { budget: label, scope, usedRatio })
    }
    return [...found.values()]
  }

  page({
    budget,
    cursor,
    limit = pageDefault,
    of,
    scope
  }: BudgetQuery): Effect.Effect<BudgetPage, InvalidBudgetCursor> {
    return Effect.suspend(() => {
      const after = cursor === undefined ? undefined : decodeCursor(cursor)
      if (cursor !== undefined && after === undefined) return Effect.fail(new InvalidBudgetCursor())
      const { ledger, nowMs, store } = this.options
      const scan = { nowMs: nowMs(), budget, scope, account: of, after, limit: limit + 1 }
      return Effect.match(Effect.timeout(Effect.andThen(ledger.flush, store.list(scan)), listTimeoutMs), {
        onSuccess: (rows) => ({ ...pageOf(rows, limit, this.view(scan.nowMs)), store: this.storeStatus() }),
        onFailure: (error) => {
          const reason = "detail" in error ? error.detail : `no answer within ${listTimeoutMs} ms`
          return {
            items: this.known(scan).toSorted(fullestFirst).slice(0, limit),
            nextCursor: null,
            store: { ...this.storeStatus(), healthy: false, reason }
          }
        }
      })
    })
  }

  /** How a row is shown: with what this process has not told yet, and undefined where its budget is gone. */
  private view(nowMs: number): (row: BudgetTotal) => BudgetStatus | undefined {
    const rules = this.options.rules()
    const here = new Map<string, BudgetSlot>()
    for (const slot of this.options.ledger.book.slots()) {
      here.set(placeOf(slot.rule.name, slot.account, slot.unit), slot)
    }
    return (row) => {
      if (!isCurrent(row, rules)) return undefined
      const slot = here.get(placeOf(row.budget, row.account, row.unit))
      if (slot?.span.startMs !== row.startMs) return statusOf(row, rules.get(row.budget), nowMs)
      return statusOf(slot.corrected(row), slot.rule, nowMs)
    }
  }

  private current(scan: Parameters<typeof matches>[1]): ReadonlyArray<BudgetSlot> {
    const rules = this.options.rules()
    const isShown = (slot: BudgetSlot) => isCurrent({ budget: slot.rule.name, unit: slot.unit }, rules)
    return [...this.options.ledger.book.slots()].filter((slot) => matches(slot, scan) && isShown(slot))
  }

  private known(scan: Pick<BudgetScan, "account" | "budget" | "nowMs" | "scope">): ReadonlyArray<BudgetStatus> {
    return this.current(scan).map((slot) => statusOfSlot(slot, scan.nowMs))
  }

  private storeStatus(): BudgetStoreStatus {
    return { kind: this.options.store.kind, ...this.options.ledger.health() }
  }
}

const placeOf = (budget: string, account: string, unit: BudgetUnit): string => `${budget}\n${unit}\n${account}`
