/**
 * The lines of a price: how many units of what, at which rate, for how much; in picodollars that add up exactly.
 *
 * Pure arithmetic over disjoint usage and the rates of one call. The sum is made without lines, because every call needs
 * it; the lines are made when somebody reads them.
 */
import { picosPerUsd } from "./Money.ts"
import type { MediaTokens, UnitRates, Usage } from "./Usage.ts"

/** Amounts of one call in picodollars; no token is in two of them. `request` is what is billed beside tokens. */
export interface LinePicos {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  /** The answer without its reasoning. */
  readonly output: number
  readonly reasoning: number
  readonly request: number
}

/** The price of a usage, or the reason why it has none. */
export const picosOfUsage = (usage: Usage, rates: UnitRates): number | string => {
  if (rates.output === undefined && usage.output > 0) return "has no price for the output of this model"
  const output = rates.output ?? 0
  const picos =
    rates.request +
    usage.uncachedInput * rates.input +
    usage.cacheReadInput * rates.cacheRead +
    usage.cacheWriteInput * rates.cacheWrite +
    (usage.output - usage.reasoning) * output +
    usage.reasoning * (rates.reasoning ?? output)
  if (usage.detail === undefined) return picos
  const missing = missingRate(usage, rates)
  return missing ?? picos + extraPicos(usage, rates, anyLine)
}

/** The lines of a usage whose price is known. */
export const linePicos = (usage: Usage, rates: UnitRates): LinePicos => {
  const output = rates.output ?? 0
  const extra = (line: keyof LinePicos) =>
    usage.detail === undefined ? 0 : extraPicos(usage, rates, (of) => of === line)
  return {
    input: usage.uncachedInput * rates.input + extra("input"),
    cacheRead: usage.cacheReadInput * rates.cacheRead + extra("cacheRead"),
    cacheWrite: usage.cacheWriteInput * rates.cacheWrite + extra("cacheWrite"),
    output: (usage.output - usage.reasoning) * output + extra("output"),
    reasoning: usage.reasoning * (rates.reasoning ?? output),
    request: rates.request + extra("request")
  }
}

/**
 * Dollars that the provider's own prompt cache saved: reads at the price of reads and not of input, less what writes cost
 * more than input. Negative while prompts were written that nobody has read yet.
 */
export const providerCacheSavedUsd = (usage: Usage, rates: UnitRates): number => {
  if (usage.cacheReadInput === 0 && usage.cacheWriteInput === 0) return 0
  const { cacheRead, cacheWrite } = linePicos(usage, rates)
  let uncached = (usage.cacheReadInput + usage.cacheWriteInput) * rates.input
  for (const { medium, of, tokens } of usage.detail?.media ?? []) {
    if (of === "cacheRead") uncached += tokens * ((rates.media[`input.${medium}`] ?? rates.input) - rates.input)
  }
  return (uncached - cacheRead - cacheWrite) / picosPerUsd
}

const anyLine = () => true

/** What the details of a usage add to the lines that are asked for: the difference to the ordinary rate. */
const extraPicos = ({ detail }: Usage, rates: UnitRates, asked: (line: keyof LinePicos) => boolean): number => {
  let picos = 0
  if (asked("cacheWrite")) picos += (detail?.cacheWrite1h ?? 0) * (rates.cacheWrite1h - rates.cacheWrite)
  if (asked("request")) picos += (detail?.webSearches ?? 0) * (rates.webSearch ?? 0)
  for (const media of detail?.media ?? []) {
    if (asked(media.of)) picos += media.tokens * (mediaRate(media, rates) - (rates[media.of] ?? 0))
  }
  return picos
}

const mediaRate = ({ medium, of }: MediaTokens, rates: UnitRates): number =>
  rates.media[`${of}.${medium}`] ?? (of === "cacheRead" ? rates.media[`input.${medium}`] : undefined) ?? rates[of] ?? 0

/** Why details of a usage have no price. */
const missingRate = ({ detail }: Usage, rates: UnitRates): string | undefined => {
  if ((detail?.webSearches ?? 0) > 0 && rates.webSearch === undefined) return "has no price for web searches"
  const unknown = detail?.media?.find(({ medium, of, tokens }) => tokens > 0 && rates.media[`${of}.${medium}`] === null)
  return unknown === undefined ? undefined : `has no price for the ${unknown.medium} tokens of this model`
}
