/**
 * The accounts of all budgets in this process: reserves what a call may cost, and settles what it did cost.
 *
 * A call reserves from all its accounts in one synchronous step, all or nothing (law 5), as long as what this process holds of
 * each is enough; else it waits for one exchange with the store, which many calls share. What was spent is told behind, in
 * batches. It never waits longer than `waitMs` for a store: then it decides alone, by what it knows (law 11). From an account
 * others may be spending meanwhile, so where one is shared, or nothing is known of it, it waits eight times as long.
 */
import { Effect, type Exit, type Fiber } from "effect"
import { BudgetBook } from "./BudgetBook.ts"
import type { BudgetSlot } from "./BudgetSlot.ts"
import type { BudgetBalance, BudgetEntry, BudgetStore, BudgetStoreUnavailable } from "./BudgetStore.ts"

/** What a call takes from one account. */
export interface Claim {
  readonly slot: BudgetSlot
  readonly amount: bigint
}

/** A call that waits for its claims. */
export interface BudgetWaiter {
  readonly claims: ReadonlyArray<Claim>
  /** Everything was reserved. */
  readonly taken: () => void
  readonly refused: (claim: Claim) => void
}

export interface LedgerOptions {
  readonly store: BudgetStore
  readonly nowMs: () => number
  /** Milliseconds between two tellings of what was spent. */
  readonly flushMs: number
  /** Milliseconds that calls wait for the store at most, where nobody else spends from their accounts. */
  readonly waitMs: number
  /** Runs in the background for as long as the engine does. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly onWarning: (slot: BudgetSlot, share: number) => void
}

export interface LedgerHealth {
  readonly healthy: boolean
  /** Why the store could not be asked. */
  readonly reason: string | null
  /** Reservations that were made without the store, because it could not be asked. */
  readonly decidedAlone: number
}

/** Milliseconds after which the store is asked again by calls for which there was not enough. */
const dryMs = 250
/** Turns of the event loop, at least, before a store is taken for one that does not answer. */
const waitSteps = 10
/** How much longer a call waits for whose accounts others may be spending from. */
const sharedWaits = 8
/** Milliseconds between two looks for accounts that nobody needs any more. */
const sweepEveryMs = 60_000
/** Accounts of one exchange. */
const entriesMax = 500

const zero = 0n

export class BudgetLedger {
  readonly book = new BudgetBook((slot) => this.touch(slot))
  private readonly options: LedgerOptions
  private readonly dirty = new Set<BudgetSlot>()
  private readonly waiters = new Set<BudgetWaiter>()
  private busy = false
  private down: string | undefined = undefined
  /** The store was given up for accounts that are this process's alone; calls with others still wait. */
  private slow = false
  private decidedAlone = 0
  private timer: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private closed = false
  private idle: Array<() => void> = []
  private sweepAtMs = 0
  /** Accounts that are still to be told in this flush. */
  private untold = 0

  constructor(options: LedgerOptions) {
    this.options = options
  }

  health(): LedgerHealth {
    return { healthy: this.down === undefined, reason: this.down ?? null, decidedAlone: this.decidedAlone }
  }

  /** Reserves every claim at once; else reserves nothing and returns the first that finds no room. */
  take(claims: ReadonlyArray<Claim>): Claim | undefined {
    for (const claim of claims) {
      if (claim.slot.waiting > 0 || claim.amount > claim.slot.free) return claim
    }
    for (const { amount, slot } of claims) slot.reserve(amount)
    return undefined
  }

  /** Reserves every claim, after asking the store where that is needed. Tells the waiter exactly once, unless it leaves. */
  enter(waiter: BudgetWaiter): void {
    const nowMs = this.options.nowMs()
    const dry = waiter.claims.find(({ amount, slot }) => slot.isDry(amount, nowMs))
    if (dry !== undefined) return waiter.refused(dry)
    if (this.closed || (this.down !== undefined && !(this.slow && isBlind(waiter)))) return this.decide(waiter)
    this.waiters.add(waiter)
    for (const { slot } of waiter.claims) slot.waiting++
    this.pump()
  }

  leave(waiter: BudgetWaiter): void {
    if (!this.waiters.delete(waiter)) return
    for (const { slot } of waiter.claims) slot.waiting--
  }

  /** Replaces a reservation by what was spent. */
  settle(slot: BudgetSlot, reserved: bigint, spent: bigint): void {
    slot.settle(reserved, spent)
    this.touch(slot)
    const share = slot.dueWarning()
    if (share !== undefined) this.options.onWarning(slot, share)
  }

  /** Has an account told to the store with the next batch. */
  touch(slot: BudgetSlot): void {
    this.dirty.add(slot)
    if (this.timer === undefined && !this.closed) this.schedule()
  }

  /** Tells the store everything that was spent until now. */
  readonly flush: Effect.Effect<void> = Effect.suspend(() => {
    if (this.dirty.size === 0) return this.busy ? this.whenIdle : Effect.void
    const waits = this.busy
    this.tellAll()
    return waits ? Effect.andThen(this.whenIdle, this.flushOnce) : this.whenIdle
  })

  /** Tells the store the rest, and decides alone from then on. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.closed = true
    this.timer?.interruptUnsafe()
    for (const slot of this.book.slots()) {
      slot.active = false
      if (!slot.isSettled) this.dirty.add(slot)
    }
    // A store that has not answered for long will not answer now.
    if (this.busy && this.down !== undefined) return Effect.void
    return Effect.ignore(Effect.timeoutOption(this.flush, this.options.waitMs * 4))
  })

  private readonly flushOnce: Effect.Effect<void> = Effect.suspend(() => {
    this.tellAll()
    return this.whenIdle
  })

  private readonly whenIdle: Effect.Effect<void> = Effect.callback((resume) => {
    if (!this.busy) return resume(Effect.void)
    const done = () => resume(Effect.void)
    this.idle.push(done)
    return Effect.sync(() => {
      this.idle = this.idle.filter((each) => each !== done)
    })
  })

  private schedule(): void {
    this.timer = this.options.fork(
      Effect.andThen(
        Effect.sleep(this.options.flushMs),
        Effect.sync(() => {
          this.timer = undefined
          this.sweep()
          this.tellAll()
          if (this.dirty.size > 0 && this.timer === undefined) this.schedule()
        })
      )
    )
  }

  /** Has accounts told whose period is over, or with which nothing happens while there are too many of them. */
  private sweep(): void {
    const nowMs = this.options.nowMs()
    if (nowMs < this.sweepAtMs) return
    this.sweepAtMs = nowMs + sweepEveryMs
    const { isFull } = this.book
    for (const slot of this.book.slots()) if (slot.isOver(nowMs) || (isFull && slot.isIdle)) this.dirty.add(slot)
  }

  private tellAll(): void {
    this.untold = this.dirty.size
    this.pump(true)
  }

  /** One exchange, unless one is under way: of what calls wait for, or of everything that the store does not know. */
  private pump(all = false): void {
    if (this.busy) return
    const due = this.due(all)
    if (due.length === 0) return
    const nowMs = this.options.nowMs()
    const evicts = this.book.isFull
    const sent = due.map((slot) => {
      const done = slot.isOver(nowMs) || (evicts && slot.isIdle)
      return { slot, entry: slot.entry(done), used: slot.used }
    })
    this.busy = true
    const exchange = this.options.store.exchange(
      sent.map(({ entry }) => entry),
      nowMs
    )
    const fiber = this.options.fork(exchange)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.exchanged(sent, exit)
    const watch = this.options.fork(this.watch)
    fiber.addObserver((late) => {
      watch.interruptUnsafe()
      this.exchanged(sent, late)
    })
  }

  /**
   * Stops the waiting for an exchange, first of calls whose accounts are this process's alone. It waits in steps: a process that stood still
   * itself reads what has come before it says that nothing came.
   */
  private readonly watch = Effect.suspend(() => {
    const { waitMs } = this.options
    const step = Effect.sleep(waitMs / waitSteps)
    // Only once: a store that did not answer before is not waited for again.
    const fail = (slow: boolean) =>
      Effect.sync(() => this.fail(`no answer within ${waitMs} ms`, slow && this.down === undefined))
    return Effect.repeat(step, { times: waitSteps - 1 }).pipe(
      Effect.andThen(fail(true)),
      Effect.andThen(Effect.repeat(step, { times: waitSteps * (sharedWaits - 1) - 1 })),
      Effect.andThen(fail(false))
    )
  })

  private due(all: boolean): ReadonlyArray<BudgetSlot> {
    const due = new Set<BudgetSlot>()
    for (const { claims } of this.waiters) {
      if (due.size >= entriesMax) break
      for (const { amount, slot } of claims) {
        slot.wanted = due.has(slot) ? slot.wanted + amount : amount
        due.add(slot)
      }
    }
    for (const slot of due) if (slot.known && slot.wanted <= slot.free) due.delete(slot)
    if (all) {
      for (const slot of this.dirty) {
        if (due.size >= entriesMax) break
        if (due.has(slot)) continue
        slot.wanted = zero
        due.add(slot)
      }
    }
    return [...due]
  }

  private exchanged(
    sent: ReadonlyArray<Sent>,
    exit: Exit.Exit<ReadonlyArray<BudgetBalance>, BudgetStoreUnavailable>
  ): void {
    this.busy = false
    if (exit._tag === "Failure") {
      for (const { slot } of sent) this.touch(slot)
      this.fail(reasonOf(exit))
    } else {
      this.down = undefined
      this.slow = false
      this.untold -= sent.length
      const surrenders = this.apply(sent, exit.value)
      if (this.waiters.size > 0) this.pump()
      else if (surrenders || (this.untold > 0 && this.dirty.size > 0)) this.pump(true)
    }
    if (this.busy) return
    const { idle } = this
    this.idle = []
    for (const done of idle) done()
  }

  /** Returns true when something was fetched for nothing, which others may have use for. */
  private apply(sent: ReadonlyArray<Sent>, balances: ReadonlyArray<BudgetBalance>): boolean {
    const nowMs = this.options.nowMs()
    const scarce = new Set<BudgetSlot>()
    for (const [index, { entry, slot, used }] of sent.entries()) {
      const balance = balances[index]!
      slot.apply(entry, balance, used)
      slot.wanted = zero
      if (!balance.enough) {
        scarce.add(slot)
        slot.dryUntilMs = nowMs + dryMs
      }
      // What is still to be told goes behind those that wait for it.
      this.dirty.delete(slot)
      if (!slot.isSettled) this.touch(slot)
      else if (entry.done) this.book.drop(slot)
    }
    let surrenders = false
    for (const waiter of [...this.waiters]) {
      const short = waiter.claims.find(({ amount, slot }) => amount > slot.free)
      if (short !== undefined && !scarce.has(short.slot)) continue
      this.leave(waiter)
      if (short !== undefined) {
        waiter.refused(short)
        for (const { slot } of waiter.claims) {
          slot.active = false
          surrenders ||= slot.free > zero
        }
      } else {
        for (const { amount, slot } of waiter.claims) slot.reserve(amount)
        waiter.taken()
      }
    }
    return surrenders
  }

  private fail(reason: string, slow = false): void {
    this.down = reason
    this.slow = slow
    for (const waiter of [...this.waiters]) {
      if (slow && isBlind(waiter)) continue
      this.leave(waiter)
      this.decide(waiter)
    }
  }

  /** Without the store: by what is held, and where the rule allows it by what was last known of everybody. */
  private decide(waiter: BudgetWaiter): void {
    const short = waiter.claims.find(
      ({ amount, slot }) => amount > slot.free && (slot.rule.onStoreFailure === "refuse" || !slot.hasRoomAlone(amount))
    )
    // What is touched is tried again: the store may be back by then.
    for (const { slot } of waiter.claims) this.touch(slot)
    if (short !== undefined) return waiter.refused(short)
    if (waiter.claims.some(({ amount, slot }) => amount > slot.free)) this.decidedAlone++
    for (const { amount, slot } of waiter.claims) slot.reserve(amount)
    waiter.taken()
  }
}

/** Whether a call would be decided without knowing what others spend meanwhile. */
const isBlind = (waiter: BudgetWaiter): boolean =>
  waiter.claims.some(({ amount, slot }) => slot.isShared && amount > slot.free)

interface Sent {
  readonly slot: BudgetSlot
  readonly entry: BudgetEntry
  readonly used: bigint
}

const reasonOf = (exit: Exit.Failure<unknown, BudgetStoreUnavailable>): string => {
  const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")
  return failure === undefined ? "the exchange was cut off" : failure.error.detail
}
