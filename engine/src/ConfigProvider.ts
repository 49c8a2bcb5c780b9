/**
 * One provider of the configuration: as people write it, or made by code and added to what they write.
 *
 * Defaults are filled in here, times become milliseconds and keys are redacted. What is wrong with an entry is found
 * before, by the schema and by `ConfigRules`.
 */
import { Predicate, Redacted } from "effect"
import { defaultModels, kindOf, modelsOf } from "./ConfigRules.ts"
import type { Kind } from "./ConfigRules.ts"
import { providerKinds, secretText, toMillis } from "./ConfigSchema.ts"
import type { ProviderInput } from "./ConfigSchema.ts"
import type { Pricing } from "./PriceOverrides.ts"
import type { LearnMode, ProviderInfo, RateLimits } from "./Provider.ts"
import type { ScopeRates } from "./RateScope.ts"

/** One provider, ready to be made. */
export interface ProviderConfig {
  /** Unique. */
  readonly name: string
  readonly kind: Kind
  /** Empty for the simulator and for local servers that ask for none. */
  readonly apiKeys: ReadonlyArray<Redacted.Redacted>
  /** http or https, without a trailing slash; undefined stands for the kind's own. */
  readonly baseUrl: string | undefined
  readonly api: "auto" | "chat" | "responses" | "completions"
  /** The model of requests that name none. */
  readonly model: string
  /** When given, only these are routed here; holds `model`. */
  readonly models: ReadonlyArray<string> | undefined
  /** Completion tokens of requests that name none. */
  readonly maxTokens: number | undefined
  readonly contextWindow: number | undefined
  /** Milliseconds to the first part of an attempt. */
  readonly timeoutMs: number
  /** Milliseconds of silence between parts. */
  readonly idleTimeoutMs: number
  readonly rateLimits: RateLimits
  /** Limits of single models; has no prototype. */
  readonly modelLimits: { readonly [model: string]: ScopeRates }
  readonly pricing: Pricing | undefined
  /** How the simulator behaves; used by kind `simulated` only. */
  readonly simulated: {
    /** Milliseconds to the first part. */
    readonly latencyMs: number
    readonly tokensPerSecond: number
    /** Share of the calls that fail, 0 to 1. */
    readonly failureRate: number
    readonly seed: number
  }
}

export const buildProvider = (input: ProviderInput): ProviderConfig => {
  const kind = kindOf(input)!
  const models = modelsOf(input)
  const { rateLimits, simulated } = input
  return {
    name: input.name,
    kind,
    apiKeys: (input.apiKeys ?? (input.apiKey === undefined ? [] : [input.apiKey])).map((key) =>
      Redacted.make(secretText(key))
    ),
    baseUrl: input.baseUrl === undefined ? undefined : new URL(input.baseUrl).href.replace(/\/+$/, ""),
    api: input.api ?? "auto",
    model: input.model ?? models?.[0] ?? defaultModels[kind]!,
    models,
    maxTokens: input.maxTokens,
    contextWindow: input.contextWindow,
    timeoutMs: millis(input.timeout, 60_000),
    idleTimeoutMs: millis(input.idleTimeout, 30_000),
    rateLimits: {
      requestsPerMinute: rateLimits?.requestsPerMinute,
      tokensPerMinute: rateLimits?.tokensPerMinute,
      concurrent: rateLimits?.concurrent ?? 64,
      windowMs: millis(rateLimits?.window, 60_000),
      learn: rateLimits?.learn ?? defaultLearn(input)
    },
    modelLimits: recordOf(input.modelLimits, (limits) => ownLimits(limits, rateLimits?.window)),
    pricing: input.pricing,
    simulated: {
      latencyMs: millis(simulated?.latency, 300),
      tokensPerSecond: simulated?.tokensPerSecond ?? 80,
      failureRate: simulated?.failureRate ?? 0,
      seed: simulated?.seed ?? 1
    }
  }
}

/** What is reported is of one key, and each may have limits of its own; who sets no limits wants none to be kept. */
const defaultLearn = (input: ProviderInput): LearnMode =>
  (input.apiKeys?.length ?? 1) > 1 ? false : input.rateLimits === undefined ? "watch" : true

/** Limits of a model or a tenant; the window is the provider's where there is one. */
export const ownLimits = (limits: NonNullable<ProviderInput["rateLimits"]>, window?: number | string): ScopeRates => ({
  requestsPerMinute: limits.requestsPerMinute,
  tokensPerMinute: limits.tokensPerMinute,
  concurrent: limits.concurrent,
  windowMs: millis(limits.window ?? window, 60_000)
})

/** A record without a prototype: names come from people. */
export const recordOf = <A, B>(
  input: { readonly [name: string]: A } | undefined,
  of: (value: A) => B
): { readonly [name: string]: B } => {
  const out = Object.create(null) as Record<string, B>
  for (const [name, value] of Object.entries(input ?? {})) out[name] = of(value)
  return out
}

/** Stands for the providers of an input that has none, where code has made some. */
export const placeholder = [{ name: "simulated" }]

/** Providers made by code that the input doesn't name; one for each name. */
export const unnamedIn = (
  input: { readonly [key: PropertyKey]: unknown },
  providers: ReadonlyArray<ProviderInfo>
): ReadonlyArray<ProviderInfo> => {
  const entries: ReadonlyArray<unknown> = Array.isArray(input["providers"]) ? input["providers"] : []
  const named = new Set(entries.map((entry) => (Predicate.isObject(entry) ? entry["name"] : undefined)))
  return [...new Map(providers.map((provider) => [provider.name, provider])).values()].filter(
    ({ name }) => !named.has(name)
  )
}

/** The document as the rules between fields see it: aliases may lead to providers made by code. */
export const withMade = (document: unknown, made: ReadonlyArray<ProviderInfo>, alone: boolean): unknown => {
  if (made.length === 0 || !Predicate.isObject(document)) return document
  const written: ReadonlyArray<unknown> = Array.isArray(document["providers"]) ? document["providers"] : []
  const entries = made.map(({ model, models, name }) => ({ name, kind: "made by code", model, models }))
  return { ...document, providers: [...(alone ? [] : written), ...entries] }
}

export const fromMade = (made: ProviderInfo): ProviderConfig => ({
  ...buildProvider({ name: made.name, kind: "openai-compatible", model: made.model }),
  kind: providerKinds.find((kind) => kind === made.kind) ?? "openai-compatible",
  models: made.models,
  maxTokens: made.maxTokens,
  contextWindow: made.contextWindow,
  timeoutMs: made.timeoutMs,
  idleTimeoutMs: made.idleTimeoutMs,
  rateLimits: made.rateLimits,
  pricing: made.pricing
})

/** Milliseconds of a time that the schema has accepted. */
export const millis = (value: number | string | undefined, otherwise: number): number =>
  value === undefined ? otherwise : toMillis(value)!
