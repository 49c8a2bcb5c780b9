/**
 * Budgets: what calls may cost in a period, altogether or of a key, a tenant, a model or a provider.
 *
 * At admission an attempt reserves the most that it can cost of every budget that counts it, all or nothing, or is refused
 * with `BudgetExceeded` (law 5); at settlement the true cost takes the place of the reservation, and what failed gets it
 * back. Answers of the cache and of another's call reserve nothing. It waits for a store shortly, never for room.
 */
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import type { BudgetOverview, BudgetPage } from "./AdminBudgetAnswers.ts"
import { type BoundOptions, BudgetBound } from "./BudgetBound.ts"
import { BudgetLedger, type Claim } from "./BudgetLedger.ts"
import { type BudgetGauge, type BudgetQuery, BudgetReports, type InvalidBudgetCursor } from "./BudgetReports.ts"
import { type BudgetOptions, type BudgetRule, ruleOf } from "./BudgetRule.ts"
import type { BudgetSlot } from "./BudgetSlot.ts"
import type { BudgetStore } from "./BudgetStore.ts"
import { amountOf, statusOfSlot } from "./BudgetView.ts"
import type { Outcome, Target } from "./Call.ts"
import { BudgetExceeded } from "./Errors.ts"
import { logOf } from "./Log.ts"
import { picosOf, picosPerUsd } from "./Money.ts"
import type { AttemptCall, AttemptStage, OpenAttempt } from "./Stage.ts"
import { totalTokens, type Usage, zero as noUsage } from "./Usage.ts"

const log = logOf("Budget")

export interface BudgetLayerOptions<R> extends BoundOptions {
  /** The budgets in force. Asked at every attempt: the same list as long as nothing has changed. */
  readonly budgets: () => ReadonlyArray<BudgetOptions>
  readonly store: Effect.Effect<BudgetStore, never, R>
  /** Whether calls of a provider cost nothing, whatever they take. */
  readonly isFree: (provider: string) => boolean
  /** Milliseconds between two tellings of what was spent, 1000 by default. */
  readonly flushMs?: number | undefined
  /** Milliseconds that a call waits for the store at most, 250 by default. */
  readonly waitMs?: number | undefined
}

/** Counts since the start, by the budget's name in the configuration or `keys`. */
export interface BudgetTallies {
  readonly warnings: ReadonlyMap<string, number>
  readonly refusals: ReadonlyMap<string, { readonly usd: number; readonly tokens: number }>
  readonly decidedAlone: number
}

export class Budget extends Context.Service<
  Budget,
  {
    readonly stage: AttemptStage
    /** What this process knows; undefined where there are no budgets. */
    readonly overview: (nowMs: number) => BudgetOverview | undefined
    /** Accounts of all instances. */
    readonly page: (query: BudgetQuery) => Effect.Effect<BudgetPage, InvalidBudgetCursor>
    readonly gauges: (nowMs: number) => ReadonlyArray<BudgetGauge>
    readonly tallies: () => BudgetTallies
  }
>()("millrace/Budget") {
  static readonly layer = <R>(options: BudgetLayerOptions<R>): Layer.Layer<Budget, never, Exclude<R, Scope.Scope>> =>
    Layer.effect(
      Budget,
      Effect.flatMap(options.store, (store) => make(options, store))
    )
}

const zero = 0n

const make = (
  options: Omit<BudgetLayerOptions<never>, "store">,
  store: BudgetStore
): Effect.Effect<Budget["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const bounds = new BudgetBound(options)
    const warnings = new Map<string, number>()
    const refusals = new Map<string, { usd: number; tokens: number }>()
    const nowMs = () => clock.currentTimeMillisUnsafe()

    const onWarning = (slot: BudgetSlot, share: number): void => {
      warnings.set(slot.rule.label, (warnings.get(slot.rule.label) ?? 0) + 1)
      const { budget: name, limit, of, resetsAt, scope, spent, unit } = statusOfSlot(slot, nowMs())
      fork(
        log.warn("a budget is nearly spent", { name, share, scope, of: of ?? undefined, unit, spent, limit, resetsAt })
      )
    }

    const ledger = new BudgetLedger({
      store,
      nowMs,
      flushMs: options.flushMs ?? 1000,
      waitMs: options.waitMs ?? 250,
      fork,
      onWarning
    })
    yield* Effect.addFinalizer(() => ledger.close)

    let inForce: ReadonlyArray<BudgetOptions> | undefined
    let byName: ReadonlyMap<string, BudgetRule> = new Map()
    const follow = (): void => {
      const budgets = options.budgets()
      if (budgets === inForce) return
      inForce = budgets
      ledger.book.rules = budgets.map(ruleOf)
      byName = new Map(ledger.book.rules.map((rule) => [rule.name, rule]))
      for (const slot of ledger.book.sharedSlots(nowMs())) ledger.touch(slot)
      // Counts are shown from 0 on.
      for (const name of byName.keys()) {
        if (!warnings.has(name)) warnings.set(name, 0)
        if (!refusals.has(name)) refusals.set(name, { usd: 0, tokens: 0 })
      }
    }
    follow()
    // Connects before the first call, which would not wait for that.
    if (store.kind !== "memory" && inForce!.length > 0) fork(Effect.ignore(store.exchange([], nowMs())))

    /** What an attempt takes of each account; an error where that can't be said. */
    const claimsOf = (call: AttemptCall, slots: ReadonlyArray<BudgetSlot>): ReadonlyArray<Claim> | BudgetExceeded => {
      const { journal, request, target } = call
      const sizes = { bound: undefined as Size | undefined, expected: undefined as Size | undefined }
      const sizeOf = (reserve: BudgetRule["reserve"]): Size => {
        const tokens =
          reserve === "bound" ? bounds.most(request, target) : bounds.expected(request, target, journal.promptTokens)
        return { tokens, picos: undefined }
      }
      const claims: Array<Claim> = []
      for (const slot of slots) {
        const { reserve, unpriced } = slot.rule
        const size = (sizes[reserve] ??= sizeOf(reserve))
        if (slot.unit === "tokens") {
          claims.push({ slot, amount: BigInt(Math.ceil(size.tokens.prompt + size.tokens.answer)) })
          continue
        }
        if (options.isFree(target.provider)) {
          claims.push({ slot, amount: zero })
          continue
        }
        size.picos ??= bounds.picos(size.tokens, request, target, journal.startedAtMs)
        if (typeof size.picos === "bigint") claims.push({ slot, amount: size.picos })
        else if (unpriced === "allow") claims.push({ slot, amount: zero })
        else return refuse(slot, { reason: "unpriced", detail: fixOf(target, size.picos) })
      }
      return claims
    }

    const refuse = (
      slot: BudgetSlot,
      more: { readonly reason: "limit" | "store" | "unpriced"; readonly needed?: number; readonly detail?: string }
    ): BudgetExceeded => {
      const { limit, rule, span, spent, unit } = slot
      let tally = refusals.get(rule.label)
      if (tally === undefined) refusals.set(rule.label, (tally = { usd: 0, tokens: 0 }))
      tally[unit]++
      return new BudgetExceeded({
        budget: rule.name,
        scope: rule.scope,
        unit,
        limit: amountOf(unit, limit),
        left: amountOf(unit, limit > spent ? limit - spent : zero),
        reserved: amountOf(unit, slot.allReserved),
        ...more,
        ...(Number.isFinite(span.endMs) ? { resetMs: Math.max(0, span.endMs - nowMs()) } : {})
      })
    }

    const refuseClaim = ({ amount, slot }: Claim): BudgetExceeded => {
      const away = slot.rule.onStoreFailure === "refuse" && !ledger.health().healthy
      return refuse(slot, { reason: away ? "store" : "limit", needed: amountOf(slot.unit, amount) })
    }

    /** Everything is reserved: from here on it is settled, whatever happens. */
    const hold = (call: AttemptCall, claims: ReadonlyArray<Claim>): void => {
      call.settlement.add((outcome) => settle(call, claims, outcome))
      tell(call, claims)
    }

    const settle = (call: AttemptCall, claims: ReadonlyArray<Claim>, outcome: Outcome): void => {
      const usage = usageOf(call, outcome)
      if (outcome._tag === "Success") bounds.learn(call.target, usage)
      const tokens = BigInt(Math.ceil(totalTokens(usage)))
      let picos: bigint | undefined
      for (const { amount, slot } of claims) {
        if (slot.unit === "usd") picos ??= picosSpent(call, usage)
        const spent = slot.unit === "tokens" ? tokens : picos!
        // What has lost its price since counts as what was reserved for it.
        ledger.settle(slot, amount, spent < zero ? amount : spent)
      }
      tell(call, claims)
    }

    /** Below zero where there is no price. */
    const picosSpent = ({ journal, target }: AttemptCall, usage: Usage): bigint => {
      if (usage === noUsage || options.isFree(target.provider)) return zero
      const cost = options.price(target, usage, journal.startedAtMs)
      return cost._tag === "Priced" ? picosOf(cost.usd) : -1n
    }

    /** Notes what is left for the caller itself, by the tightest budget of its key or tenant. */
    const tell = (call: AttemptCall, claims: ReadonlyArray<Claim>): void => {
      let least: bigint | undefined
      for (const { slot } of claims) {
        if (slot.unit !== "usd" || (slot.rule.scope !== "tenant" && slot.rule.scope !== "key")) continue
        const left = slot.limit - slot.spent - slot.allReserved
        if (least === undefined || left < least) least = left
      }
      if (least !== undefined) call.journal.budgetLeftUsd = least > zero ? Number(least) / picosPerUsd : 0
    }

    const admit = (call: AttemptCall, next: OpenAttempt): ReturnType<OpenAttempt> => {
      const { request, target } = call
      const payer = { tenant: request.tenant, key: request.key, target }
      const slots = ledger.book.slotsOf(payer, call.clock.currentTimeMillisUnsafe())
      if (slots.length === 0) return next(call)
      const claims = claimsOf(call, slots)
      if (!Array.isArray(claims)) return Effect.fail(claims as BudgetExceeded)
      if (ledger.take(claims) === undefined) {
        hold(call, claims)
        return next(call)
      }
      return Effect.callback((resume) => {
        let entering = true
        const waiter = {
          claims,
          // Whoever is resumed goes on in a turn of its own, so that a long list never becomes a deep stack.
          taken: () => {
            hold(call, claims)
            resume(entering ? next(call) : Effect.flatMap(Effect.yieldNow, () => next(call)))
          },
          refused: (claim: Claim) => {
            tell(call, claims)
            resume(Effect.fail(refuseClaim(claim)))
          }
        }
        ledger.enter(waiter)
        entering = false
        return Effect.sync(() => ledger.leave(waiter))
      })
    }

    const stage: AttemptStage = (next) => (call) => {
      follow()
      if (ledger.book.rules.length === 0 && call.request.key?.budgets === undefined) return next(call)
      return Effect.suspend(() => admit(call, next))
    }

    const reports = new BudgetReports({
      ledger,
      store,
      nowMs,
      rules: () => {
        follow()
        return byName
      }
    })

    return Budget.of({
      stage,
      overview: (atMs) => reports.overview(atMs),
      page: (query) => reports.page(query),
      gauges: (atMs) => reports.gauges(atMs),
      tallies: () => ({ warnings, refusals, decidedAlone: ledger.health().decidedAlone })
    })
  })

/** What an attempt may take. `picos` is undefined until it is asked for, and a text where there is no price. */
interface Size {
  readonly tokens: { readonly prompt: number; readonly answer: number }
  picos: bigint | string | undefined
}

const fixOf = ({ model, provider }: Target, reason: string): string =>
  `${model} at ${provider} has no price (${reason}); set providers[].pricing of ${provider}, or unpriced: allow for this budget`

/** What the provider has probably billed. One that was sent and left before its first part has read the prompt. */
const usageOf = ({ attempt, journal }: AttemptCall, outcome: Outcome): Usage => {
  const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
  if (completion !== undefined) return completion.usage
  if (outcome._tag !== "Cancelled" || attempt.sentAtMs === undefined) return noUsage
  return { ...noUsage, uncachedInput: Math.ceil(journal.promptTokens ?? 0), estimated: true }
}
