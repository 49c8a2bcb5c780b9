/**
 * What the admin API says of models: their windows, media, abilities and prices, or why there is no price.
 *
 * Dollars per million tokens, unless the name says otherwise. `null` is unknown, never zero. It imports nothing but
 * `effect`, so that it can be bundled for a browser.
 */
import { Schema } from "effect"
import { Time } from "./AdminQueries.ts"

const NullableNumber = Schema.NullOr(Schema.Finite)
const NullableString = Schema.NullOr(Schema.String)

/** Prices for prompts from one size on; the whole call is priced by them. */
export const PriceStep = Schema.Struct({
  /** Applies to prompts of more tokens than this; null for the first. */
  abovePromptTokens: NullableNumber,
  input: Schema.Finite,
  cacheRead: Schema.Finite,
  cacheWrite: Schema.Finite,
  /** Of what is kept for an hour. */
  cacheWrite1h: Schema.Finite,
  output: NullableNumber,
  reasoning: NullableNumber,
  /** `input.audio`, `output.image` and the like, where they are billed at rates of their own. */
  media: Schema.Record(Schema.String, NullableNumber),
  /** Dollars for each request. */
  requestUsd: Schema.Finite,
  /** Dollars for each search that the provider makes. */
  webSearchUsd: NullableNumber
}).annotate({ identifier: "PriceStep" })
export type PriceStep = typeof PriceStep.Type

/** Prices of a service tier such as `flex`. */
export const TierPrices = Schema.Struct({
  tier: Schema.String,
  table: NullableString,
  unpricedReason: NullableString,
  steps: Schema.Array(PriceStep)
}).annotate({ identifier: "TierPrices" })
export type TierPrices = typeof TierPrices.Type

/** One model as a provider serves it. */
export const ModelPrices = Schema.Struct({
  provider: Schema.String,
  kind: Schema.String,
  model: Schema.String,
  /** Prompt and answer together, in tokens. */
  contextWindow: NullableNumber,
  maxInputTokens: NullableNumber,
  maxOutputTokens: NullableNumber,
  /** What it takes and what it answers with: `text`, `image`, `audio`, `video`. */
  modalities: Schema.NullOr(Schema.Struct({ input: Schema.Array(Schema.String), output: Schema.Array(Schema.String) })),
  abilities: Schema.NullOr(Schema.Array(Schema.String)),
  deprecated: Schema.Boolean,
  /** The price table with its version; null without a price. */
  table: NullableString,
  unpricedReason: NullableString,
  /** By rising prompt size; empty without a price. */
  steps: Schema.Array(PriceStep),
  /** Tiers that the configuration prices; all others have no price. */
  serviceTiers: Schema.Array(TierPrices)
}).annotate({ identifier: "ModelPrices" })
export type ModelPrices = typeof ModelPrices.Type

export const PriceList = Schema.Struct({
  /** The version of the price catalogue. */
  catalogue: Schema.String,
  /** The time that the prices are of. */
  at: Schema.String,
  models: Schema.Array(ModelPrices),
  /** Models that match and are not listed, because there are more than `limit`. */
  more: Schema.Finite
}).annotate({ identifier: "PriceList" })
export type PriceList = typeof PriceList.Type

/** The configured models of every provider, or of one; or the one model that is named. `at` is now by default. */
export const PricesQuery = Schema.Struct({
  provider: Schema.optional(Schema.NonEmptyString),
  model: Schema.optional(Schema.NonEmptyString),
  at: Schema.optional(Time)
})
export type PricesQuery = typeof PricesQuery.Type

/** All models that the catalogue has of the configured providers; `search` is a part of their id. 100 by default. */
export const ModelsQuery = Schema.Struct({
  provider: Schema.optional(Schema.NonEmptyString),
  search: Schema.optional(Schema.NonEmptyString),
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 })))
})
export type ModelsQuery = typeof ModelsQuery.Type
