/**
 * What is known of a model: its context window, its longest answer, its media and abilities, its tokenizer and its prices.
 *
 * Pure data and functions over two well-kept tables: `@pydantic/genai-prices` for prices and windows, gpt-tokenizer's
 * metadata for the windows, media, abilities and encodings of OpenAI's models (its prices are not used; they contradict
 * OpenAI's price list). Both tables are large, so `load` imports them once, when the engine has a provider that needs
 * them; until then only what the configuration says is known. An unknown price is `Unpriced` with its reason, never 0
 * (law 9).
 */
import { Effect } from "effect"
import type * as Genai from "@pydantic/genai-prices"
import type * as GptModels from "gpt-tokenizer/models"
import { baseModelOf, type Encoding, encodingOf, type Family, familyOf } from "./ModelNames.ts"
import { picosPerUsd } from "./Money.ts"
import { picosOfUsage } from "./PriceLines.ts"
import { overrideOf, type Pricing } from "./PriceOverrides.ts"
import { fromTable, type Prices, type Rates, stepOf, times } from "./PriceRates.ts"
import { always, type PriceSchedule, ratesAt, scheduleOf } from "./PriceSchedule.ts"
import { type Cost, promptTokens, type Usage } from "./Usage.ts"

export type { Encoding, Family } from "./ModelNames.ts"
export type { Pricing } from "./PriceOverrides.ts"
export type { Prices } from "./PriceRates.ts"

/** A model as a provider serves it, and what the configuration says about it. */
export interface ModelRef {
  /** `openai`, `anthropic`, `google`, `openai-compatible` or `simulated`. */
  readonly kind: string
  readonly model: string
  /** Tells who is behind an `openai-compatible` provider. */
  readonly baseUrl?: string | undefined
  /** Overrides the price table. */
  readonly pricing?: Pricing | undefined
}

/** What the tables know of a model. Windows are tokens; undefined is unknown. */
export interface Model {
  /** Prompt and answer together. */
  readonly contextWindow: number | undefined
  readonly maxInputTokens: number | undefined
  readonly maxOutputTokens: number | undefined
  /** The encoding in which OpenAI counts; undefined for everybody else's models. */
  readonly encoding: Encoding | undefined
  readonly family: Family
  /** `text`, `image`, `audio`, `video`: what it takes and what it answers with. */
  readonly modalities: { readonly input: ReadonlyArray<string>; readonly output: ReadonlyArray<string> } | undefined
  /** Words of gpt-tokenizer's metadata: `function_calling`, `structured_outputs`, `prompt_caching`, `reasoning`, … */
  readonly abilities: ReadonlyArray<string> | undefined
  /** True where a table says that it is being withdrawn. */
  readonly deprecated: boolean
}

/** Names the table in every cost that was priced with it. The version is that of the dependency. */
export const priceTable = "genai-prices@0.1.8"

type GenaiPrices = typeof Genai
type OpenAIModels = typeof GptModels

/** What gpt-tokenizer says of one model. */
interface OpenAIModel {
  readonly context_window?: number
  readonly max_input_tokens?: number
  readonly max_output_tokens?: number
  readonly modalities?: { readonly input: ReadonlyArray<string>; readonly output: ReadonlyArray<string> }
  readonly supported_features?: ReadonlyArray<string>
  readonly reasoning_tokens?: boolean
  readonly deprecated?: boolean
}

let tables: { readonly prices: GenaiPrices; readonly openai: OpenAIModels } | undefined

let loading: Promise<void> | undefined

/** Imports the tables; idempotent. Until it has run, windows are unknown and only configured prices are there. */
export const load: Effect.Effect<void> = Effect.promise(
  () =>
    (loading ??= Promise.all([import("@pydantic/genai-prices"), import("gpt-tokenizer/models")]).then(
      ([prices, openai]) => {
        tables = { prices, openai }
        entries.clear()
      }
    ))
)

/** Looks a model up. Dates and suffixes of model ids are understood; an unknown model has no windows. */
export const lookup = (ref: ModelRef): Model => entryOf(ref).model

/**
 * Prices the usage of one call at a time (epoch milliseconds; some prices change with the date or the hour).
 *
 * The sum is made in whole picodollars (10⁻¹² $) and rounded once, so it is exact up to 9,007 $ a call.
 */
export const price = (usage: Usage, ref: ModelRef, atMs: number): Cost => {
  const rates = ratesOf(ref, usage.detail?.serviceTier, atMs)
  if (typeof rates === "string") return { _tag: "Unpriced", reason: rates }
  const step = rates.steps.length === 1 ? rates.steps[0]! : stepOf(rates, promptTokens(usage))
  const picos = picosOfUsage(usage, step)
  if (typeof picos === "string") return { _tag: "Unpriced", reason: `${rates.table} ${picos}` }
  if (!(picos >= 0)) return { _tag: "Unpriced", reason: "the usage is not a count of tokens" }
  return { _tag: "Priced", usd: picos / picosPerUsd, table: rates.table, rates: step }
}

/** Rates of a model at a time and in a service tier (undefined: the ordinary one), or the reason why there are none. */
export const ratesOf = (ref: ModelRef, serviceTier: string | undefined, atMs: number): Rates | string => {
  const override = ref.pricing === undefined ? undefined : overrideOf(ref.pricing, ref.model)
  const tier = serviceTier === undefined ? undefined : override?.tiers.get(serviceTier)
  if (serviceTier !== undefined && tier === undefined) {
    return `no price is known for the service tier ${serviceTier}; set pricing.serviceTiers.${serviceTier}`
  }
  if (typeof tier === "object") return tier
  const ordinary = override?.rates ?? ratesAt(entryOf(ref).prices, atMs)
  return tier === undefined || typeof ordinary === "string" ? ordinary : times(ordinary, tier)
}

/** Prices of a model at a time, for prompts below the first price step; undefined where there is no price. */
export const pricesOf = (ref: ModelRef, atMs: number): Prices | undefined => {
  const rates = ratesOf(ref, undefined, atMs)
  if (typeof rates === "string") return undefined
  const { cacheRead, cacheWrite, input, output } = rates.steps[0]!
  const dollars = (picos: number) => picos / 1e6
  return {
    input: dollars(input),
    output: dollars(output ?? 0),
    cacheRead: dollars(cacheRead),
    cacheWrite: dollars(cacheWrite)
  }
}

/** Ids of all models that the price table has of whoever sets the prices of this provider. */
export const modelsOf = (provider: Omit<ModelRef, "model">): ReadonlyArray<string> => {
  if (tables === undefined || provider.kind === "simulated") return []
  const providerId = providerIdOf(provider, tables.prices)
  if (providerId === undefined) return []
  return tables.prices.findProvider({ providerId })?.models.map(({ id }) => id) ?? []
}

interface Entry {
  readonly model: Model
  readonly prices: PriceSchedule
}

/** Entries by kind, base URL and model. Bounded, because callers choose model ids. */
const entries = new Map<string, Map<string | undefined, Map<string, Entry>>>()
const entriesMax = 2000
const modelLengthMax = 200

const entryOf = (ref: ModelRef): Entry => {
  let places = entries.get(ref.kind)
  if (places === undefined) entries.set(ref.kind, (places = new Map()))
  let models = places.get(ref.baseUrl)
  if (models === undefined) places.set(ref.baseUrl, (models = new Map()))
  let entry = models.get(ref.model)
  if (entry === undefined) {
    entry = makeEntry(ref)
    if (models.size >= entriesMax) models.clear()
    models.set(ref.model, entry)
  }
  return entry
}

const makeEntry = (ref: ModelRef): Entry => {
  const { kind, model } = ref
  const encoding = encodingOf(model)
  const known = { encoding, family: familyOf(kind, model, encoding) }
  const missing = (reason: string): Entry => ({
    model: {
      contextWindow: undefined,
      maxInputTokens: undefined,
      maxOutputTokens: undefined,
      ...known,
      modalities: undefined,
      abilities: undefined,
      deprecated: false
    },
    prices: always(reason)
  })
  if (kind === "simulated") return missing("simulated provider")
  if (tables === undefined) return missing("the price table is not loaded")
  if (model.length > modelLengthMax) return missing(`${kind} has no model with such a long name`)
  const provider = providerIdOf(ref, tables.prices)
  if (provider === undefined) return missing(`no price table covers this ${kind} provider; set its pricing`)
  const openai = /^(openai|azure)$/.test(provider) ? openaiModel(model, tables.openai) : undefined
  const priced = tables.prices.calcPrice({}, model, { providerId: provider })
  return {
    model: {
      contextWindow: openai?.context_window ?? priced?.model.context_window,
      maxInputTokens: openai?.max_input_tokens,
      maxOutputTokens: openai?.max_output_tokens,
      ...known,
      modalities: openai?.modalities,
      abilities: openai === undefined ? undefined : abilitiesOf(openai),
      deprecated: openai?.deprecated === true || priced?.model.deprecated === true
    },
    prices:
      priced === null
        ? always(`${priceTable} has no price for ${provider} ${model}`)
        : scheduleOf(priced.model.prices, (prices) => fromTable(prices, { table: priceTable, provider, model }))
  }
}

/** Who sets the prices: the host behind the base URL, else the kind. A server of one's own has no list prices. */
const providerIdOf = (ref: Omit<ModelRef, "model">, prices: GenaiPrices): string | undefined => {
  const byUrl = ref.baseUrl === undefined ? undefined : prices.findProvider({ providerApiUrl: ref.baseUrl })
  if (byUrl !== undefined) return byUrl.id
  return ref.kind === "openai" || ref.kind === "anthropic" || ref.kind === "google" ? ref.kind : undefined
}

/** Metadata of an OpenAI model: by its id, else by its id without the date, else by the model a fine-tune is from. */
const openaiModel = (model: string, models: OpenAIModels): OpenAIModel | undefined => {
  const id = baseModelOf(model)
  const undated = id.replace(/-\d{4}-\d{2}-\d{2}$/, "")
  const key = Object.hasOwn(models, id) ? id : undated
  return Object.hasOwn(models, key) ? (models[key as keyof OpenAIModels] as OpenAIModel) : undefined
}

const abilitiesOf = ({ reasoning_tokens, supported_features = [] }: OpenAIModel): ReadonlyArray<string> =>
  reasoning_tokens === true ? [...supported_features, "reasoning"] : supported_features
