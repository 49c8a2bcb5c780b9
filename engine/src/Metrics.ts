/**
 * The `ai_*` metrics on prom-client, in one registry that can be the host application's own.
 *
 * Counts at settlement only, outermost of all concerns, so that it sees hits, refusals and failures alike. Labels are
 * providers, models and kinds; never a tenant, key or request. Past 200 models the label is `other`. Gauges are read from
 * their owners when somebody scrapes.
 */
import { Context, Effect, Layer } from "effect"
import { collectDefaultMetrics, Registry } from "prom-client"
import { type Attempt, type Call, type LostAttempt, type Outcome, reachedProvider, type Target } from "./Call.ts"
import { type GaugeSources, observeGauges } from "./Gauges.ts"
import type { Stage } from "./Stage.ts"
import { type Distribution, type Tally, TallyCounter, TallyHistogram } from "./Tallies.ts"
import { completionTokens, promptTokens, totalTokens, usdOrZero } from "./Usage.ts"

export interface MetricsOptions {
  /** The host's registry; a new one is made without it. */
  readonly registry?: Registry | undefined
  /** Adds Node's process metrics to the registry. */
  readonly processMetrics?: boolean | undefined
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
    /** Reads gauges from these sources, beside those of other engines in the registry; returns how to stop. */
    readonly observe: (sources: GaugeSources) => () => void
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
  const children = new Map<string, Map<string, Children>>()
  let models = 0

  const childrenOf = (provider: string, model: string): Children => {
    let ofProvider = children.get(provider)
    if (ofProvider === undefined) children.set(provider, (ofProvider = new Map()))
    let found = ofProvider.get(model)
    if (found === undefined) {
      if (models >= modelsMax && model !== "other") return childrenOf(provider, "other")
      models++
      ofProvider.set(model, (found = instruments.children(provider, model)))
    }
    return found
  }

  const settle = (call: Call, outcome: Outcome): void => {
    const { journal } = call
    journal.endedAtMs = call.clock.currentTimeMillisUnsafe()
    const target = journal.target ?? journal.attempts.at(-1)?.target ?? journal.candidates[0]
    const { model, provider } = target ?? nobody
    const child = childrenOf(provider, model)
    const type = journal.cache
    if (outcome._tag === "Success") child.success.inc()
    else {
      child.error.inc()
      const error = outcome._tag === "Failure" ? outcome.error : undefined
      const kind = error?._tag ?? "Cancelled"
      instruments.errors.tally({ provider, kind, fault: error?.fault ?? "caller" }).inc()
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
      if (type === "hit" || type === "semantic" || type === "coalesced") {
        instruments.saved[type].tokens.inc(totalTokens(usage))
        if (journal.saved !== undefined) instruments.saved[type].usd.inc(usdOrZero(journal.saved))
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

  /** What an answer that nobody read is likely to cost; in the sums, because it is paid for. */
  const bill = ({ model, provider }: Target, { cost, usage }: LostAttempt): void => {
    const child = childrenOf(provider, model)
    child.prompt.inc(promptTokens(usage))
    child.completion.inc(completionTokens(usage))
    if (cost !== undefined) child.cost.inc(usdOrZero(cost))
  }

  const countAttempts = (attempts: ReadonlyArray<Attempt>, outcome: Outcome): void => {
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i]!
      const { provider } = attempt.target
      const result = attemptOutcome(attempt, outcome)
      if (reachedProvider(attempt)) instruments.attempt(provider, result)
      if (attempt.lost !== undefined) bill(attempt.target, attempt.lost)
      if (attempt.hedge === true) {
        instruments.hedges.tally({ provider, outcome: result === "success" ? "won" : result }).inc()
        continue
      }
      const previous = attempts.findLast((before, index) => index < i && before.hedge !== true)
      if (previous === undefined) continue
      if (previous.target.provider === provider) {
        instruments.retries.tally({ provider, reason: previous.error?._tag ?? "unknown" }).inc()
      } else instruments.fallbacks.tally({ from: previous.target.provider, to: provider }).inc()
    }
  }

  return Metrics.of({
    registry,
    text: Effect.promise(() => registry.metrics()),
    waited: (provider, waitedMs) => instruments.wait.distribution({ provider }).observe(waitedMs / 1000),
    observe: (sources) => observeGauges(registry, sources),
    stage: (next) => (call) => {
      call.settlement.add((outcome) => settle(call, outcome))
      return next(call)
    }
  })
}

/** An attempt without an error of its own ended as its call did, unless another one answered in its place. */
const attemptOutcome = ({ error, lost }: Attempt, outcome: Outcome): "success" | "error" | "cancelled" | "lost" => {
  if (error !== undefined) return "error"
  if (lost !== undefined) return "lost"
  return outcome._tag === "Success" ? "success" : outcome._tag === "Failure" ? "error" : "cancelled"
}

/** Labelled children of one provider and model, made once. */
interface Children {
  readonly success: Tally
  readonly error: Tally
  readonly duration: Distribution
  readonly firstToken: Distribution
  readonly prompt: Tally
  readonly completion: Tally
  readonly cached: Tally
  readonly reasoning: Tally
  readonly cost: Tally
}

const makeInstruments = (registry: Registry) => {
  const counter = <L extends string>(name: string, help: string, labelNames: ReadonlyArray<L>) =>
    (registry.getSingleMetric(name) as TallyCounter<L> | undefined) ??
    new TallyCounter({ name, help, labelNames }, registry)
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: ReadonlyArray<L>,
    bounds = latencyBuckets
  ) =>
    (registry.getSingleMetric(name) as unknown as TallyHistogram<L> | undefined) ??
    new TallyHistogram({ name, help, labelNames, bounds }, registry)

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
  const savedUsd = counter("ai_saved_usd_total", "Dollars that the cache saved", ["type"])
  const savedTokens = counter("ai_saved_tokens_total", "Tokens that the cache saved", ["type"])
  const savedBy = (type: string) => ({ usd: savedUsd.tally({ type }), tokens: savedTokens.tally({ type }) })
  const attemptTallies = new Map<string, Map<string, Tally>>()

  return {
    errors: counter("ai_errors_total", "Failed requests", ["provider", "kind", "fault"]),
    retries: counter("ai_retries_total", "Further attempts at the same provider", ["provider", "reason"]),
    hedges: counter("ai_hedges_total", "Second attempts beside one that was late", ["provider", "outcome"]),
    fallbacks: counter("ai_fallbacks_total", "Attempts that moved to another provider", ["from", "to"]),
    saved: { hit: savedBy("hit"), semantic: savedBy("semantic"), coalesced: savedBy("coalesced") },
    wait: histogram("ai_rate_limit_wait_seconds", "Time that admitted requests waited for a provider's limits", [
      "provider"
    ]),
    overhead: histogram(
      "ai_overhead_seconds",
      "Time spent in Millrace itself before the provider",
      [],
      overheadBuckets
    ).distribution({}),
    cacheHits: {
      hit: cacheHits.tally({ type: "hit" }),
      semantic: cacheHits.tally({ type: "semantic" }),
      coalesced: cacheHits.tally({ type: "coalesced" }),
      miss: cacheHits.tally({ type: "miss" })
    },
    attempt: (provider: string, outcome: string) => {
      let ofProvider = attemptTallies.get(provider)
      if (ofProvider === undefined) attemptTallies.set(provider, (ofProvider = new Map()))
      let tally = ofProvider.get(outcome)
      if (tally === undefined) ofProvider.set(outcome, (tally = attempts.tally({ provider, outcome })))
      tally.inc()
    },
    children: (provider: string, model: string): Children => ({
      success: requests.tally({ provider, model, status: "success" }),
      error: requests.tally({ provider, model, status: "error" }),
      duration: duration.distribution({ provider, model }),
      firstToken: firstToken.distribution({ provider, model }),
      prompt: tokens.tally({ provider, model, type: "prompt" }),
      completion: tokens.tally({ provider, model, type: "completion" }),
      cached: tokens.tally({ provider, model, type: "cached" }),
      reasoning: tokens.tally({ provider, model, type: "reasoning" }),
      cost: cost.tally({ provider, model })
    })
  }
}
