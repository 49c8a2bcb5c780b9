/**
 * Windows and prices of the models of a configuration, as the admin API and `millrace check` show them.
 *
 * Made when somebody asks, from the catalogue that prices the calls themselves.
 */
import type { ModelPrices, ModelsQuery, PriceList, PricesQuery, PriceStep } from "./AdminPriceAnswers.ts"
import type { EngineConfig } from "./Config.ts"
import type { ProviderConfig } from "./ConfigProvider.ts"
import * as ModelCatalog from "./ModelCatalog.ts"
import { overrideOf } from "./PriceOverrides.ts"
import type { Rates, Step } from "./PriceRates.ts"

/** A model of a provider as the catalogue looks it up. */
export const modelRef = (provider: ProviderConfig, model: string): ModelCatalog.ModelRef => ({
  kind: provider.kind,
  model,
  baseUrl: provider.baseUrl,
  pricing: provider.pricing
})

/** The configured models, or the one that is asked for; undefined when no provider has the name. */
export const pricesOf = (config: EngineConfig, query: PricesQuery, nowMs: number): PriceList | undefined => {
  const providers = providersOf(config, query.provider)
  if (providers === undefined) return undefined
  const atMs = query.at ?? nowMs
  const models = providers.flatMap((provider) =>
    (query.model === undefined ? configuredModels(provider) : [query.model]).map((model) =>
      modelPrices(provider, model, atMs)
    )
  )
  return listOf(models, atMs, 0)
}

/** What the catalogue has of the configured providers; undefined when no provider has the name. */
export const modelsOf = (config: EngineConfig, query: ModelsQuery, nowMs: number): PriceList | undefined => {
  const providers = providersOf(config, query.provider)
  if (providers === undefined) return undefined
  const wanted = query.search?.toLowerCase() ?? ""
  const limit = query.limit ?? 100
  const found = providers.flatMap((provider) => {
    const known = ModelCatalog.modelsOf(provider)
    const models = [...new Set([...configuredModels(provider), ...known])]
    return models.filter((model) => model.toLowerCase().includes(wanted)).map((model) => ({ provider, model }))
  })
  const models = found.slice(0, limit).map(({ model, provider }) => modelPrices(provider, model, nowMs))
  return listOf(models, nowMs, Math.max(0, found.length - limit))
}

/** The default model, the others that are routed to the provider, and those that have prices of their own. */
export const configuredModels = ({ model, models = [], pricing }: ProviderConfig): ReadonlyArray<string> => [
  ...new Set([model, ...models, ...Object.keys(pricing?.models ?? {})])
]

export const modelPrices = (provider: ProviderConfig, name: string, atMs: number): ModelPrices => {
  const ref = modelRef(provider, name)
  const model = ModelCatalog.lookup(ref)
  const tiers = provider.pricing === undefined ? [] : [...overrideOf(provider.pricing, name).tiers.keys()]
  return {
    provider: provider.name,
    kind: provider.kind,
    model: name,
    contextWindow: provider.contextWindow ?? model.contextWindow ?? null,
    maxInputTokens: model.maxInputTokens ?? null,
    maxOutputTokens: model.maxOutputTokens ?? null,
    modalities: model.modalities ?? null,
    abilities: model.abilities ?? null,
    deprecated: model.deprecated,
    ...ratesShown(ModelCatalog.ratesOf(ref, undefined, atMs)),
    serviceTiers: tiers.map((tier) => ({ tier, ...ratesShown(ModelCatalog.ratesOf(ref, tier, atMs)) }))
  }
}

const providersOf = (config: EngineConfig, name: string | undefined): ReadonlyArray<ProviderConfig> | undefined => {
  if (name === undefined) return config.providers
  const provider = config.providers.find((each) => each.name === name)
  return provider === undefined ? undefined : [provider]
}

const listOf = (models: ReadonlyArray<ModelPrices>, atMs: number, more: number): PriceList => ({
  catalogue: ModelCatalog.priceTable,
  at: new Date(atMs).toISOString(),
  models,
  more
})

const ratesShown = (rates: Rates | string) =>
  typeof rates === "string"
    ? { table: null, unpricedReason: rates, steps: [] }
    : { table: rates.table, unpricedReason: null, steps: rates.steps.map(stepShown) }

const stepShown = (step: Step): PriceStep => ({
  abovePromptTokens: step.above < 0 ? null : step.above,
  input: perMillion(step.input),
  cacheRead: perMillion(step.cacheRead),
  cacheWrite: perMillion(step.cacheWrite),
  cacheWrite1h: perMillion(step.cacheWrite1h),
  output: step.output === undefined ? null : perMillion(step.output),
  reasoning: step.output === undefined ? null : perMillion(step.reasoning ?? step.output),
  media: Object.fromEntries(
    Object.entries(step.media).map(([key, rate]) => [key, rate === null ? null : perMillion(rate)])
  ),
  requestUsd: step.request / 1e12,
  webSearchUsd: step.webSearch === undefined ? null : step.webSearch / 1e12
})

/** Picodollars a token as dollars a million. */
const perMillion = (picos: number): number => picos / 1e6
