/**
 * What a provider is to the pipeline: a name, its limits and times, and a way to open an attempt.
 *
 * HTTP providers are made from a protocol (`HttpProvider`), the simulator answers by itself (`SimulatedProvider`), and
 * `millrace/testing` scripts one. A provider opens exactly one upstream call per attempt and never retries.
 */
import type { Effect, Scope } from "effect"
import type { AttemptCall } from "./Stage.ts"
import type { EngineError } from "./Errors.ts"
import type { Dialect, Reply } from "./Reply.ts"
import type { KeyStatus } from "./ProviderKeys.ts"
import type { Pricing } from "./PriceOverrides.ts"
import type { Request } from "./Request.ts"

/**
 * Whether limits follow what the provider reports and refuses: `true` both ways, above what is configured only by report;
 * `probe` also by trying; `down` never above what is configured; `watch` shows what is reported and holds nobody by it;
 * `false` not at all.
 */
export type LearnMode = boolean | "down" | "probe" | "watch"

export interface RateLimits {
  /** Requests in any window, as a rate per minute. */
  readonly requestsPerMinute: number | undefined
  /** Prompt and completion tokens in any window, as a rate per minute. */
  readonly tokensPerMinute: number | undefined
  /** Calls at the same time, 1 or more. */
  readonly concurrent: number
  /** Length of the sliding window in milliseconds. */
  readonly windowMs: number
  /** Off unless told. */
  readonly learn?: LearnMode | undefined
}

/** A provider as configured, without what is secret. */
export interface ProviderInfo {
  /** Unique. */
  readonly name: string
  readonly kind: string
  /** The model of requests that name none. */
  readonly model: string
  /** When given, only these models are routed here. */
  readonly models: ReadonlyArray<string> | undefined
  /** Completion tokens of requests that name none. */
  readonly maxTokens: number | undefined
  readonly contextWindow: number | undefined
  /** Milliseconds to the first part of an attempt. */
  readonly timeoutMs: number
  /** Milliseconds of silence between parts. */
  readonly idleTimeoutMs: number
  readonly rateLimits: RateLimits
  readonly pricing: Pricing | undefined
  /** The dialect whose events and bodies this provider can hand through untouched. */
  readonly dialect: Dialect | undefined
  /** Further dialects that the provider has an API of their own for. */
  readonly ownDialects?: ReadonlyArray<Dialect> | undefined
  /** The model of embeddings requests that name none; absent where there is no such model. */
  readonly embeddingModel?: string | undefined
}

/** Whether bodies of a dialect go to the provider and come back untouched. */
export const speaks = (provider: ProviderInfo, dialect: Dialect | undefined): boolean =>
  dialect !== undefined && (provider.dialect === dialect || provider.ownDialects?.includes(dialect) === true)

export interface Provider extends ProviderInfo {
  /** Succeeds with the first part in hand. The scope closes the connection. */
  readonly open: (call: AttemptCall) => Effect.Effect<Reply, EngineError, Scope.Scope>
  /** Tokens of a prompt by the provider's own count; undefined where it has none for this prompt. */
  readonly countTokens?:
    | ((request: Request, model: string) => Effect.Effect<number | undefined, EngineError>)
    | undefined
  /** What is known of its keys, by their place in the configuration; undefined where it has no such thing. */
  readonly keys?: ((nowMs: number) => ReadonlyArray<KeyStatus>) | undefined
  /** Frees what the provider holds. Run when an engine that it was given to closes. */
  readonly close?: Effect.Effect<void> | undefined
}

/** Limits and times of a provider that is made by code and says nothing else. */
export const defaultInfo = {
  models: undefined,
  maxTokens: undefined,
  contextWindow: undefined,
  timeoutMs: 60_000,
  idleTimeoutMs: 30_000,
  rateLimits: { requestsPerMinute: undefined, tokensPerMinute: undefined, concurrent: 64, windowMs: 60_000 },
  pricing: undefined,
  dialect: undefined
} as const satisfies Omit<ProviderInfo, "name" | "kind" | "model">
