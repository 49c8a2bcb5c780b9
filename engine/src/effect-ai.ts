/**
 * Effect's AI modules and Millrace, both ways.
 *
 * `layer` and `model` give a `LanguageModel` whose calls go through the engine, so toolkits, `generateObject` and `Chat`
 * are cached, limited, retried and measured; `layerEmbedding` and `embeddingModel` do the same for embeddings. `provider`
 * takes any `LanguageModel` as a provider of the engine.
 */
export type { ModelSettings } from "./effect-ai/CallRequest.ts"
export { embeddingModel, type EmbeddingSettings, layerEmbedding } from "./effect-ai/EmbeddingModel.ts"
export { CurrentSettings, layer, model, withSettings } from "./effect-ai/LanguageModel.ts"
export { provider, type ProviderOptions } from "./effect-ai/Upstream.ts"
