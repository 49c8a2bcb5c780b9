/**
 * The `ai_*` metrics on prom-client, in one registry that can be the host application's own.
 *
 * Counts at settlement only, outermost of all concerns, so that it sees hits, refusals and failures alike. Labels are
 * providers, models and kinds; never a tenant, key or request. Past 200 models the label is `other`. Gauges are read from
 * their owners when somebody scrapes.
 */
import { Context, Effect, Layer } from "effect"
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client"
import { type Attempt, type Call, type Outcome, reachedProvider, type Target } from "./Call.ts"
import type { Stage } from "./Stage.ts"
import { completionTokens, promptTokens, totalTokens, usdOrZero } from "./Usage.ts"

export interface MetricsOptions {
  /** The host's registry; a new one is made without it. */
  readonly registry?: Registry | undefined
  /** Adds Node's process metrics to the registry. */
  readonly processMetrics?: boolean | undefined
}

/** Where the gauges are read when somebody scrapes. */
export interface GaugeSources {
  readonly providers: () => ReadonlyArray<{
    readonly name: string
    readonly active: number
    readonly queued: number
    /** 0 closed, 1 half open, 2 open. */
    readonly circuit: number
  }>
  readonly cacheEntries: () => ReadonlyArray<{ readonly kind: string; readonly entries: number }>
  readonly rowsDropped: () => number
}

export class Metrics extends Context.Service<
  Metrics,
  {
    readonly stage: Stage
    readonly registry: Registry
    /** Prometheus text of the whole registry. */
    readonly text: Effect.Effect<string>
    /** Seconds that an admitted request waited for a provider's limits. */
    readonly waited: (provider: string, waitedMs: number) => void
    readonly observe: (sources: GaugeSources) => void
  }
>()("millrace/Metrics") {
  static readonly layer = (options: MetricsOptions = {}) => Layer.sync(Metrics, () => make(options))
}

/** Seconds: 0.01 doubling to 81.92, for answers that take from a cache hit to a long generation. */
const latencyBuckets = Array.from({ length: 14 }, (_, i) => 0.01 * 2 ** i)
const overheadBuckets = Array.from({ length: 14 }, (_, i) => 0.000_01 * 2 ** i)
const modelsMax = 200

/** Labels of a request that had no candidate. */
const nobody: Target = { provider: "none", model: "none" }

const make = (options: MetricsOptions): Metrics["Service"] => {
  const registry = options.registry ?? new Registry()
  if (options.processMetrics === true) collectDefaultMetrics({ register: registry })
  const instruments = makeInstruments(registry)
  const children = new Map<string, Children>()

  const childrenOf = (provider: string, model: string): Children => {
    const key = `${provider}\n${model}`
    let found = children.get(key)
    if (found === undefined) {
      if (children.size >= modelsMax && model !== "other") return childrenOf(provider, "other")
      children.set(key, (found = instruments.children(provider, model)))
    }
    return found
  }

  const settle = (call: Call, outcome: Outcome): void => {
    const { journal } = call
    journal.endedAtMs = call.clock.currentTimeMillisUnsafe()
    const target = journal.target ?? journal.attempts.at(-1)?.target ?? journal.candidates[0]
    const { model, provider } = target ?? nobody
    const child = childrenOf(provider, model)
    const cached = journal.cache === "hit" || journal.cache === "semantic" || journal.cache === "coalesced"
    if (outcome._tag === "Success") child.success.inc()
    else {
      child.error.inc()
      const error = outcome._tag === "Failure" ? outcome.error : undefined
      instruments.errors.inc({ provider, kind: error?._tag ?? "Cancelled", fault: error?.fault ?? "caller" })
    }
    child.duration.observe((journal.endedAtMs - journal.startedAtMs) / 1000)
    if (journal.cache !== "bypass") instruments.cacheHits[journal.cache].inc()
    if (journal.firstPartAtMs !== undefined) {
      child.firstToken.observe((journal.firstPartAtMs - journal.startedAtMs) / 1000)
    }
    if (journal.overheadMs !== undefined) instruments.overhead.observe(journal.overheadMs / 1000)
    const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
    if (completion !== undefined) {
      const { usage } = completion
      if (cached) {
        const type = journal.cache
        instruments.savedTokens.inc({ type }, totalTokens(usage))
        if (journal.saved !== undefined) instruments.savedUsd.inc({ type }, usdOrZero(journal.saved))
      } else {
        child.prompt.inc(promptTokens(usage))
        child.completion.inc(completionTokens(usage))
        if (usage.cacheReadInput > 0) child.cached.inc(usage.cacheReadInput)
        if (usage.reasoning > 0) child.reasoning.inc(usage.reasoning)
        if (journal.cost !== undefined) child.cost.inc(usdOrZero(journal.cost))
      }
    }
    countAttempts(journal.attempts, outcome)
  }

  const countAttempts = (attempts: ReadonlyArray<Attempt>, outcome: Outcome): void => {
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i]!
      const { provider } = attempt.target
      const last = i === attempts.length - 1
      const result = attempt.error === undefined ? (last ? attemptOutcome(outcome) : "success") : "error"
      if (reachedProvider(attempt)) instruments.attempt(provider, result)
      const previous = attempts[i - 1]
      if (previous === undefined) continue
      if (previous.target.provider === provider) {
        instruments.retries.inc({ provider, reason: previous.error?._tag ?? "unknown" })
      } else instruments.fallbacks.inc({ from: previous.target.provider, to: provider })
    }
  }

  return Metrics.of({
    registry,
    text: Effect.promise(() => registry.metrics()),
    waited: (provider, waitedMs) => instruments.wait.observe({ provider }, waitedMs / 1000),
    observe: (sources) => observeGauges(registry, sources),
    stage: (next) => (call) => {
      call.settlement.add((outcome) => settle(call, outcome))
      return next(call)
    }
  })
}

const attemptOutcome = (outcome: Outcome): "success" | "error" | "cancelled" =>
  outcome._tag === "Success" ? "success" : outcome._tag === "Failure" ? "error" : "cancelled"

/** Labelled children of one provider and model, made once. */
interface Children {
  readonly success: Counter.Internal
  readonly error: Counter.Internal
  readonly duration: Histogram.Internal<string>
  readonly firstToken: Histogram.Internal<string>
  readonly prompt: Counter.Internal
  readonly completion: Counter.Internal
  readonly cached: Counter.Internal
  readonly reasoning: Counter.Internal
  readonly cost: Counter.Internal
}

const makeInstruments = (registry: Registry) => {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: ReadonlyArray<L>) =>
    (registry.getSingleMetric(name) as Counter<L> | undefined) ?? new Counter({ name, help, labelNames, registers })
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: ReadonlyArray<L>,
    buckets = latencyBuckets
  ) =>
    (registry.getSingleMetric(name) as Histogram<L> | undefined) ??
    new Histogram({ name, help, labelNames, buckets, registers })

  const requests = counter("ai_requests_total", "Settled requests", ["provider", "model", "status"])
  const duration = histogram("ai_response_duration_seconds", "Time from request to the last part of the answer", [
    "provider",
    "model"
  ])
  const tokens = counter("ai_tokens_used_total", "Tokens used at providers", ["provider", "model", "type"])
  const cacheHits = counter("ai_cache_hits_total", "Cache lookups by result", ["type"])
  const firstToken = histogram("ai_time_to_first_token_seconds", "Time from request to the first part", [
    "provider",
    "model"
  ])
  const attempts = counter("ai_attempts_total", "Attempts at providers", ["provider", "outcome"])
  const cost = counter("ai_cost_usd_total", "Dollars spent at providers", ["provider", "model"])
  const attemptChildren = new Map<string, Counter.Internal>()

  return {
    errors: counter("ai_errors_total", "Failed requests", ["provider", "kind", "fault"]),
    retries: counter("ai_retries_total", "Further attempts at the same provider", ["provider", "reason"]),
    fallbacks: counter("ai_fallbacks_total", "Attempts that moved to another provider", ["from", "to"]),
    savedUsd: counter("ai_saved_usd_total", "Dollars that the cache saved", ["type"]),
    savedTokens: counter("ai_saved_tokens_total", "Tokens that the cache saved", ["type"]),
    wait: histogram("ai_rate_limit_wait_seconds", "Time that admitted requests waited for a provider's limits", [
      "provider"
    ]),
    overhead: histogram(
      "ai_overhead_seconds",
      "Time spent in Millrace itself before the provider",
      [],
      overheadBuckets
    ),
    cacheHits: {
      hit: cacheHits.labels({ type: "hit" }),
      semantic: cacheHits.labels({ type: "semantic" }),
      coalesced: cacheHits.labels({ type: "coalesced" }),
      miss: cacheHits.labels({ type: "miss" })
    },
    attempt: (provider: string, outcome: string) => {
      const key = `${provider}\n${outcome}`
      let child = attemptChildren.get(key)
      if (child === undefined) attemptChildren.set(key, (child = attempts.labels({ provider, outcome })))
      child.inc()
    },
    children: (provider: string, model: string): Children => ({
      success: requests.labels({ provider, model, status: "success" }),
      error: requests.labels({ provider, model, status: "error" }),
      duration: duration.labels({ provider, model }),
      firstToken: firstToken.labels({ provider, model }),
      prompt: tokens.labels({ provider, model, type: "prompt" }),
      completion: tokens.labels({ provider, model, type: "completion" }),
      cached: tokens.labels({ provider, model, type: "cached" }),
      reasoning: tokens.labels({ provider, model, type: "reasoning" }),
      cost: cost.labels({ provider, model })
    })
  }
}

/** Gauges, set from their owners at every scrape. */
const observeGauges = (registry: Registry, sources: GaugeSources): void => {
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: ReadonlyArray<L>,
    collect: (set: (labels: Record<L, string>, value: number) => void) => void
  ) => {
    registry.removeSingleMetric(name)
    const created: Gauge<L> = new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect: () => collect((labels, value) => created.set(labels, value))
    })
  }
  gauge("ai_active_requests", "Requests being served by a provider", ["provider"], (set) => {
    for (const { active, name } of sources.providers()) set({ provider: name }, active)
  })
  gauge("ai_queue_depth", "Requests waiting for a provider's limits", ["provider"], (set) => {
    for (const { name, queued } of sources.providers()) set({ provider: name }, queued)
  })
  gauge("ai_circuit_state", "Circuit of a provider: 0 closed, 1 half open, 2 open", ["provider"], (set) => {
    for (const { circuit, name } of sources.providers()) set({ provider: name }, circuit)
  })
  gauge("ai_cache_entries", "Entries in the cache", ["kind"], (set) => {
    for (const { entries, kind } of sources.cacheEntries()) set({ kind }, entries)
  })
  registry.removeSingleMetric("ai_usage_rows_dropped_total")
  const dropped = new Counter({
    name: "ai_usage_rows_dropped_total",
    help: "Usage rows that were dropped because the database did not keep up",
    registers: [registry],
    collect: () => {
      dropped.reset()
      dropped.inc(sources.rowsDropped())
    }
  })
}
