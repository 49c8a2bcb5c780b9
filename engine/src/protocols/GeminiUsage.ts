/**
 * Usage of the Gemini API as canonical usage.
 *
 * What states a prompt or a total stands for itself; anything less completes what came before. Tokens of prompts for the
 * provider's own tools are input, thoughts are output. Sound, pictures and films are told apart, because some models bill
 * them at rates of their own.
 */
import { answeredTier } from "../ServiceTier.ts"
import * as Usage from "../Usage.ts"
import { countOf, isObject } from "./Json.ts"

/** The latest figures that were reported, in tokens. */
export interface Figures {
  readonly prompt?: number | undefined
  readonly toolPrompt?: number | undefined
  readonly cached?: number | undefined
  readonly candidates?: number | undefined
  readonly thoughts?: number | undefined
  readonly total?: number | undefined
  /** Lists of `{ modality, tokenCount }`. */
  readonly promptDetails?: unknown
  readonly cacheDetails?: unknown
  readonly candidatesDetails?: unknown
  readonly tier?: unknown
}

export const readUsage = (usage: unknown, before: Figures): Figures => {
  if (!isObject(usage)) return before
  const prompt = countOf(usage["promptTokenCount"])
  const total = countOf(usage["totalTokenCount"])
  const base: Figures = prompt === undefined && total === undefined ? before : {}
  return {
    prompt: prompt ?? base.prompt,
    toolPrompt: countOf(usage["toolUsePromptTokenCount"]) ?? base.toolPrompt,
    cached: countOf(usage["cachedContentTokenCount"]) ?? base.cached,
    candidates: countOf(usage["candidatesTokenCount"]) ?? base.candidates,
    thoughts: countOf(usage["thoughtsTokenCount"]) ?? base.thoughts,
    total: total ?? base.total,
    promptDetails: usage["promptTokensDetails"] ?? base.promptDetails,
    cacheDetails: usage["cacheTokensDetails"] ?? base.cacheDetails,
    candidatesDetails: usage["candidatesTokensDetails"] ?? base.candidatesDetails,
    tier: usage["serviceTier"] ?? usage["trafficType"] ?? before.tier
  }
}

/** The figures as a usage; estimated where none was stated. `askedTier` holds where the answer names no tier. */
export const usageOf = (figures: Figures, askedTier?: string): Usage.Usage => {
  const tier = answeredTier(figures.tier, askedTier)
  if (figures.prompt === undefined && figures.candidates === undefined && figures.thoughts === undefined) {
    return { ...Usage.zero, estimated: true, ...Usage.detailed({ serviceTier: tier }) }
  }
  const input = (figures.prompt ?? 0) + (figures.toolPrompt ?? 0)
  const stated = (figures.candidates ?? 0) + (figures.thoughts ?? 0)
  const usage = Usage.fromInclusive({
    input,
    output: Math.max(stated, (figures.total ?? 0) - input),
    cacheRead: figures.cached,
    reasoning: figures.thoughts
  })
  const media = Usage.mediaOf(usage, (of, medium) => {
    const name = medium.toUpperCase()
    if (of === "output") return tokensOf(figures.candidatesDetails, name)
    const cached = tokensOf(figures.cacheDetails, name)
    return of === "cacheRead" ? cached : Math.max(0, tokensOf(figures.promptDetails, name) - cached)
  })
  return { ...usage, ...Usage.detailed({ serviceTier: tier, media }) }
}

const tokensOf = (details: unknown, modality: string): number => {
  let tokens = 0
  if (!Array.isArray(details)) return tokens
  for (const detail of details as ReadonlyArray<unknown>) {
    if (isObject(detail) && detail["modality"] === modality) tokens += countOf(detail["tokenCount"]) ?? 0
  }
  return tokens
}
