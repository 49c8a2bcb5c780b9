/**
 * From an answer of the engine to content and stream parts of the AI SDK.
 *
 * Signatures of reasoning travel in `providerMetadata.millrace`, from where the SDK gives them back on the next turn.
 * The metadata of the whole answer tells in the same place how it came about. A refusal is text that is marked as one.
 */
import type {
  JSONObject,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4Source,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
  SharedV4Warning
} from "@ai-sdk/provider"
import { type BlockEvent, type BlockMetadata, sourceId } from "../BlockEvents.ts"
import type { Block, Citation, Part } from "../Reply.ts"
import type { AIResponse } from "../Response.ts"
import { sourceOf } from "../SourceParts.ts"
import { completionTokens, fromInclusive, promptTokens, type Usage } from "../Usage.ts"

export const toResult = (response: AIResponse, warnings: Array<SharedV4Warning>): LanguageModelV4GenerateResult => ({
  content: toContents(response.blocks),
  finishReason: { unified: response.finishReason, raw: response.rawFinishReason },
  usage: usageOf(figuresOf(response)),
  warnings,
  providerMetadata: metadataOf(response),
  response: {
    ...(response.responseId === "" ? {} : { id: response.responseId }),
    modelId: response.model
  }
})

/** Sources come behind the text that rests on them. */
const toContents = (blocks: ReadonlyArray<Block>): Array<LanguageModelV4Content> => {
  let sources = 0
  return blocks.flatMap((block) => [
    toContent(block),
    ...(block.type === "text" ? (block.citations ?? []) : []).map((citation) => toSource(citation, sourceId(sources++)))
  ])
}

const toSource = (citation: Citation, id: string): LanguageModelV4Source => {
  const [source, place] = sourceOf(citation, id)
  return Object.keys(place).length === 0 ? source : { ...source, providerMetadata: { millrace: { ...place } } }
}

const toContent = (block: Block): LanguageModelV4Content => {
  switch (block.type) {
    case "text":
      return { type: "text", text: block.text }
    case "refusal":
      return { type: "text", text: block.text, ...metadata({ refusal: true }) }
    case "reasoning": {
      const { text, type: _, ...signed } = block
      return { type: "reasoning", text, ...metadata(signed) }
    }
    case "tool-call":
      return { type: "tool-call", toolCallId: block.id, toolName: block.name, input: block.arguments.trim() || "{}" }
  }
}

const metadata = (fields: BlockMetadata | undefined): { providerMetadata?: SharedV4ProviderMetadata } =>
  fields === undefined || Object.keys(fields).length === 0 ? {} : { providerMetadata: { millrace: { ...fields } } }

/** One block event as the stream parts that say it. */
export const toStreamParts = (event: BlockEvent): ReadonlyArray<LanguageModelV4StreamPart> => {
  switch (event.type) {
    case "text-start":
    case "text-end":
    case "reasoning-start":
    case "reasoning-end":
      return [{ type: event.type, id: event.id, ...metadata(event.metadata) }]
    case "text-delta":
    case "reasoning-delta":
      return [event]
    case "source":
      return [toSource(event.citation, event.id)]
    case "tool-start":
      return [{ type: "tool-input-start", id: event.id, toolName: event.name }]
    case "tool-delta":
      return [{ type: "tool-input-delta", id: event.id, delta: event.delta }]
    case "tool-end":
      return [
        { type: "tool-input-end", id: event.id },
        { type: "tool-call", toolCallId: event.id, toolName: event.name, input: event.arguments }
      ]
  }
}

export const toStart = ({ id, model }: Extract<Part, { readonly type: "start" }>): LanguageModelV4StreamPart => ({
  type: "response-metadata",
  ...(id === "" ? {} : { id }),
  ...(model === "" ? {} : { modelId: model })
})

export const toFinish = (
  part: Extract<Part, { readonly type: "finish" }>,
  response: AIResponse
): LanguageModelV4StreamPart => ({
  type: "finish",
  finishReason: { unified: part.finishReason, raw: part.rawFinishReason } satisfies LanguageModelV4FinishReason,
  usage: usageOf(part.usage),
  providerMetadata: metadataOf(response)
})

const figuresOf = ({ usage }: AIResponse): Usage =>
  fromInclusive({
    input: usage.promptTokens,
    output: usage.completionTokens,
    cacheRead: usage.cachedTokens,
    cacheWrite: usage.cacheWriteTokens,
    reasoning: usage.reasoningTokens
  })

const usageOf = (usage: Usage): LanguageModelV4Usage => ({
  inputTokens: {
    total: promptTokens(usage),
    noCache: usage.uncachedInput,
    cacheRead: usage.cacheReadInput,
    cacheWrite: usage.cacheWriteInput
  },
  outputTokens: {
    total: completionTokens(usage),
    text: usage.output - usage.reasoning,
    reasoning: usage.reasoning
  }
})

/** How the answer came about. Times are milliseconds. */
const metadataOf = (response: AIResponse): { millrace: JSONObject } => ({
  millrace: {
    requestId: response.requestId,
    provider: response.provider,
    model: response.model,
    cached: response.cached,
    cacheKind: response.cacheKind,
    attempts: response.attempts,
    costUsd: response.cost,
    latencyMs: response.latency,
    timeToFirstTokenMs: response.timeToFirstToken,
    usageEstimated: response.usage.estimated,
    ...(response.omitted.length === 0 ? {} : { omitted: [...response.omitted] })
  }
})
