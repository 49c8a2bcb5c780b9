/**
 * One account of a budget in one period, as far as this process knows it: what it holds, what it has spent and reserved.
 *
 * Numbers alone, no clock and no I/O. What is held came from the store; calls reserve from it and are settled into it without
 * asking anybody. While the store can't be asked, what was last known of the others decides instead.
 */
import type { Span } from "./BudgetPeriod.ts"
import { type BudgetRule, type BudgetUnit, shared } from "./BudgetRule.ts"
import type { BudgetBalance, BudgetEntry, Holding } from "./BudgetStore.ts"

/** Of the limit an owner holds at most so much in advance. */
const spareShare = 32n
/** And at most what so many calls as the last one need. */
const spareCalls = 32n
/** Below this share of the limit nothing is held in advance. */
const scarceShare = 16n

const zero = 0n

export class BudgetSlot {
  readonly account: string
  readonly unit: BudgetUnit
  readonly span: Span
  rule: BudgetRule
  limit: bigint
  /** Spent by this process in this period. */
  used = zero
  /** Reserved by calls under way. */
  reserved = zero
  /** What may be spent and reserved in all. */
  granted = zero
  /** Calls that wait for more of it. */
  waiting = 0
  /** What they need in all; worked out for each exchange. */
  wanted = zero
  /** True once the store has told how it stands. */
  known = false
  /** Epoch milliseconds until which the store need not be asked again, because there was not enough. */
  dryUntilMs = 0
  /** When the account was first used in this period, as far as it is known. */
  createdMs: number
  /** True when something was reserved since the last look. */
  active = false
  /** Of what was spent, the part that the store counts without this owner: it had been taken for dead, or was done. */
  private counted = zero
  /** What the store says this owner holds, and has spent of it. */
  private held = zero
  private told = zero
  private totalSpent = zero
  private totalHeld = zero
  /** `used` when the totals were told. */
  private usedThen = zero
  private last = zero
  private warned = 0
  private thresholds: ReadonlyArray<bigint>

  constructor(rule: BudgetRule, account: string, unit: BudgetUnit, span: Span, nowMs: number) {
    this.rule = rule
    this.account = account
    this.unit = unit
    this.span = span
    this.limit = rule.limits[unit]!
    this.createdMs = nowMs
    this.thresholds = thresholdsOf(this.limit, rule)
  }

  /** Whether this is the account of a rule at a moment; takes over what has changed in the rule. */
  isOf(rule: BudgetRule, nowMs: number): boolean {
    const { span } = this
    if (nowMs >= span.endMs || nowMs < span.startMs || rule.clock !== this.rule.clock) return false
    if (rule !== this.rule) {
      this.rule = rule
      this.limit = rule.limits[this.unit]!
      this.thresholds = thresholdsOf(this.limit, rule)
    }
    return true
  }

  /** What calls can still reserve of what is held; below zero when more was given away than is held. */
  get free(): bigint {
    return this.granted - this.used - this.reserved
  }

  /** What everybody has spent, as far as it is known. */
  get spent(): bigint {
    return this.totalSpent + this.used - this.usedThen
  }

  /** What calls under way have reserved, and what other instances hold for theirs. */
  get allReserved(): bigint {
    const others = this.totalHeld - this.held - (this.totalSpent - this.told)
    return this.reserved + (others > zero ? others : zero)
  }

  /** What a store lists of the account, with what it has not been told; what is held in advance here is nobody's. */
  corrected<Total extends Holding>(total: Total): Total {
    return { ...total, spent: total.spent + this.used - this.usedThen, held: total.held - this.free }
  }

  /** True when this process is not the only one that is known to spend from it, or when nothing is known. */
  get isShared(): boolean {
    return !this.known || this.totalHeld > this.held
  }

  /** Whether there is room by what was last known of everybody. */
  hasRoomAlone(amount: bigint): boolean {
    return this.spent + this.reserved + amount <= this.limit
  }

  /** True when the store has said lately that there is less left than this. */
  isDry(amount: bigint, nowMs: number): boolean {
    if (!this.known || nowMs >= this.dryUntilMs) return false
    const room = this.limit - this.totalHeld
    return amount > this.free + (room > zero ? room : zero)
  }

  reserve(amount: bigint): void {
    this.reserved += amount
    this.last = amount
    this.active = true
  }

  settle(reserved: bigint, spent: bigint): void {
    this.reserved -= reserved
    this.used += spent
  }

  /** The share of the next warning that is due; undefined when none is. */
  dueWarning(): number | undefined {
    const { thresholds, warned } = this
    if (warned >= thresholds.length || this.spent < thresholds[warned]!) return undefined
    while (this.warned < thresholds.length && this.spent >= thresholds[this.warned]!) this.warned++
    return this.rule.warnAt[this.warned - 1]
  }

  /** Shares of the limit that were passed. */
  get passed(): ReadonlyArray<number> {
    return this.rule.warnAt.filter((_, index) => this.spent >= this.thresholds[index]!)
  }

  /** True when the store knows all there is to know and nothing is held in advance. */
  get isSettled(): boolean {
    if (!this.known || this.used !== this.usedThen) return false
    const { free } = this
    return free === zero || (free > zero && this.held === this.told)
  }

  /** True when nothing has happened to it lately and nobody waits for it. */
  get isIdle(): boolean {
    return !this.active && this.reserved === zero && this.waiting === 0
  }

  /** True when nobody will ask for it any more. */
  isOver(nowMs: number): boolean {
    return nowMs >= this.span.endMs && this.reserved === zero && this.waiting === 0
  }

  /** What is to be said to the store. Gives back what is held in advance when it is not used, or scarce. */
  entry(done: boolean): BudgetEntry {
    const { limit, rule, span, wanted } = this
    const committed = this.used + this.reserved
    const scarce = this.known && limit - this.totalHeld < limit / scarceShare
    if (wanted === zero && (!this.active || scarce) && this.granted > committed) this.granted = committed
    this.active = false
    const free = this.granted - committed
    const need = wanted > free && wanted > zero ? wanted - (free > zero ? free : zero) : zero
    const spare = need === zero ? zero : smaller(limit / spareShare, larger(this.last, wanted) * spareCalls)
    return {
      budget: rule.name,
      scope: rule.scope,
      account: this.account,
      unit: this.unit,
      startMs: span.startMs,
      endMs: span.endMs,
      limit,
      held: this.held,
      spent: this.used - this.counted,
      floor: larger(this.granted, committed) - this.counted,
      need,
      spare,
      done
    }
  }

  /** Takes in how the account stands after an exchange; `usedThen` is what was used when the entry was made. */
  apply(entry: BudgetEntry, balance: BudgetBalance, usedThen: bigint): void {
    if (balance.lost) this.counted += entry.held
    if (entry.done) {
      this.counted = larger(this.counted, usedThen)
      this.held = this.told = zero
    } else {
      this.held = balance.held
      this.told = balance.spent
    }
    this.granted = this.counted + this.held
    this.totalSpent = balance.totalSpent
    this.totalHeld = balance.totalHeld
    this.usedThen = usedThen
    this.createdMs = balance.createdMs
    // What was passed before this process used the account has been told by whoever did.
    if (!this.known) {
      while (this.warned < this.thresholds.length && this.totalSpent - usedThen >= this.thresholds[this.warned]!) {
        this.warned++
      }
    }
    this.known = true
  }
}

/** Names the account for people: the one it is of, or none where all share it. */
export const nameOf = ({ account }: Pick<BudgetSlot, "account">): string | null => (account === shared ? null : account)

const thresholdsOf = (limit: bigint, { warnAt }: BudgetRule): ReadonlyArray<bigint> =>
  warnAt.map((share) => (limit * BigInt(Math.round(share * 1e6))) / 1_000_000n)

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)
