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
  /** What some prices depend on besides; absent for an ordinary answer. */
  readonly detail?: UsageDetail | undefined
}

/** Figures that only some answers have. Tokens in here are parts of the figures of `Usage`, never beside them. */
export interface UsageDetail {
  /** The tier that served the answer, as `ServiceTier.ts` names it; absent for the ordinary one. */
  readonly serviceTier?: string | undefined
  /** The part of `cacheWriteInput` that is kept for an hour. */
  readonly cacheWrite1h?: number | undefined
  /** Tokens that stand for sound, pictures and films; the rest is text. */
  readonly media?: ReadonlyArray<MediaTokens> | undefined
  /** Searches in the web that the provider made and bills one by one. */
  readonly webSearches?: number | undefined
}

export type Medium = "audio" | "image" | "video"

/** The part of `uncachedInput`, `cacheReadInput` or of the visible `output` that is of one medium. */
export interface MediaTokens {
  readonly of: "input" | "cacheRead" | "output"
  readonly medium: Medium
  readonly tokens: number
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
  readonly detail?: UsageDetail | undefined
}): Usage => {
  const cacheReadInput = Math.min(options.cacheRead ?? 0, options.input)
  const cacheWriteInput = Math.min(options.cacheWrite ?? 0, options.input - cacheReadInput)
  return {
    uncachedInput: options.input - cacheReadInput - cacheWriteInput,
    cacheReadInput,
    cacheWriteInput,
    output: options.output,
    reasoning: Math.min(options.reasoning ?? 0, options.output),
    estimated: options.estimated ?? false,
    ...(options.detail === undefined ? {} : { detail: options.detail })
  }
}

/** The field of a usage for details, absent where all of them are ordinary. */
export const detailed = (detail: UsageDetail): { readonly detail?: UsageDetail } => {
  const { cacheWrite1h = 0, media = [], serviceTier, webSearches = 0 } = detail
  if (serviceTier === undefined && cacheWrite1h === 0 && webSearches === 0 && media.length === 0) return {}
  return {
    detail: {
      ...(serviceTier === undefined ? {} : { serviceTier }),
      ...(cacheWrite1h === 0 ? {} : { cacheWrite1h }),
      ...(media.length === 0 ? {} : { media }),
      ...(webSearches === 0 ? {} : { webSearches })
    }
  }
}

/** Tokens of each medium, as a provider states them, never more than the figure of the usage that they are a part of. */
export const mediaOf = (
  usage: Usage,
  stated: (of: MediaTokens["of"], medium: Medium) => number
): ReadonlyArray<MediaTokens> | undefined => {
  let found: Array<MediaTokens> | undefined
  for (const part of ["input", "cacheRead", "output"] as const) {
    let left =
      part === "input"
        ? usage.uncachedInput
        : part === "cacheRead"
          ? usage.cacheReadInput
          : usage.output - usage.reasoning
    for (const medium of ["audio", "image", "video"] as const) {
      const tokens = Math.min(stated(part, medium), left)
      if (tokens <= 0) continue
      left -= tokens
      ;(found ??= []).push({ of: part, medium, tokens })
    }
  }
  return found
}

/** What one unit costs, in whole picodollars (10⁻¹² $): a token, a request, a search. */
export interface UnitRates {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  /** Of what is kept for an hour. */
  readonly cacheWrite1h: number
  /** Undefined where answers have no price. */
  readonly output: number | undefined
  readonly reasoning: number | undefined
  /** Tokens of a medium whose rate is another than that of text; `null` where they are billed and the rate is not known. */
  readonly media: { readonly [K in `${MediaTokens["of"]}.${Medium}`]?: number | null }
  readonly request: number
  /** Undefined where the rate is not known. */
  readonly webSearch: number | undefined
}

/**
 * The price of one call: dollars and the table they came from, or the reason why there is none. Never a silent 0. With
 * `rates` a reader can make the lines of the price from the usage (`PriceLines.ts`).
 */
export type Cost =
  | { readonly _tag: "Priced"; readonly usd: number; readonly table: string; readonly rates?: UnitRates | undefined }
  | { readonly _tag: "Unpriced"; readonly reason: string }

/** Dollars of a cost, 0 where it is unpriced. For sums only; show `Unpriced` as such. */
export const usdOrZero = (cost: Cost): number => (cost._tag === "Priced" ? cost.usd : 0)
