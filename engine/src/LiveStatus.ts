/**
 * What the engine is doing now, read from its concerns: status, admin answers and gauges.
 *
 * Everything here is read when somebody asks and holds no state of its own. Nothing here acts on a request.
 */
import { Clock, Effect, Layer } from "effect"
import { AdminSources } from "./AdminSources.ts"
import type { Provider as AdminProvider, ProviderStatus, Status } from "./AdminAnswers.ts"
import { Breaker } from "./Breaker.ts"
import { Budget } from "./Budget.ts"
import { Cache } from "./Cache.ts"
import type { EngineConfig, ProviderConfig } from "./Config.ts"
import type { Target } from "./Call.ts"
import { redact } from "./ConfigRedact.ts"
import type { ProviderGauges } from "./Gauges.ts"
import { Keys } from "./Keys.ts"
import { baseUrlOf } from "./LiveProviders.ts"
import { redisStatus, Shared } from "./LiveShared.ts"
import { Metrics } from "./Metrics.ts"
import { modelsOf, pricesOf } from "./PriceLists.ts"
import * as ProcessLoad from "./ProcessLoad.ts"
import { Providers } from "./Providers.ts"
import { RateLimiter } from "./RateLimiter.ts"
import { SemanticCache } from "./SemanticCache.ts"
import { SharedLimits } from "./SharedLimits.ts"
import { SingleFlight } from "./SingleFlight.ts"
import { StatusSource } from "./Status.ts"
import { UsageLog } from "./UsageLog.ts"
import { version } from "./version.ts"

const emptyLimit = { configured: null, learned: null, available: null }

/** Reads the status of a provider from the concerns that know it. */
const providerStatus = Effect.gen(function* () {
  const limiter = yield* RateLimiter
  const breaker = yield* Breaker
  const usageLog = yield* UsageLog
  const providers = yield* Providers
  const sharedLimits = yield* SharedLimits
  return (config: ProviderConfig, nowMs: number): ProviderStatus => {
    const lane = limiter.status(config.name, nowMs)
    const shared = sharedLimits.provider(config.name)
    return {
      name: config.name,
      kind: config.kind,
      model: config.model,
      breaker: breaker.stateOfProvider(config.name, nowMs),
      active: lane?.active ?? 0,
      queued: lane?.queued ?? 0,
      attempts: usageLog.attemptsAt(config.name),
      keys: providers.get(config.name)?.keys?.(nowMs) ?? [],
      limits: lane?.limits ?? { requestsPerMinute: emptyLimit, tokensPerMinute: emptyLimit, concurrent: emptyLimit },
      ...(lane === undefined ? {} : { queue: lane.queue, modelLimits: lane.models }),
      ...(shared === undefined ? {} : { sharedLimits: shared })
    }
  }
})

/**
 * What the caches and their flights answered. A call that joined a flight, or was served semantically, was looked up and
 * missed before.
 */
const cacheStats = Effect.gen(function* () {
  const cache = yield* Cache
  const singleFlight = yield* SingleFlight
  const semantic = yield* SemanticCache
  return (): Status["cache"] => {
    const stats = cache.stats()
    const { coalesced } = singleFlight.stats()
    const semanticHits = semantic.stats().hits
    const misses = Math.max(0, stats.misses - coalesced - semanticHits)
    const served = stats.hits + semanticHits + coalesced
    const hitRate = served + misses === 0 ? null : served / (served + misses)
    return { ...stats, coalesced, semanticHits, misses, hitRate }
  }
})

/** `sinceMs` is when the process began to serve, where that was before these layers were made. */
export const statusLayer = (config: EngineConfig, sinceMs?: number) =>
  Layer.effect(
    StatusSource,
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const budget = yield* Budget
      const keys = yield* Keys
      const cacheOf = yield* cacheStats
      const usageLog = yield* UsageLog
      const { link } = yield* Shared
      const sharedLimits = yield* SharedLimits
      const statusOf = yield* providerStatus
      const startedAtMs = sinceMs ?? (yield* Clock.currentTimeMillis)
      const load = yield* Effect.acquireRelease(Effect.sync(ProcessLoad.make), ({ stop }) => Effect.sync(stop))
      const statusAt = (nowMs: number): Status => {
        let waiting = 0
        let oldestWaitMs = 0
        for (const { name } of config.providers) {
          const lane = limiter.status(name, nowMs)
          waiting += lane?.queued ?? 0
          oldestWaitMs = Math.max(oldestWaitMs, lane?.queue.oldestWaitMs ?? 0)
        }
        const budgets = budget.overview(nowMs)
        const sharing = sharedLimits.status()
        return {
          version,
          uptimeSeconds: Math.floor((nowMs - startedAtMs) / 1000),
          simulated: config.simulated,
          providers: config.providers.map((provider) => statusOf(provider, nowMs)),
          cache: cacheOf(),
          queue: { waiting, oldestWaitMs },
          tenants: limiter.tenants(nowMs, 100),
          ...(budgets === undefined ? {} : { budgets }),
          keys: { required: keys.required(), ...keys.health() },
          totals: usageLog.totals(),
          process: load.read(),
          ...(sharing === undefined ? {} : { sharing }),
          stores: { database: usageLog.health(), redis: redisStatus(link) }
        }
      }
      return StatusSource.of({ get: Effect.map(Clock.currentTimeMillis, statusAt) })
    })
  )

export const adminLayer = (config: EngineConfig) =>
  Layer.effect(
    AdminSources,
    Effect.gen(function* () {
      const breaker = yield* Breaker
      const cache = yield* Cache
      const cacheOf = yield* cacheStats
      const semantic = yield* SemanticCache
      const statusOf = yield* providerStatus
      const detailOf = (provider: ProviderConfig, nowMs: number): AdminProvider => ({
        ...statusOf(provider, nowMs),
        models: provider.models ?? null,
        baseUrl: baseUrlOf(provider) ?? null,
        circuits: breaker.circuits(provider.name, nowMs)
      })
      return AdminSources.of({
        providers: Effect.map(Clock.currentTimeMillis, (nowMs) =>
          config.providers.map((provider) => detailOf(provider, nowMs))
        ),
        setBreaker: (name, manual) =>
          Effect.map(Clock.currentTimeMillis, (nowMs) => {
            const provider = config.providers.find((each) => each.name === name)
            if (provider === undefined) return undefined
            breaker.set(name, manual, nowMs)
            return detailOf(provider, nowMs)
          }),
        prices: (query) => Effect.map(Clock.currentTimeMillis, (nowMs) => pricesOf(config, query, nowMs)),
        models: (query) => Effect.map(Clock.currentTimeMillis, (nowMs) => modelsOf(config, query, nowMs)),
        config: Effect.sync(() => redact(config)),
        cache: Effect.sync(cacheOf),
        semanticCache: Effect.sync(semantic.status),
        wrongPairs: Effect.sync(semantic.exportPairs),
        takeWrongPairs: (pairs) => Effect.sync(() => semantic.importPairs(pairs)),
        cacheFeedback: (wrong) => Effect.sync(() => semantic.feedback(wrong)),
        purgeCache: (filter) => Effect.tap(cache.purge(filter), () => semantic.purge(filter)),
        evictCacheEntry: (key) =>
          Effect.sync(() => {
            semantic.forget(key)
            return cache.evict(key)
          }),
        showsContent: config.logging.content
      })
    })
  )

const circuitNumber = { closed: 0, "half-open": 1, open: 2 } as const

const gaugesOf = (status: ProviderStatus, queue: EngineConfig["queue"]): ProviderGauges => {
  const { concurrent, requestsPerMinute, tokensPerMinute } = status.limits
  const inForce = (limit: string, { available, configured, learned }: typeof concurrent) => ({
    limit,
    value: learned ?? configured,
    available
  })
  return {
    name: status.name,
    active: status.active,
    circuit: circuitNumber[status.breaker],
    queued: status.queued,
    queueMax: queue.maxWaiting,
    oldestWaitMs: status.queue?.oldestWaitMs ?? 0,
    waitMsMax: queue.maxWaitMs,
    limits: [
      inForce("requests_per_minute", requestsPerMinute),
      inForce("tokens_per_minute", tokensPerMinute),
      inForce("concurrent", concurrent)
    ]
  }
}

/** Every model that the configuration names with its provider. */
const targetsOf = (config: EngineConfig): ReadonlyArray<Target> => {
  const names = new Set(config.providers.map(({ name }) => name))
  const ofAliases = Object.values(config.aliases)
    .flat()
    .filter((id) => id.includes("/"))
    .map((id) => ({ provider: id.slice(0, id.indexOf("/")), model: id.slice(id.indexOf("/") + 1) }))
  return [
    ...config.providers.flatMap(({ model, models = [], name }) =>
      [model, ...models].map((each) => ({ provider: name, model: each }))
    ),
    ...ofAliases.filter(({ provider }) => names.has(provider))
  ]
}

/** Tells the metrics what is configured, and where gauges are read. */
export const gauges = (config: EngineConfig) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const budget = yield* Budget
      const cache = yield* Cache
      const semantic = yield* SemanticCache
      const usageLog = yield* UsageLog
      const { link } = yield* Shared
      const sharedLimits = yield* SharedLimits
      const metrics = yield* Metrics
      const statusOf = yield* providerStatus
      metrics.configured(targetsOf(config))
      const stop = metrics.observe({
        budgets: () => budget.gauges(clock.currentTimeMillisUnsafe()),
        budgetCounts: budget.tallies,
        providers: () => {
          const nowMs = clock.currentTimeMillisUnsafe()
          return config.providers.map((provider) => gaugesOf(statusOf(provider, nowMs), config.queue))
        },
        cacheEntries: () => [
          { kind: "exact", entries: cache.stats().entries },
          { kind: "semantic", entries: semantic.stats().entries }
        ],
        cacheEvictions: () => cache.stats().evictions,
        rowsDropped: () => usageLog.health().rowsDropped,
        ...(link === undefined ? {} : { redis: link.health }),
        sharing: sharedLimits.status
      })
      yield* Effect.addFinalizer(() => Effect.sync(stop))
    })
  )
