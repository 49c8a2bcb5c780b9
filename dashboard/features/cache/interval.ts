/** Would-be hits of the semantic cache from a threshold on, and how many of them were wrong. */
import type { SemanticStatus } from "millrace/admin-api"

type Bin = SemanticStatus["histogram"][number]

/** Quantile of the normal distribution for 95 %. */
const z = 1.959964

/** A share with its 95 % interval by Wilson's score; null where nothing was counted. */
export const wilson = (hits: number, of: number): { value: number; low: number; high: number } | null => {
  if (of === 0) return null
  const value = hits / of
  const centre = value + (z * z) / (2 * of)
  const spread = z * Math.sqrt((value * (1 - value)) / of + (z * z) / (4 * of * of))
  const scale = 1 + (z * z) / of
  return { value, low: Math.max(0, (centre - spread) / scale), high: Math.min(1, (centre + spread) / scale) }
}

/** What another threshold would serve; bins that begin below it do not count. */
export const fromThreshold = (bins: ReadonlyArray<Bin>, threshold: number) => {
  const counted = bins.filter(({ from }) => from >= threshold - 1e-9)
  const sum = (field: "hits" | "same" | "different" | "unclear") =>
    counted.reduce((total, bin) => total + bin[field], 0)
  const [different, same] = [sum("different"), sum("same")]
  return { hits: sum("hits"), same, different, unclear: sum("unclear"), falseHits: wilson(different, same + different) }
}
