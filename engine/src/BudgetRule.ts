/**
 * A budget as the ledger works with it: what it counts, for whom, in which periods.
 *
 * Rules come from `budgets` of the configuration and from virtual keys that carry budgets of their own. A rule says which
 * account of it a call is charged to: one for all that it selects, or one for each name. Amounts are whole picodollars or
 * tokens. Pure.
 */
import { type BudgetPeriod, periodClock, type PeriodClock } from "./BudgetPeriod.ts"
import type { Target } from "./Call.ts"
import { type Grant, type KeyBudget, matches } from "./Grant.ts"
import { picosOf } from "./Money.ts"

export const budgetScopes = ["global", "tenant", "key", "model", "provider"] as const
export type BudgetScope = (typeof budgetScopes)[number]

export type BudgetUnit = "usd" | "tokens"

/** One entry of `budgets`, with its defaults filled in. */
export interface BudgetOptions {
  /** Unique. */
  readonly name: string
  readonly scope: BudgetScope
  /** Names or patterns that share the budget; undefined: each name has one of its own. */
  readonly of?: ReadonlyArray<string> | undefined
  readonly period: BudgetPeriod
  readonly timeZone: string
  /** Dollars of a period. */
  readonly usd?: number | undefined
  /** Prompt and completion tokens of a period. */
  readonly tokens?: number | undefined
  /** Shares of the budget at which a warning is given, ascending. */
  readonly warnAt: ReadonlyArray<number>
  /** What is held for a call until its cost is known: the most it can cost, or what calls of its model mostly do. */
  readonly reserve: "bound" | "expected"
  /** What becomes of calls whose price is not known, where there are dollars to count. */
  readonly unpriced: "refuse" | "allow"
  /** What becomes of calls when more is needed than is held and the database can't be asked. */
  readonly onStoreFailure: "allow" | "refuse"
}

export interface BudgetRule extends BudgetOptions {
  readonly limits: { readonly [U in BudgetUnit]: bigint | undefined }
  readonly clock: PeriodClock
  /** As metrics name it: the configured name, or `keys` for budgets that keys bring. */
  readonly label: string
  /** The account of a call; undefined for a call that the budget does not count. */
  readonly accountOf: (payer: Payer) => string | undefined
}

/** Whom a call can be charged to. */
export interface Payer {
  readonly tenant: string
  readonly key?: Grant | undefined
  readonly target: Target
}

export const defaultWarnAt: ReadonlyArray<number> = [0.8, 1]

/** The largest amount that every database takes. */
const amountMax = 9_000_000_000_000_000_000n

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

export const ruleOf = (options: BudgetOptions): BudgetRule => ({
  ...options,
  limits: {
    usd: options.usd === undefined ? undefined : least(picosOf(options.usd), amountMax),
    tokens: options.tokens === undefined ? undefined : BigInt(options.tokens)
  },
  clock: periodClock(options.period, options.timeZone),
  label: options.name,
  accountOf: accountOf(options)
})

/** The account of everybody who shares a budget. */
export const shared = ""

/** Budgets that a key brings are told from configured ones by a colon, which no configured name has. */
const ownPrefix = "key:"

export const isOwn = (name: string): boolean => name.startsWith(ownPrefix)

const ownRules = new WeakMap<ReadonlyArray<KeyBudget>, ReadonlyArray<BudgetRule>>()

/** The rules that a key brings; none for a call without a key. */
export const ownRulesOf = (grant: Grant | undefined): ReadonlyArray<BudgetRule> => {
  const budgets = grant?.budgets
  if (budgets === undefined || budgets.length === 0) return none
  let rules = ownRules.get(budgets)
  if (rules === undefined) {
    rules = budgets.map((budget, index) => {
      const twins = budgets.slice(0, index).filter(({ period }) => period === budget.period).length
      const name = `${ownPrefix}${budget.period}${twins === 0 ? "" : `:${twins + 1}`}`
      return { ...ruleOf(ownOptions(name, budget)), label: "keys" }
    })
    ownRules.set(budgets, rules)
  }
  return rules
}

const none: ReadonlyArray<BudgetRule> = []

const ownOptions = (name: string, budget: KeyBudget): BudgetOptions => ({
  name,
  scope: "key",
  period: budget.period,
  timeZone: budget.timeZone ?? "UTC",
  usd: budget.usd,
  tokens: budget.tokens,
  warnAt: budget.warnAt === undefined ? defaultWarnAt : budget.warnAt.toSorted((a, b) => a - b),
  reserve: "bound",
  unpriced: "refuse",
  onStoreFailure: "allow"
})

const accountOf = ({ of, scope }: BudgetOptions): BudgetRule["accountOf"] => {
  const selected = of === undefined ? undefined : new Selection(of)
  const chosen = (...names: ReadonlyArray<string>): string | undefined =>
    selected === undefined ? storable(names[0]!) : names.some((name) => selected.has(name)) ? shared : undefined
  switch (scope) {
    case "global":
      return () => shared
    case "tenant":
      return ({ tenant }) => chosen(tenant)
    case "key":
      return ({ key }) => (key === undefined ? undefined : chosen(key.keyId, key.name))
    case "provider":
      return ({ target }) => chosen(target.provider)
    case "model":
      return ({ target: { model, provider } }) =>
        selected === undefined ? storable(model) : selected.hasModel(provider, model) ? shared : undefined
  }
}

const nameLengthMax = 256

/** Names come from callers: every database takes what is left of one, and bounded. */
const storable = (name: string): string => {
  const clipped = name.length <= nameLengthMax ? name : name.slice(0, nameLengthMax)
  return clipped.isWellFormed() && !clipped.includes("\0") ? clipped : clipped.toWellFormed().replaceAll("\0", "\ufffd")
}

/** Names that are remembered with what the patterns said of them; callers choose tenants and models. */
const rememberedMax = 10_000

/** Names by patterns in which `*` stands for any characters. */
class Selection {
  private readonly patterns: ReadonlyArray<string>
  private readonly remembered = new Map<string, boolean>()

  constructor(patterns: ReadonlyArray<string>) {
    this.patterns = patterns
  }

  has(name: string): boolean {
    let found = this.remembered.get(name)
    if (found === undefined) {
      found = this.patterns.some((pattern) => matches(pattern, name))
      if (this.remembered.size >= rememberedMax) this.remembered.clear()
      this.remembered.set(name, found)
    }
    return found
  }

  /** A pattern stands for `provider/model` or for the model alone. */
  hasModel(provider: string, model: string): boolean {
    return this.has(model) || this.has(`${provider}/${model}`)
  }
}
