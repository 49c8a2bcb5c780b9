/**
 * Usage as OpenAI's APIs state it, in tokens that do not overlap (law 9).
 *
 * A total above input + output is output that the figures leave out (xAI and Gemini bill reasoning so); it counts as
 * output. A provider that states nothing gets zeros that are marked as estimated.
 */
import { answeredTier } from "../ServiceTier.ts"
import * as Usage from "../Usage.ts"
import { countOf, isObject, type JsonObject } from "./Json.ts"

/** What an answer says beside its `usage`, and what was asked for. */
export interface Billing {
  /** `service_tier` of the answer. */
  readonly tier: unknown
  /** The tier that the request asked for; holds where the answer names none. */
  readonly asked: string | undefined
  readonly webSearches?: number | undefined
}

const unreported = (billing: Billing | undefined): Usage.Usage => ({
  ...Usage.zero,
  estimated: true,
  ...Usage.detailed({ serviceTier: answeredTier(billing?.tier, billing?.asked) })
})

/** `usage` of Chat Completions and of its compatible servers. */
export const chatUsage = (usage: unknown, billing?: Billing): Usage.Usage => {
  if (!isObject(usage)) return unreported(billing)
  const input = countOf(usage["prompt_tokens"])
  const completion = countOf(usage["completion_tokens"])
  if (input === undefined && completion === undefined) return unreported(billing)
  const inputs = isObject(usage["prompt_tokens_details"]) ? usage["prompt_tokens_details"] : usage
  const outputs = isObject(usage["completion_tokens_details"]) ? usage["completion_tokens_details"] : usage
  const figures = Usage.fromInclusive({
    input: input ?? 0,
    output: (completion ?? 0) + unstated(usage, input, completion),
    cacheRead:
      countOf(inputs["cached_tokens"]) ??
      countOf(usage["cached_tokens"]) ??
      countOf(usage["prompt_cache_hit_tokens"]) ??
      countOf(usage["num_cached_tokens"]) ??
      countOf(usage["cache_read_input_tokens"]),
    cacheWrite: countOf(inputs["cache_write_tokens"]) ?? countOf(usage["cache_creation_input_tokens"]),
    reasoning: countOf(outputs["reasoning_tokens"])
  })
  return { ...figures, ...detailOf(figures, inputs, outputs, billing) }
}

/** `usage` of the Responses API. */
export const responsesUsage = (usage: unknown, billing?: Billing): Usage.Usage => {
  if (!isObject(usage)) return unreported(billing)
  const input = countOf(usage["input_tokens"])
  const output = countOf(usage["output_tokens"])
  if (input === undefined && output === undefined) return unreported(billing)
  const inputs = isObject(usage["input_tokens_details"]) ? usage["input_tokens_details"] : {}
  const outputs = isObject(usage["output_tokens_details"]) ? usage["output_tokens_details"] : {}
  const figures = Usage.fromInclusive({
    input: input ?? 0,
    output: (output ?? 0) + unstated(usage, input, output),
    cacheRead: countOf(inputs["cached_tokens"]),
    cacheWrite: countOf(inputs["cache_write_tokens"]),
    reasoning: countOf(outputs["reasoning_tokens"])
  })
  return { ...figures, ...detailOf(figures, inputs, outputs, billing) }
}

/** Pictures in a prompt are billed as text; sound is not, and pictures in an answer are not. */
const detailOf = (
  figures: Usage.Usage,
  inputs: JsonObject,
  outputs: JsonObject,
  billing: Billing | undefined
): { readonly detail?: Usage.UsageDetail } => {
  const audio = countOf(inputs["audio_tokens"]) ?? 0
  const spoken = countOf(outputs["audio_tokens"]) ?? 0
  const drawn = countOf(outputs["image_tokens"]) ?? 0
  const media =
    audio + spoken + drawn === 0
      ? undefined
      : Usage.mediaOf(figures, (of, medium) => {
          if (of === "output") return medium === "audio" ? spoken : medium === "image" ? drawn : 0
          if (medium !== "audio") return 0
          // What is more than the uncached tokens was read from the cache.
          return of === "input" ? audio : Math.max(0, audio - figures.uncachedInput)
        })
  const serviceTier = answeredTier(billing?.tier, billing?.asked)
  return Usage.detailed({ serviceTier, media, webSearches: billing?.webSearches })
}

/** Searches among the items of an answer; opening a page that was found costs nothing. */
export const webSearchesIn = (output: unknown): number => {
  let searches = 0
  if (!Array.isArray(output)) return searches
  for (const item of output as ReadonlyArray<unknown>) {
    if (!isObject(item) || item["type"] !== "web_search_call") continue
    const action = item["action"]
    if (!isObject(action) || action["type"] === "search") searches++
  }
  return searches
}

/** Tokens that the total has over the other figures. */
const unstated = (usage: JsonObject, input = 0, output = 0): number =>
  Math.max(0, (countOf(usage["total_tokens"]) ?? 0) - input - output)
