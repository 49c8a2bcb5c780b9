/**
 * Usage as OpenAI's APIs state it, in tokens that do not overlap (law 9).
 *
 * A total above input + output is output that the figures leave out (xAI and Gemini bill reasoning so); it counts as
 * output. A provider that states nothing gets zeros that are marked as estimated.
 */
import * as Usage from "../Usage.ts"
import { countOf, isObject, type JsonObject } from "./Json.ts"

const unreported: Usage.Usage = { ...Usage.zero, estimated: true }

/** `usage` of Chat Completions and of its compatible servers. */
export const chatUsage = (usage: unknown): Usage.Usage => {
  if (!isObject(usage)) return unreported
  const input = countOf(usage["prompt_tokens"])
  const completion = countOf(usage["completion_tokens"])
  if (input === undefined && completion === undefined) return unreported
  const inputs = isObject(usage["prompt_tokens_details"]) ? usage["prompt_tokens_details"] : usage
  const outputs = isObject(usage["completion_tokens_details"]) ? usage["completion_tokens_details"] : usage
  return Usage.fromInclusive({
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
}

/** `usage` of the Responses API. */
export const responsesUsage = (usage: unknown): Usage.Usage => {
  if (!isObject(usage)) return unreported
  const input = countOf(usage["input_tokens"])
  const output = countOf(usage["output_tokens"])
  if (input === undefined && output === undefined) return unreported
  const inputs = isObject(usage["input_tokens_details"]) ? usage["input_tokens_details"] : {}
  const outputs = isObject(usage["output_tokens_details"]) ? usage["output_tokens_details"] : {}
  return Usage.fromInclusive({
    input: input ?? 0,
    output: (output ?? 0) + unstated(usage, input, output),
    cacheRead: countOf(inputs["cached_tokens"]),
    cacheWrite: countOf(inputs["cache_write_tokens"]),
    reasoning: countOf(outputs["reasoning_tokens"])
  })
}

/** Tokens that the total has over the other figures. */
const unstated = (usage: JsonObject, input = 0, output = 0): number =>
  Math.max(0, (countOf(usage["total_tokens"]) ?? 0) - input - output)
