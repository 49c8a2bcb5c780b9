/**
 * From a configuration to Layers: every concern of the engine with its state, wired but not ordered.
 *
 * The order of the pipeline is in `Engine.ts`; here is only who gets which part of the configuration, and where status,
 * gauges and admin answers are read from. Nothing here acts on a request.
 */
import { Clock, Effect, Layer } from "effect"
import type { Registry } from "prom-client"
import type { Provider as AdminProvider, Status } from "./AdminAnswers.ts"
import { AdminSources } from "./AdminSources.ts"
import { Breaker } from "./Breaker.ts"
import { Cache } from "./Cache.ts"
import type { Target } from "./Call.ts"
import type { EngineConfig, ProviderConfig } from "./Config.ts"
import { redact } from "./ConfigRedact.ts"
import { defaultEmbeddingModels } from "./ConfigRules.ts"
import { httpProvider } from "./HttpProvider.ts"
import { Metrics } from "./Metrics.ts"
import * as ModelCatalog from "./ModelCatalog.ts"
import { Pricing } from "./Pricing.ts"
import type { Provider, ProviderInfo } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import { anthropicMessages } from "./protocols/AnthropicMessages.ts"
import { gemini } from "./protocols/Gemini.ts"
import { openAiChat } from "./protocols/OpenAiChat.ts"
import { openAiResponses } from "./protocols/OpenAiResponses.ts"
import type { Protocol } from "./protocols/Protocol.ts"
import { RateLimiter } from "./RateLimiter.ts"
import { RequestLog } from "./RequestLog.ts"
import { Retry } from "./Retry.ts"
import { Routing } from "./Routing.ts"
import { simulatedProvider } from "./SimulatedProvider.ts"
import { StatusSource } from "./Status.ts"
import * as UsageDatabase from "./stores/UsageDatabase.ts"
import * as Telemetry from "./Telemetry.ts"
import { Tokenizer } from "./Tokenizer.ts"
import { Transport } from "./Transport.ts"
import { UsageLog } from "./UsageLog.ts"
import { version } from "./version.ts"

export interface LiveOptions {
  /** The host application's prom-client registry. */
  readonly registry?: Registry | undefined
  /** Adds Node's process metrics. */
  readonly processMetrics?: boolean | undefined
  /** Logs to the console as `logging` says; without it lines go to the loggers of the host. */
  readonly console?: boolean | undefined
  /**
   * Providers made by code (tests, other SDKs). One that the configuration names answers in the place of that one and
   * under its limits; others bring their own and come after the configured ones, or alone when none are configured.
   */
  readonly providers?: ReadonlyArray<Provider> | undefined
}

/** Everything that the engine and its doors are made of. */
export type Services =
  | AdminSources
  | Breaker
  | Cache
  | Metrics
  | Pricing
  | Providers
  | RateLimiter
  | RequestLog
  | Retry
  | Routing
  | StatusSource
  | Tokenizer
  | UsageLog

export const services = (config: EngineConfig, options: LiveOptions = {}): Layer.Layer<Services> => {
  const concerns = Layer.mergeAll(
    Breaker.layer(config.breaker),
    Cache.layer(config.cache),
    Pricing.layer((target, usage, atMs) => ModelCatalog.price(usage, modelRef(config, target), atMs)),
    RequestLog.layer(config.logging),
    Retry.layer(config.retry),
    Routing.layer({
      providers: config.providers.map((provider) => madeInfo(provider, options.providers)),
      aliases: config.aliases,
      strategy: config.routing.strategy,
      weight: (name) => weightOf(config, name),
      typicalUsd: (target, atMs) => typicalUsd(config, target, atMs)
    }),
    Tokenizer.layer({ limits: (target) => limitsOf(config, target) }),
    UsageDatabase.layer(config.storage),
    providersLayer(config, options)
  )
  const limiter = Layer.unwrap(
    Effect.map(Metrics, (metrics) =>
      RateLimiter.layer({ providers: config.providers, queue: config.queue, onWait: metrics.waited })
    )
  )
  const metrics = Metrics.layer({ registry: options.registry, processMetrics: options.processMetrics })
  return Layer.mergeAll(statusLayer(config), adminLayer(config), gauges(config)).pipe(
    Layer.provideMerge(limiter),
    Layer.provideMerge(metrics),
    Layer.provideMerge(concerns),
    Layer.provideMerge(Telemetry.layer(config.telemetry)),
    Layer.provideMerge(options.console === true ? RequestLog.layerConsole(config.logging) : Layer.empty)
  )
}

const protocols: { readonly [K in ProviderConfig["kind"]]?: Protocol } = {
  openai: openAiChat,
  "openai-compatible": openAiChat,
  anthropic: anthropicMessages,
  google: gemini
}

const protocolOf = ({ api, kind }: ProviderConfig): Protocol | undefined =>
  api === "responses" ? openAiResponses : protocols[kind]

/** `auto` answers a caller of the Responses API with it, where it is known to be: at OpenAI. */
const ownProtocolsOf = ({ api, kind }: ProviderConfig): ReadonlyArray<Protocol> =>
  api === "auto" && kind === "openai" ? [openAiResponses] : []

/** What the pipeline may know of a provider: everything but its keys. */
export const infoOf = (config: ProviderConfig): ProviderInfo => ({
  name: config.name,
  kind: config.kind,
  model: config.model,
  models: config.models,
  maxTokens: config.maxTokens,
  contextWindow: config.contextWindow,
  timeoutMs: config.timeoutMs,
  idleTimeoutMs: config.idleTimeoutMs,
  rateLimits: config.rateLimits,
  pricing: config.pricing,
  dialect: protocolOf(config)?.dialect,
  ownDialects: ownProtocolsOf(config).map(({ dialect }) => dialect),
  embeddingModel: defaultEmbeddingModels[config.kind] ?? (config.kind === "anthropic" ? undefined : config.model)
})

/** The same with the embeddings of the provider that code has made under its name, where that says which. */
const madeInfo = (config: ProviderConfig, made: LiveOptions["providers"]): ProviderInfo => {
  const provider = made?.find(({ name }) => name === config.name)
  const info = infoOf(config)
  return provider !== undefined && "embeddingModel" in provider
    ? { ...info, embeddingModel: provider.embeddingModel }
    : info
}

/** Where a provider is called; undefined for the simulator. */
export const baseUrlOf = (config: ProviderConfig): string | undefined =>
  config.baseUrl ?? protocols[config.kind]?.defaultBaseUrl

const providersLayer = (config: EngineConfig, options: LiveOptions): Layer.Layer<Providers> =>
  Layer.unwrap(
    Effect.gen(function* () {
      if (!config.simulated) yield* ModelCatalog.load
      const transport = yield* Transport
      const scripted = new Map(options.providers?.map((provider) => [provider.name, provider]))
      return Providers.layer(
        config.providers.map((provider) => scripted.get(provider.name) ?? providerOf(provider, transport))
      )
    })
  ).pipe(Layer.provide(Transport.layer))

const providerOf = (config: ProviderConfig, transport: Transport["Service"]): Provider => {
  const info = infoOf(config)
  const protocol = protocolOf(config)
  if (protocol === undefined) return simulatedProvider(info, config.simulated)
  return httpProvider({
    info,
    protocol,
    ownProtocols: ownProtocolsOf(config),
    baseUrl: config.baseUrl ?? protocol.defaultBaseUrl,
    apiKeys: config.apiKeys,
    transport
  })
}

const modelRef = (config: EngineConfig, target: { readonly provider: string; readonly model: string }) => {
  const provider = config.providers.find(({ name }) => name === target.provider)
  return {
    kind: provider?.kind ?? "openai-compatible",
    model: target.model,
    baseUrl: provider?.baseUrl,
    pricing: provider?.pricing
  }
}

/** What bounds a prompt: the configuration, else the catalogue. */
const limitsOf = (config: EngineConfig, target: { readonly provider: string; readonly model: string }) => {
  const provider = config.providers.find(({ name }) => name === target.provider)
  const ref = modelRef(config, target)
  const model = ModelCatalog.lookup(ref)
  return {
    kind: ref.kind,
    contextWindow: provider?.contextWindow ?? model.contextWindow,
    maxInputTokens: provider?.contextWindow === undefined ? model.maxInputTokens : undefined,
    maxTokens: provider?.maxTokens
  }
}

const weightOf = (config: EngineConfig, name: string): number => {
  const limits = config.providers.find((provider) => provider.name === name)?.rateLimits
  return limits?.requestsPerMinute ?? (limits?.concurrent ?? 1) * 60
}

/** A call of a thousand prompt tokens and as many of the answer. */
const typicalUsd = (config: EngineConfig, target: Target, atMs: number): number | undefined => {
  const prices = ModelCatalog.pricesOf(modelRef(config, target), atMs)
  return prices === undefined ? undefined : (prices.input + prices.output) / 1000
}

const emptyLimit = { configured: null, learned: null, available: null }

const providerStatus = (
  config: ProviderConfig,
  limiter: RateLimiter["Service"],
  breaker: Breaker["Service"],
  nowMs: number
) => {
  const lane = limiter.status(config.name, nowMs)
  return {
    name: config.name,
    kind: config.kind,
    model: config.model,
    breaker: breaker.stateOfProvider(config.name, nowMs),
    active: lane?.active ?? 0,
    queued: lane?.queued ?? 0,
    limits: lane?.limits ?? { requestsPerMinute: emptyLimit, tokensPerMinute: emptyLimit, concurrent: emptyLimit }
  }
}

const statusLayer = (config: EngineConfig) =>
  Layer.effect(
    StatusSource,
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const breaker = yield* Breaker
      const cache = yield* Cache
      const usageLog = yield* UsageLog
      const startedAtMs = yield* Clock.currentTimeMillis
      const statusAt = (nowMs: number): Status => {
        let waiting = 0
        let oldestWaitMs = 0
        for (const { name } of config.providers) {
          const lane = limiter.status(name, nowMs)
          waiting += lane?.queued ?? 0
          oldestWaitMs = Math.max(oldestWaitMs, lane?.oldestWaitMs ?? 0)
        }
        return {
          version,
          uptimeSeconds: Math.floor((nowMs - startedAtMs) / 1000),
          simulated: config.simulated,
          providers: config.providers.map((provider) => providerStatus(provider, limiter, breaker, nowMs)),
          cache: cache.stats(),
          queue: { waiting, oldestWaitMs },
          totals: usageLog.totals(),
          stores: { database: usageLog.health(), redis: null }
        }
      }
      return StatusSource.of({ get: Effect.map(Clock.currentTimeMillis, statusAt) })
    })
  )

const adminLayer = (config: EngineConfig) =>
  Layer.effect(
    AdminSources,
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const breaker = yield* Breaker
      const cache = yield* Cache
      return AdminSources.of({
        providers: Effect.map(Clock.currentTimeMillis, (nowMs) =>
          config.providers.map((provider): AdminProvider => ({
            ...providerStatus(provider, limiter, breaker, nowMs),
            models: provider.models ?? null,
            baseUrl: provider.baseUrl ?? protocols[provider.kind]?.defaultBaseUrl ?? null
          }))
        ),
        config: Effect.sync(() => redact(config)),
        cache: Effect.sync(() => cache.stats()),
        purgeCache: Effect.sync(() => cache.purge())
      })
    })
  )

const circuitNumber = { closed: 0, "half-open": 1, open: 2 } as const

const gauges = (config: EngineConfig) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const limiter = yield* RateLimiter
      const breaker = yield* Breaker
      const cache = yield* Cache
      const usageLog = yield* UsageLog
      const metrics = yield* Metrics
      metrics.observe({
        providers: () => {
          const nowMs = clock.currentTimeMillisUnsafe()
          return config.providers.map((provider) => {
            const { active, breaker: circuit, queued } = providerStatus(provider, limiter, breaker, nowMs)
            return { name: provider.name, active, queued, circuit: circuitNumber[circuit] }
          })
        },
        cacheEntries: () => [{ kind: "exact", entries: cache.stats().entries }],
        rowsDropped: () => usageLog.health().rowsDropped
      })
    })
  )
