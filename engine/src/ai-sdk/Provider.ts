/**
 * The engine as a provider of the AI SDK (specification v4): `millrace("openai/gpt-5.4-mini")`.
 *
 * Model ids are those of the engine: `provider/model`, an alias, or a bare model; without one the default model answers.
 */
import type { ProviderV4 } from "@ai-sdk/provider"
import type { AIEngine } from "../AIEngine.ts"
import { MillraceEmbeddingModel } from "./EmbeddingModel.ts"
import { type LanguageModelOptions, MillraceLanguageModel } from "./LanguageModel.ts"

export interface MillraceProvider extends ProviderV4 {
  (modelId?: string): MillraceLanguageModel
  languageModel(modelId?: string): MillraceLanguageModel
  embeddingModel(modelId?: string): MillraceEmbeddingModel
  /** The name of `embeddingModel` in earlier versions of the SDK. */
  textEmbeddingModel(modelId?: string): MillraceEmbeddingModel
}

/**
 * @example
 * const millrace = createMillrace(engine)
 * const { text } = await generateText({ model: millrace("fast"), prompt: "Write a haiku about programming" })
 */
export const createMillrace = (engine: AIEngine, options: LanguageModelOptions = {}): MillraceProvider => {
  const languageModel = (modelId = "") => new MillraceLanguageModel(engine, modelId, options)
  const embeddingModel = (modelId = "") => new MillraceEmbeddingModel(engine, modelId)
  return Object.assign((modelId?: string) => languageModel(modelId), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel,
    textEmbeddingModel: embeddingModel,
    imageModel: (modelId: string): never => {
      throw new NoSuchModelError(modelId, "imageModel")
    }
  })
}

/** What the SDK takes for its own `NoSuchModelError`, by the marks it looks for: the SDK is not imported here. */
class NoSuchModelError extends Error {
  override readonly name = "AI_NoSuchModelError"
  readonly modelId: string
  readonly modelType: string

  constructor(modelId: string, modelType: string) {
    super(`No such ${modelType}: ${modelId}`)
    this.modelId = modelId
    this.modelType = modelType
    for (const mark of ["vercel.ai.error", "vercel.ai.error.AI_NoSuchModelError"]) {
      Object.defineProperty(this, Symbol.for(mark), { value: true })
    }
  }
}
