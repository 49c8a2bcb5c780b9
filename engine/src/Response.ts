/**
 * What the library's doors hand out: `AIResponse`, made from a completion and the journal of its call.
 */
import { type CacheResult, type Call, upstreamAttempts } from "./Call.ts"
import * as Reply from "./Reply.ts"
import { completionTokens, promptTokens, totalTokens } from "./Usage.ts"

export interface AIResponse {
  readonly content: string
  readonly toolCalls: ReadonlyArray<{
    readonly id: string
    readonly name: string
    /** JSON text as the model wrote it. */
    readonly arguments: string
  }>
  readonly reasoning: string
  /** Text of a refusal, empty when the model did not refuse. */
  readonly refusal: string
  /** What the text rests on, where the provider says so. */
  readonly citations: ReadonlyArray<Reply.Citation>
  /** The answer in the order the model produced it, with the signatures of its reasoning. */
  readonly blocks: ReadonlyArray<Reply.Block>
  readonly finishReason: Reply.FinishReason
  /** The provider's own word for the finish reason. */
  readonly rawFinishReason: string | undefined
  readonly usage: {
    readonly promptTokens: number
    readonly completionTokens: number
    readonly totalTokens: number
    /** Prompt tokens that the provider read from its cache; part of `promptTokens`. */
    readonly cachedTokens: number
    /** Prompt tokens that the provider wrote to its cache; part of `promptTokens`. */
    readonly cacheWriteTokens: number
    /** Part of `completionTokens`. */
    readonly reasoningTokens: number
    /** True when the provider reported nothing and the figures are our own count. */
    readonly estimated: boolean
  }
  /** US dollars; null when the price is not known, never a silent 0. */
  readonly cost: number | null
  readonly model: string
  readonly provider: string
  readonly cached: boolean
  readonly cacheKind: "exact" | "semantic" | "coalesced" | null
  /** Milliseconds since a cached answer was made; null when it was made for this call. */
  readonly cacheAge: number | null
  /** US dollars that a cached answer would have cost; null when there is no such figure. */
  readonly saved: number | null
  /** Milliseconds from the call to the last part. */
  readonly latency: number
  /** Milliseconds from the call to the first part. */
  readonly timeToFirstToken: number
  /** Attempts that reached a provider; 0 for a hit. */
  readonly attempts: number
  readonly requestId: string
  /** The provider's own id of the answer; may be empty. */
  readonly responseId: string
  /**
   * Paths of hints in the request that the provider has no field for, and was not given; under `answer.`, kinds of what the
   * provider's answer has and this one can't say.
   */
  readonly omitted: ReadonlyArray<string>
}

/** Vectors of texts, in the order of the texts. */
export interface AIEmbedResponse extends Pick<
  AIResponse,
  "usage" | "cost" | "model" | "provider" | "cached" | "cacheKind" | "latency" | "attempts" | "requestId"
> {
  readonly embeddings: ReadonlyArray<ReadonlyArray<number>>
}

const cacheKinds: { readonly [K in CacheResult]: AIResponse["cacheKind"] } = {
  hit: "exact",
  semantic: "semantic",
  coalesced: "coalesced",
  miss: null,
  bypass: null
}

export const toAIEmbedResponse = (call: Call, completion: Reply.Completion): AIEmbedResponse => {
  const { attempts, cacheKind, cached, cost, latency, model, provider, requestId, usage } = toAIResponse(
    call,
    completion
  )
  const embeddings = completion.embeddings ?? []
  return { embeddings, usage, cost, model, provider, cached, cacheKind, latency, attempts, requestId }
}

export const toAIResponse = (call: Call, completion: Reply.Completion): AIResponse => {
  const { journal, request } = call
  const { usage } = completion
  const cacheKind = cacheKinds[journal.cache]
  const endedAtMs = journal.endedAtMs ?? call.clock.currentTimeMillisUnsafe()
  return {
    content: Reply.textOf(completion),
    toolCalls: Reply.toolCallsOf(completion).map(({ arguments: args, id, name }) => ({ id, name, arguments: args })),
    reasoning: Reply.reasoningOf(completion),
    refusal: Reply.refusalOf(completion),
    citations: Reply.citationsOf(completion),
    blocks: completion.content,
    finishReason: completion.finishReason,
    rawFinishReason: completion.rawFinishReason,
    usage: {
      promptTokens: promptTokens(usage),
      completionTokens: completionTokens(usage),
      totalTokens: totalTokens(usage),
      cachedTokens: usage.cacheReadInput,
      cacheWriteTokens: usage.cacheWriteInput,
      reasoningTokens: usage.reasoning,
      estimated: usage.estimated
    },
    cost: journal.cost?._tag === "Priced" ? journal.cost.usd : null,
    model: journal.target?.model ?? completion.model,
    provider: journal.target?.provider ?? "",
    cached: cacheKind !== null,
    cacheKind,
    cacheAge: journal.cacheAgeMs ?? null,
    saved: journal.saved?._tag === "Priced" ? journal.saved.usd : null,
    latency: endedAtMs - journal.startedAtMs,
    timeToFirstToken: (journal.firstPartAtMs ?? endedAtMs) - journal.startedAtMs,
    attempts: upstreamAttempts(journal),
    requestId: request.id,
    responseId: completion.id,
    omitted: completion.omitted === undefined ? journal.omitted : [...journal.omitted, ...completion.omitted]
  }
}
