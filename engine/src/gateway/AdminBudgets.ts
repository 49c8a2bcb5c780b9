/**
 * The route of the admin API about budgets: accounts of all instances, read from where they are kept.
 */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi, BadRequest } from "../admin-api.ts"
import { Budget } from "../Budget.ts"

export const budgetHandlers = HttpApiBuilder.group(
  AdminApi,
  "budgets",
  Effect.fnUntraced(function* (handlers) {
    const budget = yield* Budget
    return handlers.handleAll({
      budgets: ({ query }) =>
        Effect.mapError(
          budget.page(query),
          ({ message }) =>
            new BadRequest({ message: `cursor: ${message}`, issues: [{ field: "cursor", detail: message }] })
        )
    })
  })
)
