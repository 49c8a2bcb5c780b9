/**
 * Millrace: one pipeline for every LLM call.
 *
 * `Engine` for Effect, `AIEngine` for Promises (also the default export), and every concern with its layers, so that any of
 * them can be replaced.
 */
export {
  AIEngine,
  AIEngine as default,
  AIEngineError,
  type AnswerStream,
  type CallOptions,
  type PartStream,
  type TextStream
} from "./AIEngine.ts"
export type { Status } from "./AdminAnswers.ts"
export { Breaker } from "./Breaker.ts"
export { Budget } from "./Budget.ts"
export { Cache, type CacheOptions, type CacheStats } from "./Cache.ts"
export type { CacheRecord } from "./CacheRecord.ts"
export type { CacheStore, CacheStoreHealth } from "./CacheStore.ts"
export type { Attempt, Call, CacheResult, Journal, Outcome, Target } from "./Call.ts"
export { Settlement, upstreamAttempts } from "./Call.ts"
export { ConfigError, decode as decodeConfig, EngineConfig, type EngineConfigInput } from "./Config.ts"
export { load as loadConfigFile } from "./ConfigFile.ts"
export { AIEmbedRequest } from "./EmbedRequest.ts"
export { Engine } from "./Engine.ts"
export * from "./Errors.ts"
export type { Grant, KeyBudget, KeyLimits } from "./Grant.ts"
export { Hedge } from "./Hedge.ts"
export type { KeyRecord, KeySettings, MadeKey } from "./KeyRecord.ts"
export { type Authentication, Keys, type KeysOptions } from "./Keys.ts"
export { type KeyStore, KeyStoreUnavailable } from "./KeyStore.ts"
export { type LiveOptions, type Services, services } from "./Live.ts"
export { Metrics } from "./Metrics.ts"
export { Pricing } from "./Pricing.ts"
export type { Provider, ProviderInfo } from "./Provider.ts"
export { Providers } from "./Providers.ts"
export { RateLimiter } from "./RateLimiter.ts"
export type { Block, Completion, FinishReason, Part, Parts, ToolCall } from "./Reply.ts"
export * as Reply from "./Reply.ts"
export { AIRequest, type ContentPart, type Message, type Request, type Tool } from "./Request.ts"
export { RequestLog } from "./RequestLog.ts"
export type { AIEmbedResponse, AIResponse } from "./Response.ts"
export { Retry } from "./Retry.ts"
export { Routing } from "./Routing.ts"
export { type EmbedFunction, SemanticCache } from "./SemanticCache.ts"
export { SingleFlight } from "./SingleFlight.ts"
export type { AttemptStage, Open, OpenAttempt, Stage } from "./Stage.ts"
export { StatusSource } from "./Status.ts"
export { Tokenizer } from "./Tokenizer.ts"
export { Transport } from "./Transport.ts"
export type { Cost, Usage } from "./Usage.ts"
export { UsageLog } from "./UsageLog.ts"
