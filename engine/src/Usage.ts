/**
 * Token usage and money, without overlap (law 9).
 *
 * Providers count in different conventions; protocols translate into this one shape, in which no token is in two
 * places: the input is split into uncached, cache reads and cache writes, and `reasoning` is a part of `output`.
 */

/** All figures are tokens. `reasoning` is included in `output`; the three inputs are disjoint. */
export interface Usage {
  readonly uncachedInput: number
  readonly cacheReadInput: number
  readonly cacheWriteInput: number
  readonly output: number
  readonly reasoning: number
  /** True when the provider reported nothing and the figures are our own count. */
  readonly estimated: boolean
}

export const zero: Usage = {
  uncachedInput: 0,
  cacheReadInput: 0,
  cacheWriteInput: 0,
  output: 0,
  reasoning: 0,
  estimated: false
}

/** Prompt tokens in the sense of OpenAI: with cache reads and writes. */
export const promptTokens = (usage: Usage): number => usage.uncachedInput + usage.cacheReadInput + usage.cacheWriteInput

/** Completion tokens, reasoning included. */
export const completionTokens = (usage: Usage): number => usage.output

export const totalTokens = (usage: Usage): number => promptTokens(usage) + usage.output

/**
 * Builds a disjoint usage from figures whose `input` includes cache reads and writes (OpenAI's convention).
 * Parts never exceed the whole: a provider that reports more cached than prompt tokens is clamped.
 */
export const fromInclusive = (options: {
  readonly input: number
  readonly output: number
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
  readonly reasoning?: number | undefined
  readonly estimated?: boolean | undefined
}): Usage => {
  const cacheReadInput = Math.min(options.cacheRead ?? 0, options.input)
  const cacheWriteInput = Math.min(options.cacheWrite ?? 0, options.input - cacheReadInput)
  return {
    uncachedInput: options.input - cacheReadInput - cacheWriteInput,
    cacheReadInput,
    cacheWriteInput,
    output: options.output,
    reasoning: Math.min(options.reasoning ?? 0, options.output),
    estimated: options.estimated ?? false
  }
}

/** The price of one call: dollars and the table they came from, or the reason why there is none. Never a silent 0. */
export type Cost =
  | { readonly _tag: "Priced"; readonly usd: number; readonly table: string }
  | { readonly _tag: "Unpriced"; readonly reason: string }

/** Dollars of a cost, 0 where it is unpriced. For sums only; show `Unpriced` as such. */
export const usdOrZero = (cost: Cost): number => (cost._tag === "Priced" ? cost.usd : 0)
