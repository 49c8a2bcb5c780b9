/**
 * The price of a usage record: its columns when it is written or priced anew, its lines when somebody reads them.
 *
 * Columns are dollars of whole picodollars, so the lines of a record add up to its cost exactly. What is billed beside
 * tokens has no column: it is what the other lines leave of the cost.
 */
import type { PriceLine } from "./AdminAnswers.ts"
import { picosOf, picosPerUsd, usdOf } from "./Money.ts"
import { linePicos, providerCacheSavedUsd } from "./PriceLines.ts"
import type { Cost, Usage, UsageDetail } from "./Usage.ts"

/** Dollars by line; null where there is no price. */
export interface PriceColumns {
  readonly inputUsd: number | null
  readonly cacheReadUsd: number | null
  readonly cacheWriteUsd: number | null
  readonly outputUsd: number | null
  readonly reasoningUsd: number | null
  readonly providerCacheSavedUsd: number | null
}

const unpriced: PriceColumns = {
  inputUsd: null,
  cacheReadUsd: null,
  cacheWriteUsd: null,
  outputUsd: null,
  reasoningUsd: null,
  providerCacheSavedUsd: null
}

/** The columns of an answer's cost; without rates there are none. */
export const priceColumns = (usage: Usage, cost: Cost | undefined): PriceColumns => {
  if (cost === undefined || cost._tag === "Unpriced" || cost.rates === undefined) return unpriced
  const picos = linePicos(usage, cost.rates)
  return {
    inputUsd: picos.input / picosPerUsd,
    cacheReadUsd: picos.cacheRead / picosPerUsd,
    cacheWriteUsd: picos.cacheWrite / picosPerUsd,
    outputUsd: picos.output / picosPerUsd,
    reasoningUsd: picos.reasoning / picosPerUsd,
    providerCacheSavedUsd: providerCacheSavedUsd(usage, cost.rates)
  }
}

/** What a record says of its price. */
export interface PricedRecord extends PriceColumns {
  readonly uncachedInput: number
  readonly cacheReadInput: number
  readonly cacheWriteInput: number
  readonly output: number
  readonly reasoning: number
  readonly costUsd: number | null
  readonly usageDetail: UsageDetail | null
  readonly attempts: ReadonlyArray<{ readonly lost?: { readonly costUsd: number | null } }>
}

/**
 * The lines of a record's price, no token on two of them; they add up to its cost. Fees (for the request, for searches) and
 * answers of attempts that nobody read have lines of their own where there are any.
 */
export const linesOf = (record: PricedRecord): ReadonlyArray<PriceLine> => {
  const lines: ReadonlyArray<PriceLine> = [
    lineOf("uncachedInput", record.uncachedInput, record.inputUsd),
    lineOf("cacheReadInput", record.cacheReadInput, record.cacheReadUsd),
    lineOf("cacheWriteInput", record.cacheWriteInput, record.cacheWriteUsd),
    lineOf("output", record.output - record.reasoning, record.outputUsd),
    lineOf("reasoning", record.reasoning, record.reasoningUsd)
  ]
  if (record.costUsd === null || record.inputUsd === null) return lines
  const lost = record.attempts.reduce((sum, attempt) => sum + picosOf(attempt.lost?.costUsd ?? 0), 0n)
  const fees = picosOf(record.costUsd) - lost - lines.reduce((sum, { usd }) => sum + picosOf(usd ?? 0), 0n)
  return [
    ...lines,
    ...(fees === 0n ? [] : [lineOf("fees", 0, usdOf(fees))]),
    ...(lost === 0n ? [] : [lineOf("lostAttempts", 0, usdOf(lost))])
  ]
}

const lineOf = (kind: PriceLine["kind"], tokens: number, usd: number | null): PriceLine => ({
  kind,
  tokens,
  usd,
  usdPerMillion: usd === null || tokens === 0 ? null : Number(((usd / tokens) * 1e6).toPrecision(12))
})
