/**
 * Prices of a model that change with the date or the hour: rates and when they apply.
 *
 * Compiled once for a model, so that a call costs the same to price whenever it began. Dates begin at midnight and hours are
 * of the day, both in UTC; the last entry that applies wins, as in the price table's own library.
 */
import type * as Genai from "@pydantic/genai-prices"
import type { Rates } from "./PriceRates.ts"

/** Rates, or the reason why there are none, and the times at which they apply. */
interface Period {
  readonly rates: Rates | string
  /** Epoch milliseconds from which they apply. */
  readonly fromMs: number
  /** Milliseconds of the day; from after to: over midnight. */
  readonly hours: { readonly fromMs: number; readonly toMs: number } | undefined
}

/** At least one. */
export type PriceSchedule = ReadonlyArray<Period>

const dayMs = 86_400_000

export const always = (rates: Rates | string): PriceSchedule => [
  { rates, fromMs: Number.NEGATIVE_INFINITY, hours: undefined }
]

export const scheduleOf = (
  prices: Genai.ModelInfo["prices"],
  ratesOf: (prices: Genai.ModelPrice) => Rates | string
): PriceSchedule =>
  Array.isArray(prices)
    ? prices.map(({ constraint, prices: own }): Period => ({
        rates: ratesOf(own),
        fromMs: constraint?.type === "start_date" ? Date.parse(constraint.start_date) : Number.NEGATIVE_INFINITY,
        hours:
          constraint?.type === "time_of_date"
            ? { fromMs: timeOfDay(constraint.start_time), toMs: timeOfDay(constraint.end_time) }
            : undefined
      }))
    : always(ratesOf(prices))

export const ratesAt = (schedule: PriceSchedule, atMs: number): Rates | string => {
  for (let i = schedule.length - 1; i > 0; i--) {
    const period = schedule[i]!
    if (atMs >= period.fromMs && (period.hours === undefined || within(period.hours, atMs))) return period.rates
  }
  return schedule[0]!.rates
}

const within = ({ fromMs, toMs }: NonNullable<Period["hours"]>, atMs: number): boolean => {
  const timeMs = ((atMs % dayMs) + dayMs) % dayMs
  return toMs < fromMs ? timeMs >= fromMs || timeMs < toMs : timeMs >= fromMs && timeMs < toMs
}

/** `16:30:00Z` as milliseconds of the day. */
const timeOfDay = (text: string): number => Date.parse(`1970-01-01T${text}`)
