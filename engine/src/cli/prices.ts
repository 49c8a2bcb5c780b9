/**
 * Windows and prices of the configured models, as lines for people and as JSON: what a call would be priced with, or why it
 * has no price.
 */
import { Clock, Effect, type Schema } from "effect"
import type { ModelPrices } from "../AdminPriceAnswers.ts"
import type { EngineConfig } from "../Config.ts"
import * as ModelCatalog from "../ModelCatalog.ts"
import { decimal } from "../Money.ts"
import { pricesOf } from "../PriceLists.ts"

/** Models of the configuration with their prices as they are now. */
export const configuredPrices = (config: EngineConfig): Effect.Effect<ReadonlyArray<ModelPrices>> =>
  Effect.gen(function* () {
    if (!config.simulated) yield* ModelCatalog.load
    return pricesOf(config, {}, yield* Clock.currentTimeMillis)!.models
  })

export const priceLines = (models: ReadonlyArray<ModelPrices>): ReadonlyArray<string> =>
  models.map(
    (model) => `${"price".padEnd(15)}${model.provider}/${model.model} · ${windowOf(model)} · ${priceOf(model)}`
  )

export const pricesJson = (models: ReadonlyArray<ModelPrices>): Schema.Json => structuredClone(models) as Schema.Json

const windowOf = ({ contextWindow }: ModelPrices): string =>
  contextWindow === null ? "window unknown" : `window ${contextWindow} tokens`

const priceOf = ({ serviceTiers, steps: [first, ...larger], table, unpricedReason }: ModelPrices): string => {
  if (first === undefined) return `no price: ${unpricedReason}`
  const prices = [
    `$${decimal(first.input)} in`,
    `${decimal(first.cacheRead)} cached`,
    ...(first.output === null ? [] : [`${decimal(first.output)} out`])
  ]
  return [
    `${prices.join(", ")} a million`,
    ...larger.map(({ abovePromptTokens, input }) => `$${decimal(input)} in above ${abovePromptTokens} tokens`),
    ...(serviceTiers.length === 0 ? [] : [`tiers ${serviceTiers.map(({ tier }) => tier).join(", ")}`]),
    table
  ].join(" · ")
}
