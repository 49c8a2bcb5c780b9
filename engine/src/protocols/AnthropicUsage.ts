/**
 * Usage of Anthropic Messages as canonical usage.
 *
 * Figures of `message_delta` replace those of `message_start` field by field; input figures are disjoint as they come.
 */
import * as Usage from "../Usage.ts"
import { answeredTier, serviceTierOf } from "../ServiceTier.ts"
import { countOf, isObject, stringOr } from "./Json.ts"

/** The latest figures that were reported, in tokens. */
export interface Figures {
  input?: number
  cacheRead?: number
  cacheWrite?: number
  output?: number
  thinking?: number
  cacheWrite1h?: number
  webSearches?: number
  tier?: string
  /** Where the model ran, for models that cost more in some places. */
  place?: string
  speed?: string
}

/** Reads what is stated; what is not keeps its figure. */
export const readUsage = (usage: unknown, into: Figures): void => {
  if (!isObject(usage)) return
  const details = usage["output_tokens_details"]
  into.input = countOf(usage["input_tokens"]) ?? into.input!
  into.cacheRead = countOf(usage["cache_read_input_tokens"]) ?? into.cacheRead!
  into.cacheWrite = countOf(usage["cache_creation_input_tokens"]) ?? into.cacheWrite!
  into.output = countOf(usage["output_tokens"]) ?? into.output!
  if (isObject(details)) into.thinking = countOf(details["thinking_tokens"]) ?? into.thinking!
  const writes = usage["cache_creation"]
  if (isObject(writes)) into.cacheWrite1h = countOf(writes["ephemeral_1h_input_tokens"]) ?? into.cacheWrite1h!
  const tools = usage["server_tool_use"]
  if (isObject(tools)) into.webSearches = countOf(tools["web_search_requests"]) ?? into.webSearches!
  into.tier = stringOr(usage["service_tier"], into.tier ?? "")
  into.place = stringOr(usage["inference_geo"], into.place ?? "")
  into.speed = stringOr(usage["speed"], into.speed ?? "")
}

/**
 * The figures as a usage; estimated where neither input nor output was stated. `askedTier` holds where the answer names no
 * tier.
 */
export const usageOf = (figures: Figures, askedTier?: string): Usage.Usage => {
  const serviceTier = tierOf(figures, askedTier)
  if (figures.input === undefined && figures.output === undefined) {
    return { ...Usage.zero, estimated: true, ...Usage.detailed({ serviceTier }) }
  }
  const output = figures.output ?? 0
  return {
    uncachedInput: figures.input ?? 0,
    cacheReadInput: figures.cacheRead ?? 0,
    cacheWriteInput: figures.cacheWrite ?? 0,
    output,
    reasoning: Math.min(figures.thinking ?? 0, output),
    estimated: false,
    ...Usage.detailed({
      serviceTier,
      cacheWrite1h: Math.min(figures.cacheWrite1h ?? 0, figures.cacheWrite ?? 0),
      webSearches: figures.webSearches
    })
  }
}

/** Fast answers and answers from one country have prices of their own, as tiers have: `fast`, `us`, `priority-us`. */
const tierOf = ({ place = "", speed = "", tier }: Figures, asked: string | undefined): string | undefined => {
  const names = [
    answeredTier(tier, asked),
    serviceTierOf(speed),
    ordinaryPlaces.has(place) ? undefined : serviceTierOf(place)
  ]
  const named = names.filter((name) => name !== undefined)
  return named.length === 0 ? undefined : named.join("-")
}

const ordinaryPlaces: ReadonlySet<string> = new Set(["", "global", "not_available"])
