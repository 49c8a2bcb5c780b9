/**
 * The `ai_*` metrics on prom-client, in one registry that can be the host application's own.
 *
 * Counts at settlement only, outermost of all concerns, so that it sees hits, refusals and failures alike. Labels are
 * providers, models and kinds; never a tenant, key or request. A model that no configuration names has a label of its own
 * once it has answered, and only the first 200 of them. Gauges are read from their owners when somebody scrapes.
 */
import { Context, Effect, Layer } from "effect"
import { collectDefaultMetrics, Registry } from "prom-client"
import { type Attempt, type Call, type LostAttempt, type Outcome, reachedProvider, type Target } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import { type GaugeSources, observeGauges } from "./Gauges.ts"
import { type Children, instrumentsOf } from "./Instruments.ts"
import { type LabelValueOf, modelLabelMax, unconfiguredModelsMax } from "./MetricDefinitions.ts"
import type { Stage } from "./Stage.ts"
import { completionTokens, promptTokens, totalTokens, usdOrZero } from "./Usage.ts"

export interface MetricsOptions {
  /** The host's registry; a new one is made without it. */
  readonly registry?: Registry | undefined
  /** Adds Node's process metrics to the registry, unless it has them. */
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
    /** Counts a request that a door refused: no stage has seen it, and it is in no other figure. */
    readonly refused: (error: EngineError) => void
    /** Takes in the models that a configuration names: counted from 0, and always under their own label. */
    readonly configured: (targets: ReadonlyArray<Target>) => void
    /** Reads gauges from these sources, beside those of other engines in the registry; returns how to stop. */
    readonly observe: (sources: GaugeSources) => () => void
  }
>()("millrace/Metrics") {
  static readonly layer = (options: MetricsOptions = {}) => Layer.sync(Metrics, () => make(options))
}

/** Labels of a request that had no candidate. */
const nobody: Target = { provider: "none", model: "none" }

const otherModels = "other"

const make = (options: MetricsOptions): Metrics["Service"] => {
  const registry = options.registry ?? new Registry()
  if (options.processMetrics === true) addProcessMetrics(registry)
  const instruments = instrumentsOf(registry)

  const configured = (targets: ReadonlyArray<Target>): void => {
    for (const { model, provider } of targets) instruments.know(provider, model)
    instruments.add(nobody.provider, nobody.model)
    for (const kind of watchedRefusals) instruments.refused.tally(kind)
    for (const provider of new Set(targets.map((target) => target.provider))) {
      for (const kind of watchedErrors) instruments.errors.tally({ provider, ...kind })
      for (const outcome of watchedOutcomes) instruments.attempt(provider, outcome)
      instruments.wait.distribution({ provider })
    }
  }

  /** The series of a target; `answered` says that its provider knows the model, whoever made up the name. */
  const childrenOf = ({ model, provider }: Target, answered: boolean): Children => {
    const found = instruments.find(provider, model)
    if (found !== undefined) return found
    if (model === nobody.model || model === otherModels || instruments.knows(provider, model)) {
      return instruments.add(provider, model)
    }
    if (!answered || model.length > modelLabelMax || instruments.unconfigured >= unconfiguredModelsMax) {
      return childrenOf({ provider, model: otherModels }, true)
    }
    instruments.unconfigured++
    return instruments.add(provider, model)
  }

  const settle = (call: Call, outcome: Outcome): void => {
    const { journal } = call
    journal.endedAtMs = call.clock.currentTimeMillisUnsafe()
    const target = journal.target ?? journal.attempts.at(-1)?.target ?? journal.candidates[0] ?? nobody
    const child = childrenOf(target, outcome._tag === "Success")
    const type = journal.cache
    if (outcome._tag === "Success") child.success.inc()
    else {
      child.error.inc()
      const error = outcome._tag === "Failure" ? outcome.error : undefined
      const kind = error?._tag ?? "Cancelled"
      instruments.errors.tally({ provider: target.provider, kind, fault: error?.fault ?? "caller" }).inc()
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
  const bill = (target: Target, { cost, usage }: LostAttempt): void => {
    const child = childrenOf(target, false)
    child.prompt.inc(promptTokens(usage))
    child.completion.inc(completionTokens(usage))
    if (cost !== undefined) child.cost.inc(usdOrZero(cost))
  }

  const countAttempts = (attempts: ReadonlyArray<Attempt>, outcome: Outcome): void => {
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i]!
      const { provider } = attempt.target
      const result = attemptOutcome(attempt, outcome)
      if (reachedProvider(attempt)) instruments.attempt(provider, result).inc()
      if (attempt.lost !== undefined) bill(attempt.target, attempt.lost)
      if (attempt.hedge === true) {
        instruments.hedges.tally({ provider, outcome: hedgeOutcome(result) }).inc()
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
    configured,
    refused: ({ _tag: kind, fault }) => instruments.refused.tally({ kind, fault }).inc(),
    observe: (sources) => observeGauges(registry, sources),
    stage: (next) => (call) => {
      call.settlement.add((outcome) => settle(call, outcome))
      return next(call)
    }
  })
}

/** What becomes of an attempt, as `ai_attempts_total` says it. */
type AttemptOutcome = LabelValueOf<"ai_attempts_total", "outcome">

/** An attempt without an error of its own ended as its call did, unless another one answered in its place. */
const attemptOutcome = ({ error, lost }: Attempt, outcome: Outcome): AttemptOutcome => {
  if (error !== undefined) return refused.has(error._tag) ? "rate_limited" : "error"
  if (lost !== undefined) return "lost"
  return outcome._tag === "Success" ? "success" : outcome._tag === "Failure" ? "error" : "cancelled"
}

const hedgeOutcome = (outcome: AttemptOutcome): LabelValueOf<"ai_hedges_total", "outcome"> =>
  outcome === "success" ? "won" : outcome === "rate_limited" ? "error" : outcome

/** A provider's 429s. */
const refused: ReadonlySet<EngineError["_tag"]> = new Set(["ProviderRateLimited", "ProviderQuotaExceeded"])

const watchedOutcomes: ReadonlyArray<AttemptOutcome> = ["success", "error", "rate_limited"]

/** What the rules count: counted from 0, so that the first of them is growth and not a new series. */
const watchedErrors: ReadonlyArray<{ readonly kind: EngineError["_tag"]; readonly fault: EngineError["fault"] }> = [
  { kind: "ProviderAuthFailed", fault: "provider" },
  { kind: "ProviderRateLimited", fault: "provider" },
  { kind: "ProviderQuotaExceeded", fault: "provider" },
  { kind: "ProviderOverloaded", fault: "provider" },
  { kind: "ProviderServerError", fault: "provider" },
  { kind: "ProviderTimeout", fault: "provider" },
  { kind: "ProviderUnreachable", fault: "provider" },
  { kind: "ProviderInvalidResponse", fault: "provider" },
  { kind: "StreamTruncated", fault: "provider" },
  { kind: "StreamStalled", fault: "provider" },
  { kind: "CircuitOpen", fault: "provider" },
  { kind: "QueueFull", fault: "policy" },
  { kind: "RateLimitExceeded", fault: "policy" },
  { kind: "DeadlineExceeded", fault: "policy" },
  { kind: "InternalError", fault: "engine" },
  { kind: "Cancelled", fault: "caller" }
]

const watchedRefusals: typeof watchedErrors = [
  { kind: "KeysUnavailable", fault: "policy" },
  { kind: "ShuttingDown", fault: "policy" }
]

/** Gauges of prom-client that are named like counters; each is the sum of another one by type. */
const misnamed = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"]

const addProcessMetrics = (registry: Registry): void => {
  if (registry.getSingleMetric("process_cpu_seconds_total") !== undefined) return
  collectDefaultMetrics({ register: registry })
  for (const name of misnamed) registry.removeSingleMetric(name)
}
