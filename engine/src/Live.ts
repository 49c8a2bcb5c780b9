/**
 * From a configuration to Layers: every concern of the engine with its state, wired but not ordered.
 *
 * The order of the pipeline is in `Engine.ts`; here is only who gets which part of the configuration, and where status,
 * gauges and admin answers are read from. Nothing here acts on a request.
 */
import { Effect, Layer } from "effect"
import type { Registry } from "prom-client"
import type { AdminSources } from "./AdminSources.ts"
import type { Breaker } from "./Breaker.ts"
import type { Budget } from "./Budget.ts"
import { Cache } from "./Cache.ts"
import type { Target } from "./Call.ts"
import type { EngineConfig } from "./Config.ts"
import { Hedge } from "./Hedge.ts"
import { madeInfo, providersLayer } from "./LiveProviders.ts"
import { adminLayer, gauges, statusLayer } from "./LiveStatus.ts"
import * as LogConsole from "./LogConsole.ts"
import { Metrics } from "./Metrics.ts"
import * as ModelCatalog from "./ModelCatalog.ts"
import { modelRef as refOf } from "./PriceLists.ts"
import { type Price, Pricing } from "./Pricing.ts"
import type { Kept } from "./Kept.ts"
import type { Keys } from "./Keys.ts"
import { budgetLayer } from "./LiveBudgets.ts"
import { semanticLayer } from "./LiveSemantic.ts"
import { breakerLayer, flightsLayer, retryLayer } from "./LiveFlow.ts"
import { databaseLayer, keyLimits, keysLayer } from "./LiveKeys.ts"
import { redisPart, Shared, sharedLayer, sharedLimitsLayer } from "./LiveShared.ts"
import type { Provider } from "./Provider.ts"
import type { Providers } from "./Providers.ts"
import { RateLimiter } from "./RateLimiter.ts"
import { RequestLog } from "./RequestLog.ts"
import type { Retry } from "./Retry.ts"
import { Routing } from "./Routing.ts"
import type { SharedLimits } from "./SharedLimits.ts"
import type { EmbedFunction, SemanticCache } from "./SemanticCache.ts"
import type { SingleFlight } from "./SingleFlight.ts"
import { cacheSources } from "./stores/CacheSources.ts"
import * as TokenThread from "./stores/TokenThread.ts"
import * as UsageDatabase from "./stores/UsageDatabase.ts"
import * as Telemetry from "./Telemetry.ts"
import { conventionsOf } from "./GenAiNames.ts"
import { tracingLayer } from "./LiveTracing.ts"
import type { Tracing } from "./Tracing.ts"
import { Tokenizer } from "./Tokenizer.ts"
import type { StatusSource } from "./Status.ts"
import type { UsageLog } from "./UsageLog.ts"

export interface LiveOptions {
  /** The host application's prom-client registry. */
  readonly registry?: Registry | undefined
  /** Adds Node's process metrics. */
  readonly processMetrics?: boolean | undefined
  /** Logs to the console, or to standard output, as `logging` says; without it lines go to the loggers of the host. */
  readonly console?: boolean | "stdout" | undefined
  /**
   * Providers made by code (tests, other SDKs). One that the configuration names answers in the place of that one and
   * under its limits; others bring their own and come after the configured ones, or alone when none are configured.
   */
  readonly providers?: ReadonlyArray<Provider> | undefined
  /** What outlives a change of the configuration. */
  readonly kept?: Kept | undefined
  /** False where somebody else makes the gauges. */
  readonly gauges?: boolean | undefined
  /** Makes the vectors of the semantic cache in the place of `cache.semantic.embedder`. */
  readonly embedder?: EmbedFunction | undefined
}

/** Everything that the engine and its doors are made of. */
export type Services =
  | AdminSources
  | Breaker
  | Budget
  | Cache
  | Hedge
  | Keys
  | Metrics
  | Pricing
  | Providers
  | RateLimiter
  | RequestLog
  | Retry
  | Routing
  | SemanticCache
  | Shared
  | SharedLimits
  | SingleFlight
  | StatusSource
  | Tokenizer
  | Tracing
  | UsageLog

export const services = (config: EngineConfig, options: LiveOptions = {}): Layer.Layer<Services> => {
  const { kept } = options
  const inForce = kept === undefined ? () => config : kept.config
  const keep: Kept["layer"] = kept === undefined ? (_name, _part, layer) => layer : kept.layer
  const kindOf = (name: string) => inForce().providers.find((provider) => provider.name === name)?.kind
  const { storage } = config
  const sql = databaseLayer(config)
  const database = sql === undefined ? undefined : keep("database", storage.database, sql)
  const concerns = Layer.mergeAll(
    keep("breaker", [config.breaker, redisPart(storage)], breakerLayer(config)),
    keep(
      "cache",
      [config.cache, redisPart(storage)],
      Layer.unwrap(
        Effect.map(Shared, ({ link }) =>
          Cache.layer({
            ...config.cache,
            kindOf,
            priceUsd: (target, usage, atMs) => {
              const cost = ModelCatalog.price(usage, modelRef(inForce(), target), atMs)
              return cost._tag === "Priced" ? cost.usd : undefined
            },
            ...cacheSources(config.cache, link)
          })
        )
      )
    ),
    keep("hedge", config.hedge, Hedge.layer(config.hedge)),
    keep("keys", storage.database, keysLayer(inForce, database)),
    Pricing.layer(priceOf(config)),
    RequestLog.layer(config.logging),
    keep("retry", [config.retry, redisPart(storage)], retryLayer(config)),
    Routing.layer({
      providers: config.providers.map((provider) => madeInfo(provider, options.providers)),
      aliases: config.aliases,
      strategy: config.routing.strategy,
      weight: (name) => weightOf(config, name),
      typicalUsd: (target, atMs) => typicalUsd(config, target, atMs)
    }),
    tracingLayer(config, conventionsOf(process.env)),
    keep(
      "tokenizer",
      undefined,
      Tokenizer.layer({ limits: (target) => limitsOf(inForce(), target), count: TokenThread.make() })
    ),
    keep(
      "usage",
      [config.storage, config.logging.content],
      UsageDatabase.layer({ ...config.storage, content: config.logging.content })
    ),
    keep("providers", config.providers, providersLayer(config, options.providers))
  )
  const limiter = keep(
    "limiter",
    undefined,
    Layer.unwrap(
      Effect.map(Metrics, (metrics) =>
        RateLimiter.layer({
          providers: config.providers,
          queue: config.queue,
          tenants: config.tenants,
          onWait: metrics.waited
        })
      )
    )
  )
  const semantic = keep(
    "semantic",
    [config.cache, redisPart(storage), config.logging.content, storage.database],
    semanticLayer(config, { kindOf, embedder: options.embedder })
  )
  const budgets = keep(
    "budgets",
    [storage.database, redisPart(storage)],
    budgetLayer({ config: inForce, refOf: (target) => modelRef(inForce(), target) }, database)
  )
  // Over instances it looks entries up together with the cache, and is made anew with it.
  const flightsPart = storage.redis === undefined ? config.cache.coalesce : [config.cache, redisPart(storage)]
  const flights = keep("flights", flightsPart, flightsLayer(config))
  const metrics = keep(
    "metrics",
    undefined,
    Metrics.layer({ registry: options.registry, processMetrics: options.processMetrics })
  )
  const views = Layer.mergeAll(statusLayer(config, kept?.sinceMs), adminLayer(config), keyLimits)
  const sharedLimits = keep("sharedLimits", redisPart(storage), sharedLimitsLayer({ config: inForce }))
  return (options.gauges === false ? views : Layer.merge(views, gauges(config))).pipe(
    Layer.provideMerge(sharedLimits),
    Layer.provideMerge(limiter),
    Layer.provideMerge(semantic),
    Layer.provideMerge(budgets),
    Layer.provideMerge(flights),
    Layer.provideMerge(metrics),
    Layer.provideMerge(concerns),
    Layer.provideMerge(keep("shared", redisPart(storage), sharedLayer(storage))),
    Layer.provideMerge(keep("telemetry", config.telemetry, Telemetry.layer(config.telemetry))),
    Layer.provideMerge(loggers(config.logging, options.console))
  )
}

/** What a usage costs by the prices of a configuration and of the price table, once `ModelCatalog.load` has run. */
export const priceOf =
  (config: EngineConfig): Price =>
  (target, usage, atMs) =>
    ModelCatalog.price(usage, modelRef(config, target), atMs)

const loggers = (logging: EngineConfig["logging"], console: LiveOptions["console"]): Layer.Layer<never> => {
  const settings = LogConsole.settings(logging)
  if (console === "stdout") return Layer.merge(settings, LogConsole.layerStdout(logging))
  return console === true ? Layer.merge(settings, LogConsole.layerConsole(logging)) : settings
}

const modelRef = (config: EngineConfig, { model, provider: wanted }: Target): ModelCatalog.ModelRef => {
  const provider = config.providers.find(({ name }) => name === wanted)
  return provider === undefined ? { kind: "openai-compatible", model } : refOf(provider, model)
}

/** What bounds a prompt: the configuration, else the catalogue. */
const limitsOf = (config: EngineConfig, target: { readonly provider: string; readonly model: string }) => {
  const provider = config.providers.find(({ name }) => name === target.provider)
  const ref = modelRef(config, target)
  const model = ModelCatalog.lookup(ref)
  const ownApi = provider === undefined || (provider.api === "auto" && provider.kind === "openai")
  return {
    kind: ref.kind,
    api: ownApi ? undefined : provider.api === "responses" ? ("responses" as const) : ("chat" as const),
    contextWindow: provider?.contextWindow ?? model.contextWindow,
    maxInputTokens: provider?.contextWindow === undefined ? model.maxInputTokens : undefined,
    maxTokens: provider?.maxTokens
  }
}

const weightOf = (config: EngineConfig, name: string): number => {
  const limits = config.providers.find((provider) => provider.name === name)?.rateLimits
  return config.routing.weights[name] ?? limits?.requestsPerMinute ?? (limits?.concurrent ?? 1) * 60
}

/** A call of a thousand prompt tokens and as many of the answer. */
const typicalUsd = (config: EngineConfig, target: Target, atMs: number): number | undefined => {
  const prices = ModelCatalog.pricesOf(modelRef(config, target), atMs)
  return prices === undefined ? undefined : (prices.input + prices.output) / 1000
}
