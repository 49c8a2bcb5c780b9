/**
 * Rates: what a unit costs, in whole picodollars, for prompts of each size; made from a price table or a configuration.
 *
 * A rate that a source leaves out is that of its neighbour: cache reads and writes cost as much as other input, reasoning
 * as much as other output, a medium as much as text. Where a provider is known to bill something at a rate of its own and
 * the table doesn't have it, it is unknown and never taken for the ordinary one.
 */
import { hash } from "node:crypto"
import type * as Genai from "@pydantic/genai-prices"
import type { Medium, UnitRates } from "./Usage.ts"

/** Prices in dollars per million tokens; `request` and `webSearch` are dollars for a thousand. */
export interface Prices {
  readonly input: number
  readonly output: number
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
  /** Of what is kept for an hour. */
  readonly cacheWrite1h?: number | undefined
  readonly reasoning?: number | undefined
  readonly audioInput?: number | undefined
  readonly audioOutput?: number | undefined
  readonly imageInput?: number | undefined
  readonly imageOutput?: number | undefined
  readonly request?: number | undefined
  readonly webSearch?: number | undefined
}

/** Rates from one prompt size on. */
export interface Step extends UnitRates {
  /** Applies to prompts of more tokens than this. */
  readonly above: number
}

export interface Rates {
  /** Names the source with its version. */
  readonly table: string
  /** At least one, by rising prompt size; the whole call is priced by the last one that applies. */
  readonly steps: ReadonlyArray<Step>
}

/** The rates that apply to a prompt of so many tokens. */
export const stepOf = ({ steps }: Rates, promptTokens: number): Step => {
  let step = steps[0]!
  for (let i = 1; i < steps.length && promptTokens > steps[i]!.above; i++) step = steps[i]!
  return step
}

/** Rates of configured prices; the table's name holds a hash of them, so that changed prices can be told apart. */
export const fromPrices = (prices: Prices): Rates => {
  const input = perToken(prices.input)
  const output = perToken(prices.output)
  const cacheWrite = or(prices.cacheWrite, input)
  return {
    table: `config:${versionOf(prices)}`,
    steps: [
      {
        above: -1,
        input,
        cacheRead: or(prices.cacheRead, input),
        cacheWrite,
        cacheWrite1h: or(prices.cacheWrite1h, cacheWrite),
        output,
        reasoning: or(prices.reasoning, output),
        media: {
          ...medium("input.audio", prices.audioInput),
          ...medium("output.audio", prices.audioOutput),
          ...medium("input.image", prices.imageInput),
          ...medium("output.image", prices.imageOutput)
        },
        request: perThousand(prices.request ?? 0),
        webSearch: prices.webSearch === undefined ? undefined : perThousand(prices.webSearch)
      }
    ]
  }
}

/**
 * Rates of the price table, or the reason why there are none. Its tiers price the whole call by the size of the prompt.
 * OpenAI bills sound at rates of its own for every model that takes any.
 */
export const fromTable = (
  prices: Genai.ModelPrice,
  of: { readonly table: string; readonly provider: string; readonly model: string }
): Rates | string => {
  if (prices["input_mtok"] === undefined) {
    const units = Object.keys(prices).join(", ")
    return units === ""
      ? `${of.table} lists ${of.provider} ${of.model} without a price`
      : `${of.model} is not priced by tokens but by ${units}`
  }
  const ownAudio = of.provider === "openai" || of.provider === "azure"
  const starts = new Set([-1])
  for (const value of Object.values(prices)) {
    if (typeof value === "object") for (const tier of value.tiers) starts.add(tier.start)
  }
  const at = (key: string, above: number): number | undefined => {
    const value = prices[key]
    if (typeof value !== "object") return value
    return value.tiers.findLast((tier) => tier.start <= above)?.price ?? value.base
  }
  const steps = [...starts].sort((a, b) => a - b)
  return { table: of.table, steps: steps.map((above) => stepAt((key) => at(key, above), above, ownAudio)) }
}

const stepAt = (priceOf: (key: string) => number | undefined, above: number, ownAudio: boolean): Step => {
  const rate = (key: string): number | undefined => {
    const price = priceOf(key)
    return price === undefined ? undefined : perToken(price)
  }
  const input = rate("input_mtok")!
  const cacheWrite = rate("cache_write_mtok") ?? input
  const output = rate("output_mtok")
  const media: { -readonly [K in keyof UnitRates["media"]]: UnitRates["media"][K] } = {}
  for (const [key, name] of mediaKeys) {
    const found = rate(name)
    if (found !== undefined) media[key] = found
    else if (ownAudio && key.endsWith(".audio")) media[key] = null
  }
  const searches = priceOf("web_searches_kcount")
  return {
    above,
    input,
    cacheRead: rate("cache_read_mtok") ?? input,
    cacheWrite,
    cacheWrite1h: rate("cache_write_1h_mtok") ?? cacheWrite,
    output,
    reasoning: rate("output_reasoning_mtok"),
    media,
    request: perThousand(priceOf("requests_kcount") ?? 0),
    webSearch: searches === undefined ? undefined : perThousand(searches)
  }
}

const mediaKeys: ReadonlyArray<readonly [keyof UnitRates["media"], string]> = (
  ["audio", "image", "video"] as ReadonlyArray<Medium>
).flatMap((name) => [
  [`input.${name}`, `input_${name}_mtok`] as const,
  [`cacheRead.${name}`, `cache_${name}_read_mtok`] as const,
  [`output.${name}`, `output_${name}_mtok`] as const
])

const multiples = new WeakMap<Rates, Map<number, Rates>>()

/** The same rates for tokens, times a factor; fees for requests and searches stay as they are. */
export const times = (rates: Rates, factor: number): Rates => {
  let made = multiples.get(rates)
  if (made === undefined) multiples.set(rates, (made = new Map()))
  let found = made.get(factor)
  if (found === undefined) {
    const scaled = (rate: number) => Math.round(rate * factor)
    const steps = rates.steps.map((step) => ({
      ...step,
      input: scaled(step.input),
      cacheRead: scaled(step.cacheRead),
      cacheWrite: scaled(step.cacheWrite),
      cacheWrite1h: scaled(step.cacheWrite1h),
      output: step.output === undefined ? undefined : scaled(step.output),
      reasoning: step.reasoning === undefined ? undefined : scaled(step.reasoning),
      media: Object.fromEntries(
        Object.entries(step.media).map(([key, rate]) => [key, rate === null ? null : scaled(rate)])
      )
    }))
    made.set(factor, (found = { table: `${rates.table}*${factor}`, steps }))
  }
  return found
}

/** Dollars per million tokens as whole picodollars a token: exact for prices of up to six decimals, else rounded to them. */
const perToken = (dollarsPerMillion: number): number => Math.round(dollarsPerMillion * 1e6)

const perThousand = (dollars: number): number => Math.round(dollars * 1e9)

const or = (price: number | undefined, otherwise: number): number => (price === undefined ? otherwise : perToken(price))

const medium = <K extends string>(key: K, price: number | undefined): { readonly [_ in K]?: number } =>
  price === undefined ? {} : ({ [key]: perToken(price) } as { readonly [_ in K]: number })

/** Eight hexadecimal digits that are the same for the same prices, in whatever order they are written. */
const versionOf = (prices: Prices): string => {
  const written = Object.entries(prices).filter(([, price]) => price !== undefined)
  return hash("sha256", JSON.stringify(written.sort(([a], [b]) => (a < b ? -1 : 1)))).slice(0, 8)
}
