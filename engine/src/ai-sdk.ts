/**
 * The AI SDK and Millrace, both ways.
 *
 * `createMillrace` gives a provider of the AI SDK whose calls go through an `AIEngine`. `fromAiSdk` takes any model or
 * provider of the AI SDK as a provider of the engine. Only types of `@ai-sdk/provider` are used (specification v4).
 */
export { MillraceEmbeddingModel } from "./ai-sdk/EmbeddingModel.ts"
export { type LanguageModelOptions, MillraceLanguageModel } from "./ai-sdk/LanguageModel.ts"
export { createMillrace, type MillraceProvider } from "./ai-sdk/Provider.ts"
export { type AiSdkOptions, fromAiSdk } from "./ai-sdk/Upstream.ts"
