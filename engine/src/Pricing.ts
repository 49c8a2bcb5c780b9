/**
 * What a call cost, and what the cache saved.
 *
 * Acts at settlement only: prices the usage of the answer by the table it is given and notes the cost in the journal, for
 * the metrics, the usage rows and the response headers that are written after it. A hit costs nothing and saves what the
 * same answer would have cost. It never guesses: an unknown price is `Unpriced` with the reason (law 9), and an answer that
 * broke off before it named its service tier is priced by the tier that was asked for.
 */
import { Context, Layer } from "effect"
import type { Target } from "./Call.ts"
import { withAskedTier } from "./ServiceTier.ts"
import type { Stage } from "./Stage.ts"
import type { Cost, Usage } from "./Usage.ts"

/** Price of a usage at a target, at a time in epoch milliseconds: prices change. */
export type Price = (target: Target, usage: Usage, atMs: number) => Cost

export class Pricing extends Context.Service<Pricing, { readonly stage: Stage; readonly price: Price }>()(
  "millrace/Pricing"
) {
  static readonly layer = (price: Price) =>
    Layer.sync(Pricing, () =>
      Pricing.of({
        price,
        stage: (next) => (call) => {
          call.settlement.add((outcome) => {
            const { journal } = call
            for (const { lost, target } of journal.attempts) {
              if (lost !== undefined)
                lost.cost = price(target, withAskedTier(lost.usage, call.request), journal.startedAtMs)
            }
            const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
            if (completion === undefined || journal.target === undefined) return
            const cost = price(journal.target, withAskedTier(completion.usage, call.request), journal.startedAtMs)
            if (journal.cache === "hit" || journal.cache === "semantic" || journal.cache === "coalesced") {
              journal.cost = { _tag: "Priced", usd: 0, table: "cache" }
              journal.saved = cost
            } else journal.cost = cost
          })
          return next(call)
        }
      })
    )
}
