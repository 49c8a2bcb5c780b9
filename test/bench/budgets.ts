/**
 * Reserving and settling what a call may cost: what budgets add to an attempt, by how many of them count it. A budget is
 * never used up here; every call finds what it needs in memory, but for the few that fetch more of it.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { Budget } from "../../engine/src/Budget.ts"
import type { BudgetOptions } from "../../engine/src/BudgetRule.ts"
import type { Target } from "../../engine/src/Call.ts"
import { promptBound } from "../../engine/src/LiveBudgets.ts"
import * as ModelCatalog from "../../engine/src/ModelCatalog.ts"
import { make as makeMemory } from "../../engine/src/stores/BudgetMemory.ts"
import type { Usage } from "../../engine/src/Usage.ts"
import { compare, type Entry } from "./measure.ts"
import { attemptOf, reply, requestOf, routed, success } from "./pipeline.ts"
import type { Options, Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

/** Millions of calls fit. */
const usd = 5000

const budgetOf = (name: string, fields: Partial<BudgetOptions>): BudgetOptions => ({
  name,
  scope: "global",
  period: "month",
  timeZone: "Europe/Berlin",
  warnAt: [0.8, 1],
  reserve: "bound",
  unpriced: "refuse",
  onStoreFailure: "allow",
  ...fields
})

const one = [budgetOf("all", { usd })]

const four = [
  ...one,
  budgetOf("tenants", { scope: "tenant", period: "day", usd }),
  budgetOf("models", { scope: "model", of: ["gpt-5*"], period: "hour", usd }),
  budgetOf("tokens", { scope: "provider", period: "minute", tokens: Number.MAX_SAFE_INTEGER })
]

const refOf = ({ model, provider }: Target) => ({ kind: provider, model })

const budgets = (list: ReadonlyArray<BudgetOptions>): Effect.Effect<Budget["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* ModelCatalog.load
    const layer = Budget.layer({
      budgets: () => list,
      store: makeMemory,
      price: (target: Target, usage: Usage, atMs: number) => ModelCatalog.price(usage, refOf(target), atMs),
      bounds: (target: Target) => {
        const { contextWindow, maxOutputTokens } = ModelCatalog.lookup(refOf(target))
        return { contextWindow, maxTokens: maxOutputTokens }
      },
      promptBound: (request, target) => promptBound(request, refOf(target)),
      isFree: () => false
    })
    return Context.get(yield* Layer.build(layer), Budget)
  })

const entryOf = (name: string, list: ReadonlyArray<BudgetOptions>): Effect.Effect<Entry, never, Scope.Scope> =>
  Effect.map(budgets(list), (budget) => {
    const open = budget.stage(() => reply)
    const request = requestOf(samePrompt)
    return {
      name,
      run: (count) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              for (let i = 0; i < count; i++) {
                const attempt = attemptOf(routed(request))
                yield* open(attempt)
                yield* attempt.settlement.run(success)
              }
            })
          )
        )
    }
  })

export const run = (options: Options): Promise<ReadonlyArray<Table>> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const none = yield* entryOf("no budget", [])
        const single = yield* entryOf("one budget", one)
        const several = yield* entryOf("four budgets", four)
        const entries = [
          { ...none, note: "making the call, which the others do too" },
          { ...single, goals: [{ kind: "at-most" as const, value: 3 }] },
          { ...several, note: "dollars of three scopes, tokens of one" }
        ]
        return [
          { title: "Budgets, room for all", unit: "µs", rows: yield* Effect.promise(() => compare(entries, options)) }
        ]
      })
    )
  )
