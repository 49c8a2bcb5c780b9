/**
 * The engine as an embedding model of the AI SDK (specification v4).
 */
import type {
  EmbeddingModelV4,
  EmbeddingModelV4CallOptions,
  EmbeddingModelV4Result,
  SharedV4Warning
} from "@ai-sdk/provider"
import { Result } from "effect"
import { type AIEngine, AIEngineError } from "../AIEngine.ts"
import { InvalidRequest } from "../Errors.ts"
import { carriesHeaders, headersWarning, ownOptions, rethrow } from "./CallRequest.ts"

export class MillraceEmbeddingModel implements EmbeddingModelV4 {
  readonly specificationVersion = "v4"
  readonly provider = "millrace"
  readonly modelId: string
  readonly maxEmbeddingsPerCall = undefined
  readonly supportsParallelCalls = true
  private readonly engine: AIEngine

  constructor(engine: AIEngine, modelId: string) {
    this.engine = engine
    this.modelId = modelId
  }

  async doEmbed(options: EmbeddingModelV4CallOptions): Promise<EmbeddingModelV4Result> {
    const own = ownOptions(options.providerOptions)
    if (Result.isFailure(own)) throw new AIEngineError(own.failure, 0)
    const { reasoning, strict, ...settings } = own.success
    if (reasoning !== undefined || strict !== undefined) {
      const field = `providerOptions.millrace.${reasoning === undefined ? "strict" : "reasoning"}`
      throw new AIEngineError(new InvalidRequest({ field, detail: "means nothing for embeddings" }), 0)
    }
    const answer = this.engine.embed(
      {
        ...settings,
        input: options.values,
        ...(this.modelId === "" ? {} : { model: this.modelId }),
        ...(options.dimensions === undefined ? {} : { dimensions: options.dimensions })
      },
      { signal: options.abortSignal }
    )
    const { cached, cost, embeddings, model, provider, requestId, usage } = await answer.catch((error: unknown) =>
      rethrow(error, options.abortSignal)
    )
    const warnings: Array<SharedV4Warning> = carriesHeaders(options.headers) ? [headersWarning] : []
    return {
      embeddings: embeddings.map((vector) => vector.slice()),
      usage: { tokens: usage.promptTokens },
      warnings,
      providerMetadata: { millrace: { requestId, provider, model, cached, costUsd: cost } }
    }
  }
}
