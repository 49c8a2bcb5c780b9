/**
 * The part of the admin API about budgets: their accounts, page by page.
 *
 * It imports nothing but `effect`, so that it can be bundled for a browser; `admin-api` joins it with the other parts.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { BudgetPage, BudgetScopeName } from "./AdminBudgetAnswers.ts"

/** 50 by default. `of` is a tenant, a key id, a model or a provider. */
export const BudgetsQuery = Schema.Struct({
  budget: Schema.optional(Schema.NonEmptyString),
  scope: Schema.optional(BudgetScopeName),
  of: Schema.optional(Schema.NonEmptyString),
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
  cursor: Schema.optional(Schema.NonEmptyString)
})
export type BudgetsQuery = typeof BudgetsQuery.Type

export const budgetsGroup = HttpApiGroup.make("budgets", { topLevel: true })
  .add(HttpApiEndpoint.get("budgets", "/budgets", { query: BudgetsQuery, success: BudgetPage }))
  .annotateMerge(
    OpenApi.annotations({ title: "Budgets", description: "What is spent, reserved and left, of whom, until when" })
  )
