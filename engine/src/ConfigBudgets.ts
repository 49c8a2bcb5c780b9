/**
 * `budgets` of the configuration: what calls may cost in a period, as people write it.
 *
 * Names are unique, providers that are named exist, and a budget counts dollars, tokens or both. Rules that a schema can't
 * say read the document as it was written, as those of `ConfigRules` do.
 */
import { Predicate, Schema } from "effect"
import { budgetPeriods, isTimeZone } from "./BudgetPeriod.ts"
import { type BudgetOptions, budgetScopes, defaultWarnAt } from "./BudgetRule.ts"
import { Name, number, oneOf, PositiveInteger, text } from "./ConfigFields.ts"
import { type Located, showValue, suggest } from "./Issues.ts"

/** What a database takes as whole picodollars. */
const usdMax = 9_000_000

const Names = Schema.Union([
  Name,
  Schema.Array(Name).check(Schema.makeFilter((names) => names.length > 0, { expected: "at least one name" }))
]).annotate({ expected: "a name or a list of names" })

const WarningShare = number("a number over 0 and at most 1", (value) => value > 0 && value <= 1)

const BudgetEntry = Schema.Struct({
  name: text("a name of letters, digits, '.', '_' and '-', at most 64 characters", (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)
  ),
  /** Who is counted: everybody, or calls by their tenant, key, model or provider. */
  scope: oneOf(budgetScopes),
  /** Names, or patterns with `*`, that share the budget; without it each name has one of its own. */
  of: Schema.optional(Names),
  /** Calendar periods of `timeZone`; `total` never resets. */
  period: oneOf(budgetPeriods),
  timeZone: Schema.optional(text("the IANA name of a time zone, such as Europe/Berlin", isTimeZone)),
  usd: Schema.optional(number(`dollars, over 0 and at most ${usdMax}`, (value) => value >= 1e-12 && value <= usdMax)),
  /** Prompt and completion tokens. */
  tokens: Schema.optional(PositiveInteger),
  /** Shares of the budget at which a warning is given; 0.8 and 1 by default. */
  warnAt: Schema.optional(Schema.Array(WarningShare).annotate({ expected: "a list of shares" })),
  /** What a call holds until its cost is known: the most it can cost, or what calls of its model mostly do. */
  reserve: Schema.optional(oneOf(["bound", "expected"])),
  /** Calls whose price is not known, where there are dollars to count. */
  unpriced: Schema.optional(oneOf(["refuse", "allow"])),
  /** Calls for which there is not enough at hand while the database is away. */
  onStoreFailure: Schema.optional(oneOf(["allow", "refuse"]))
}).annotate({ expected: "a budget: an object with a name, a scope and a period" })

export const Budgets = Schema.Array(BudgetEntry).annotate({ expected: "a list of budgets" })

type BudgetInput = typeof BudgetEntry.Encoded

export const buildBudgets = (budgets: ReadonlyArray<BudgetInput> = []): ReadonlyArray<BudgetOptions> =>
  budgets.map(({ of, warnAt, ...budget }) => ({
    ...budget,
    of: of === undefined || budget.scope === "global" ? undefined : typeof of === "string" ? [of] : [...of],
    timeZone: budget.timeZone ?? "UTC",
    warnAt: warnAt === undefined ? defaultWarnAt : [...new Set(warnAt)].sort((a, b) => a - b),
    reserve: budget.reserve ?? "bound",
    unpriced: budget.unpriced ?? "refuse",
    onStoreFailure: budget.onStoreFailure ?? "allow"
  }))

/** Broken rules of `budgets`. */
export const budgetRules = (budgets: unknown, providers: ReadonlyArray<string>): ReadonlyArray<Located> =>
  Array.isArray(budgets)
    ? budgets.flatMap((budget: unknown, index) =>
        Predicate.isObject(budget)
          ? rulesOf(budget, budgets.slice(0, index), providers).map(({ detail, path }) => ({
              path: ["budgets", index, ...path],
              detail
            }))
          : []
      )
    : []

type Written = { readonly [key: PropertyKey]: unknown }

const rulesOf = (
  budget: Written,
  before: ReadonlyArray<unknown>,
  providers: ReadonlyArray<string>
): ReadonlyArray<Located> => {
  const out: Array<Located> = []
  const { name, of, scope, tokens, usd } = budget
  const twin = before.findIndex((other) => Predicate.isObject(other) && other["name"] === name)
  if (Predicate.isString(name) && twin >= 0) out.push({ path: ["name"], detail: `duplicate of budgets[${twin}].name` })
  if (usd === undefined && tokens === undefined) {
    out.push({ path: ["usd"], detail: "expected dollars, or tokens beside it, got nothing" })
  }
  if (of !== undefined && scope === "global") {
    out.push({ path: ["of"], detail: "a budget of scope global counts everybody; leave it out" })
  }
  if (of !== undefined && scope === "provider") {
    for (const [index, entry] of (Array.isArray(of) ? of : [of]).entries()) {
      if (!Predicate.isString(entry) || entry.includes("*") || providers.includes(entry)) continue
      const detail = `${showValue(entry)} is not a provider${suggest(entry, providers)}`
      out.push({ path: Array.isArray(of) ? ["of", index] : ["of"], detail })
    }
  }
  return out
}
