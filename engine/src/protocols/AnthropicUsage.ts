/**
 * Usage of Anthropic Messages as canonical usage.
 *
 * Figures of `message_delta` replace those of `message_start` field by field; input figures are disjoint as they come.
 */
import * as Usage from "../Usage.ts"
import { countOf, isObject } from "./Json.ts"

/** The latest figures that were reported, in tokens. */
export interface Figures {
  input?: number
  cacheRead?: number
  cacheWrite?: number
  output?: number
  thinking?: number
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
}

/** The figures as a usage; estimated where neither input nor output was stated. */
export const usageOf = (figures: Figures): Usage.Usage => {
  if (figures.input === undefined && figures.output === undefined) return { ...Usage.zero, estimated: true }
  const output = figures.output ?? 0
  return {
    uncachedInput: figures.input ?? 0,
    cacheReadInput: figures.cacheRead ?? 0,
    cacheWriteInput: figures.cacheWrite ?? 0,
    output,
    reasoning: Math.min(figures.thinking ?? 0, output),
    estimated: false
  }
}
