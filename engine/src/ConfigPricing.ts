/**
 * `providers[].pricing` of the configuration: prices that go before the price table, as people write them.
 *
 * For all models of a provider, for single ones (`models`), and by service tier (`serviceTiers`): either prices or a
 * multiple of the ordinary ones. The rules here are those that a schema can't say: prices come with both `input` and
 * `output`, and tiers and models of their own alone leave the price table as it is.
 */
import { Predicate, Schema } from "effect"
import { number } from "./ConfigFields.ts"
import type { Located, Path } from "./Issues.ts"

const Dollars = number("dollars per million tokens, 0 or more", (value) => Number.isFinite(value) && value >= 0)
const PerThousand = number("dollars per thousand, 0 or more", (value) => Number.isFinite(value) && value >= 0)
const Factor = number("a factor on the ordinary prices, 0 or more", (value) => Number.isFinite(value) && value >= 0)

const extras = {
  cacheRead: Schema.optional(Dollars),
  cacheWrite: Schema.optional(Dollars),
  /** Of what is kept for an hour. */
  cacheWrite1h: Schema.optional(Dollars),
  /** As much as other output when it is not given. */
  reasoning: Schema.optional(Dollars),
  audioInput: Schema.optional(Dollars),
  audioOutput: Schema.optional(Dollars),
  imageInput: Schema.optional(Dollars),
  imageOutput: Schema.optional(Dollars),
  /** A thousand requests. */
  request: Schema.optional(PerThousand),
  /** A thousand searches that the provider makes. */
  webSearch: Schema.optional(PerThousand)
}

const TierPrices = Schema.Union([Factor, Schema.Struct({ input: Dollars, output: Dollars, ...extras })]).annotate({
  expected: "a factor on the ordinary prices, or an object of prices with input and output"
})

const fields = {
  input: Schema.optional(Dollars),
  output: Schema.optional(Dollars),
  ...extras,
  /** By the name that answers give it: `flex`, `priority`, `batch`. */
  serviceTiers: Schema.optional(
    Schema.Record(Schema.String, TierPrices).annotate({ expected: "an object of prices by service tier" })
  )
}

export const Pricing = Schema.Struct({
  ...fields,
  models: Schema.optional(
    Schema.Record(Schema.String, Schema.Struct(fields).annotate({ expected: "an object of prices" })).annotate({
      expected: "an object of prices by model"
    })
  )
})

/** Broken rules of one `pricing`, with paths that begin below it. */
export const pricingRules = (pricing: unknown): ReadonlyArray<Located> => {
  if (!Predicate.isObject(pricing)) return []
  const models = own(pricing, "models")
  return [
    ...pairRule(pricing, []),
    ...(Predicate.isObject(models)
      ? Object.keys(models).flatMap((model) => {
          const prices = own(models, model)
          return Predicate.isObject(prices) ? pairRule(prices, ["models", model]) : []
        })
      : [])
  ]
}

const pairRule = (prices: { readonly [key: PropertyKey]: unknown }, path: Path): ReadonlyArray<Located> => {
  const given = (key: string) => own(prices, key) !== undefined
  const priced = ["input", "output", ...Object.keys(extras)].filter(given)
  const needs =
    priced.length > 0 ? priced : path.length === 0 && given("models") ? [] : given("serviceTiers") ? [] : ["a price"]
  if (needs.length === 0) return []
  return ["input", "output"]
    .filter((key) => !given(key))
    .map((key) => ({
      path: [...path, key],
      detail: `expected dollars per million tokens, 0 or more, which ${needs[0]} needs, got nothing`
    }))
}

const own = (value: object, key: string): unknown =>
  Object.hasOwn(value, key) ? (value as { readonly [key: string]: unknown })[key] : undefined
