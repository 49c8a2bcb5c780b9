/**
 * What is known of a model: its context window, its longest answer, its tokenizer and its prices.
 *
 * Pure data and functions over two well-kept tables: `@pydantic/genai-prices` for prices and windows, gpt-tokenizer's
 * metadata for the windows and encodings of OpenAI's models (its prices are not used; they contradict OpenAI's price
 * list). Both tables are large, so `load` imports them once, when the engine has a provider that needs them; until then
 * only what the configuration says is known. An unknown price is `Unpriced` with its reason, never 0 (law 9).
 */
import { Effect } from "effect"
import * as encodings from "gpt-tokenizer/modelsMap"
import type * as Genai from "@pydantic/genai-prices"
import type * as GptModels from "gpt-tokenizer/models"
import { promptTokens, type Cost, type Usage } from "./Usage.ts"

/** Encodings of OpenAI's models, as tiktoken names them. */
export type Encoding = "o200k_base" | "o200k_harmony" | "cl100k_base" | "p50k_base" | "p50k_edit" | "r50k_base" | "gpt2"

/** Families of models whose prompts are framed and cut into tokens alike. */
export type Family = "openai" | "openai-reasoning" | "claude" | "gemini" | "other"

/** Prices of a model in dollars per million tokens. What is left out costs as much as other input. */
export interface Prices {
  readonly input: number
  readonly output: number
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
}

/** A model as a provider serves it, and what the configuration says about it. */
export interface ModelRef {
  /** `openai`, `anthropic`, `google`, `openai-compatible` or `simulated`. */
  readonly kind: string
  readonly model: string
  /** Tells who is behind an `openai-compatible` provider. */
  readonly baseUrl?: string | undefined
  /** Overrides the price table. */
  readonly pricing?: Prices | undefined
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
 * The sum is made in whole picodollars (10⁻¹² $) and rounded once, so it is exact up to 9,007 $ a call. Audio, image and
 * search surcharges are not in `Usage` and not in the price.
 */
export const price = (usage: Usage, ref: ModelRef, atMs: number): Cost => {
  if (ref.pricing !== undefined) return total(usage, configured(ref.pricing), "config")
  const rates = ratesAt(entryOf(ref), ref, atMs)
  return typeof rates === "string" ? { _tag: "Unpriced", reason: rates } : total(usage, rates, priceTable)
}

/** List prices of a model at a time, for prompts below the first price step; undefined where there is no price. */
export const pricesOf = (ref: ModelRef, atMs: number): Prices | undefined => {
  if (ref.pricing !== undefined) return ref.pricing
  const rates = ratesAt(entryOf(ref), ref, atMs)
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

/** Rates from one prompt size on, in picodollars a token. */
interface Step {
  /** Applies to prompts of more tokens than this. */
  readonly above: number
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly output: number | undefined
  readonly reasoning: number | undefined
}

interface Rates {
  /** Picodollars for each request. */
  readonly request: number
  /** At least one, by rising prompt size; the whole call is priced by the last one that applies. */
  readonly steps: ReadonlyArray<Step>
}

interface Entry {
  readonly model: Model
  /** Whether the price depends on the time. */
  readonly timed: boolean
  /** The minute that `rates` are from. */
  minute: number
  /** A string is the reason why there are none. */
  rates: Rates | string
}

/** Entries by kind and base URL, then by model. Bounded, because callers choose model ids. */
const entries = new Map<string, Map<string, Entry>>()
const entriesMax = 2000
const modelLengthMax = 200

const entryOf = (ref: ModelRef): Entry => {
  const scope = ref.baseUrl === undefined ? ref.kind : `${ref.kind} ${ref.baseUrl}`
  let models = entries.get(scope)
  if (models === undefined) entries.set(scope, (models = new Map()))
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
  const windows = { contextWindow: undefined, maxInputTokens: undefined, maxOutputTokens: undefined }
  const missing = (reason: string): Entry => ({
    model: { ...windows, ...known },
    timed: false,
    minute: 0,
    rates: reason
  })
  if (kind === "simulated") return missing("simulated provider")
  if (tables === undefined) return missing("the price table is not loaded")
  if (model.length > modelLengthMax) return missing(`${kind} has no model with such a long name`)
  const providerId = providerIdOf(ref, tables.prices)
  if (providerId === undefined) return missing(`no price table covers this ${kind} provider; set its pricing`)
  const openai = /^(openai|azure)$/.test(providerId) ? openaiModel(model, tables.openai) : undefined
  const priced = tables.prices.calcPrice({}, model, { providerId })
  return {
    model: {
      contextWindow: openai?.context_window ?? priced?.model.context_window,
      maxInputTokens: openai?.max_input_tokens,
      maxOutputTokens: openai?.max_output_tokens,
      ...known
    },
    timed: Array.isArray(priced?.model.prices) && priced.model.prices.length > 1,
    minute: Number.NaN,
    rates:
      priced === null ? `${priceTable} has no price for ${providerId} ${model}` : compile(priced.model_price, model)
  }
}

const ratesAt = (entry: Entry, ref: ModelRef, atMs: number): Rates | string => {
  if (!entry.timed) return entry.rates
  const minute = Math.floor(atMs / 60_000)
  if (entry.minute === minute) return entry.rates
  const { prices } = tables!
  const priced = prices.calcPrice({}, ref.model, {
    providerId: providerIdOf(ref, prices)!,
    timestamp: new Date(minute * 60_000)
  })
  entry.minute = minute
  entry.rates = compile(priced!.model_price, ref.model)
  return entry.rates
}

const total = (usage: Usage, rates: Rates, table: string): Cost => {
  const { steps } = rates
  let step = steps[0]!
  if (steps.length > 1) {
    const prompt = promptTokens(usage)
    for (let i = 1; i < steps.length && prompt > steps[i]!.above; i++) step = steps[i]!
  }
  if (step.output === undefined && usage.output > 0) {
    return { _tag: "Unpriced", reason: `${table} has no price for the output of this model` }
  }
  const output = step.output ?? 0
  const picos =
    rates.request +
    usage.uncachedInput * step.input +
    usage.cacheReadInput * step.cacheRead +
    usage.cacheWriteInput * step.cacheWrite +
    (usage.output - usage.reasoning) * output +
    usage.reasoning * (step.reasoning ?? output)
  if (!(picos >= 0)) return { _tag: "Unpriced", reason: "the usage is not a count of tokens" }
  return { _tag: "Priced", usd: picos / 1e12, table }
}

/** Dollars per million tokens as whole picodollars a token: exact for prices of up to six decimals, else rounded to them. */
const picosOf = (dollarsPerMillion: number): number => Math.round(dollarsPerMillion * 1e6)

const configuredRates = new WeakMap<Prices, Rates>()

const configured = (pricing: Prices): Rates => {
  const found = configuredRates.get(pricing)
  if (found !== undefined) return found
  const input = picosOf(pricing.input)
  const rates: Rates = {
    request: 0,
    steps: [
      {
        above: -1,
        input,
        cacheRead: pricing.cacheRead === undefined ? input : picosOf(pricing.cacheRead),
        cacheWrite: pricing.cacheWrite === undefined ? input : picosOf(pricing.cacheWrite),
        output: picosOf(pricing.output),
        reasoning: undefined
      }
    ]
  }
  configuredRates.set(pricing, rates)
  return rates
}

/** The table's prices as rates. Its tiers price the whole call by the size of the prompt. */
const compile = (prices: Genai.ModelPrice, model: string): Rates | string => {
  if (prices["input_mtok"] === undefined) {
    const units = Object.keys(prices).join(", ")
    return `${model} is not priced by tokens${units === "" ? "" : ` but by ${units}`}`
  }
  const starts = new Set([-1])
  for (const value of Object.values(prices)) {
    if (typeof value === "object") for (const tier of value.tiers) starts.add(tier.start)
  }
  const at = (key: string, above: number): number | undefined => {
    const value = prices[key]
    if (typeof value !== "object") return value === undefined ? undefined : picosOf(value)
    return picosOf(value.tiers.findLast((tier) => tier.start <= above)?.price ?? value.base)
  }
  return {
    request: Math.round((at("requests_kcount", -1) ?? 0) * 1e3),
    steps: [...starts]
      .sort((a, b) => a - b)
      .map((above) => {
        const input = at("input_mtok", above)!
        return {
          above,
          input,
          cacheRead: at("cache_read_mtok", above) ?? input,
          cacheWrite: at("cache_write_mtok", above) ?? input,
          output: at("output_mtok", above),
          reasoning: at("output_reasoning_mtok", above)
        }
      })
  }
}

/** Who sets the prices: the host behind the base URL, else the kind. A server of one's own has no list prices. */
const providerIdOf = (ref: ModelRef, prices: GenaiPrices): string | undefined => {
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

/** `ft:gpt-4o-mini-2024-07-18:acme::id` and `openai/gpt-4o` as the model of OpenAI's that they name. */
const baseModelOf = (model: string): string => {
  const id = model.toLowerCase().replace(/^openai\//, "")
  return id.startsWith("ft:") ? id.slice(3).split(":")[0]! : id
}

const encodingByModel = new Map<string, Encoding>(
  Object.entries(encodings).flatMap(([encoding, models]) =>
    Array.isArray(models) ? models.map((model: string) => [model, encoding as Encoding] as const) : []
  )
)

/** The prefixes of `tiktoken/model.py` (`MODEL_PREFIX_TO_ENCODING`); newer models count in o200k_base. */
const encodingOf = (model: string): Encoding | undefined => {
  const id = baseModelOf(model)
  const listed = encodingByModel.get(id)
  if (listed !== undefined) return listed
  if (id.startsWith("gpt-oss-")) return "o200k_harmony"
  if (/^gpt-(4|3\.5|35)(-|$)/.test(id)) return "cl100k_base"
  if (/^(gpt-(\d|audio|realtime|chat)|o\d|chat(gpt)?-|codex-|computer-use-)/.test(id)) return "o200k_base"
  return id.startsWith("text-embedding-") ? "cl100k_base" : undefined
}

const familyOf = (kind: string, model: string, encoding: Encoding | undefined): Family => {
  const id = baseModelOf(model)
  if (encoding !== undefined && encoding !== "o200k_harmony") {
    return /^(o\d|gpt-(?!35)([5-9]|\d\d)|codex-)/.test(id) && !/chat/.test(id) ? "openai-reasoning" : "openai"
  }
  if (id.includes("claude")) return "claude"
  if (id.includes("gemini")) return "gemini"
  return kind === "anthropic" ? "claude" : kind === "google" ? "gemini" : "other"
}
