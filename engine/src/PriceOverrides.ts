/**
 * Prices that a configuration sets in the place of the price table: for a provider, for single models, and for service
 * tiers, each as prices or as a multiple of the ordinary ones.
 *
 * What it says of a model goes before what it says of the provider. Resolved once for each configured provider.
 */
import { fromPrices, type Prices, type Rates } from "./PriceRates.ts"

type OptionalPrices = { readonly [K in keyof Prices]?: Prices[K] | undefined }

/** Prices of a tier, or a factor on those of the ordinary one. */
export type TierPrices = Prices | number

/** What may be said of a provider or of one of its models; prices need both `input` and `output`. */
export interface ModelPricing extends OptionalPrices {
  readonly serviceTiers?: { readonly [tier: string]: TierPrices } | undefined
}

export interface Pricing extends ModelPricing {
  readonly models?: { readonly [model: string]: ModelPricing } | undefined
}

/** What a configuration says of one model. */
export interface Override {
  /** Undefined where the price table is not overridden. */
  readonly rates: Rates | undefined
  readonly tiers: ReadonlyMap<string, Rates | number>
}

interface Resolved {
  readonly all: Override
  readonly models: ReadonlyMap<string, Override>
}

const resolved = new WeakMap<Pricing, Resolved>()

export const overrideOf = (pricing: Pricing, model: string): Override => {
  let found = resolved.get(pricing)
  if (found === undefined) resolved.set(pricing, (found = resolve(pricing)))
  return found.models.get(model) ?? found.all
}

const resolve = (pricing: Pricing): Resolved => {
  const all: Override = { rates: ratesOf(pricing), tiers: new Map(tiersOf(pricing)) }
  const models = Object.entries(pricing.models ?? {}).map(([model, own]): [string, Override] => [
    model,
    { rates: ratesOf(own) ?? all.rates, tiers: new Map([...all.tiers, ...tiersOf(own)]) }
  ])
  return { all, models: new Map(models) }
}

const ratesOf = ({ input, output, ...rest }: ModelPricing): Rates | undefined => {
  if (input === undefined || output === undefined) return undefined
  const { models: _, serviceTiers: __, ...prices } = rest as Partial<Pricing>
  return fromPrices({ ...prices, input, output })
}

const tiersOf = ({ serviceTiers = {} }: ModelPricing): ReadonlyArray<readonly [string, Rates | number]> =>
  Object.entries(serviceTiers).map(([tier, prices]) => [tier, typeof prices === "number" ? prices : fromPrices(prices)])
