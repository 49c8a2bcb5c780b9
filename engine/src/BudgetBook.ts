/**
 * Which accounts there are in this process, by budget and name, and which of them a call is charged to.
 *
 * An account is opened by the first call that is charged to it, and anew in each period. Pure, but for what it remembers.
 */
import { type BudgetRule, type BudgetUnit, ownRulesOf, type Payer, shared } from "./BudgetRule.ts"
import { BudgetSlot } from "./BudgetSlot.ts"

/** Accounts that are remembered while nothing happens to them. */
const idleMax = 10_000

type Accounts = Map<string, BudgetSlot>

export class BudgetBook {
  /** The budgets of the configuration in force. */
  rules: ReadonlyArray<BudgetRule> = []
  private readonly budgets = { usd: new Map<string, Accounts>(), tokens: new Map<string, Accounts>() }
  private size = 0
  /** Told of accounts whose period is over. */
  private readonly onOver: (slot: BudgetSlot) => void

  constructor(onOver: (slot: BudgetSlot) => void) {
    this.onOver = onOver
  }

  /** True when accounts should go with which nothing happens. */
  get isFull(): boolean {
    return this.size > idleMax
  }

  /** Every account that is known here. */
  *slots(): Iterable<BudgetSlot> {
    for (const accounts of this.budgets.usd.values()) yield* accounts.values()
    for (const accounts of this.budgets.tokens.values()) yield* accounts.values()
  }

  /** The accounts that a call is charged to, in the period that is now. */
  slotsOf(payer: Payer, nowMs: number): ReadonlyArray<BudgetSlot> {
    const found: Array<BudgetSlot> = []
    for (const rule of this.rules) this.collect(rule, payer, nowMs, found)
    if (payer.key !== undefined) for (const rule of ownRulesOf(payer.key)) this.collect(rule, payer, nowMs, found)
    return found
  }

  /** The accounts that there are whoever calls. */
  sharedSlots(nowMs: number): ReadonlyArray<BudgetSlot> {
    const found: Array<BudgetSlot> = []
    for (const rule of this.rules) {
      if (rule.scope === "global" || rule.of !== undefined) this.add(rule, shared, nowMs, found)
    }
    return found
  }

  /** Forgets an account, unless somebody has begun to use it again. */
  drop(slot: BudgetSlot): void {
    if (slot.reserved > 0n || slot.waiting > 0) return
    const accounts = this.budgets[slot.unit].get(slot.rule.name)
    if (accounts?.get(slot.account) !== slot) return
    accounts.delete(slot.account)
    this.size--
  }

  private collect(rule: BudgetRule, payer: Payer, nowMs: number, found: Array<BudgetSlot>): void {
    const account = rule.accountOf(payer)
    if (account !== undefined) this.add(rule, account, nowMs, found)
  }

  private add(rule: BudgetRule, account: string, nowMs: number, found: Array<BudgetSlot>): void {
    if (rule.limits.usd !== undefined) found.push(this.slot(rule, account, "usd", nowMs))
    if (rule.limits.tokens !== undefined) found.push(this.slot(rule, account, "tokens", nowMs))
  }

  private slot(rule: BudgetRule, account: string, unit: BudgetUnit, nowMs: number): BudgetSlot {
    const budgets = this.budgets[unit]
    let accounts = budgets.get(rule.name)
    if (accounts === undefined) budgets.set(rule.name, (accounts = new Map()))
    const found = accounts.get(account)
    if (found?.isOf(rule, nowMs) === true) return found
    if (found === undefined) this.size++
    else this.onOver(found)
    const slot = new BudgetSlot(rule, account, unit, rule.clock.at(nowMs), nowMs)
    accounts.set(account, slot)
    return slot
  }
}
