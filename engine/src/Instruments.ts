/**
 * The counters and histograms of a registry, with the series that every call counts in at hand.
 *
 * They belong to the registry, not to an engine: engines that share one count in the same series and share the bound on
 * models. They are made once for a registry and again when its host has cleared it. Nothing here decides what is counted.
 */
import { Gauge, type Registry } from "prom-client"
import { type LabelOf, type LabelValueOf, metricDefinitions, type NameOf, optionsOf } from "./MetricDefinitions.ts"
import { type Distribution, type Tally, TallyCounter, TallyHistogram } from "./Tallies.ts"
import { version } from "./version.ts"

/** The series of one provider and model. */
export interface Children {
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

type ServedBy = LabelValueOf<"ai_saved_usd_total", "type">

export class Instruments {
  /** Models with a label of their own that no configuration names. */
  unconfigured = 0
  readonly requests: TallyCounter<LabelOf<"ai_requests_total">>
  readonly errors: TallyCounter<LabelOf<"ai_errors_total">>
  readonly refused: TallyCounter<LabelOf<"ai_refused_total">>
  readonly retries: TallyCounter<LabelOf<"ai_retries_total">>
  readonly hedges: TallyCounter<LabelOf<"ai_hedges_total">>
  readonly fallbacks: TallyCounter<LabelOf<"ai_fallbacks_total">>
  readonly wait: TallyHistogram<LabelOf<"ai_rate_limit_wait_seconds">>
  readonly overhead: Distribution
  readonly cacheHits: { readonly [Type in LabelValueOf<"ai_cache_hits_total", "type">]: Tally }
  readonly saved: { readonly [Type in ServedBy]: { readonly usd: Tally; readonly tokens: Tally } }
  private readonly attempts: TallyCounter<LabelOf<"ai_attempts_total">>
  private readonly durations: TallyHistogram<LabelOf<"ai_response_duration_seconds">>
  private readonly firstTokens: TallyHistogram<LabelOf<"ai_time_to_first_token_seconds">>
  private readonly tokens: TallyCounter<LabelOf<"ai_tokens_used_total">>
  private readonly costs: TallyCounter<LabelOf<"ai_cost_usd_total">>
  private readonly children = new Map<string, Map<string, Children>>()
  private readonly configured = new Map<string, Set<string>>()
  private shown = 0
  private readonly outcomes = new Map<string, Map<string, Tally>>()

  constructor(registry: Registry) {
    const counter = <Name extends NameOf<"counter">>(name: Name) => new TallyCounter(optionsOf(name), registry)
    const histogram = <Name extends NameOf<"histogram">>(name: Name) => {
      return new TallyHistogram({ ...optionsOf(name), bounds: metricDefinitions[name].buckets }, registry)
    }
    this.requests = counter("ai_requests_total")
    this.durations = histogram("ai_response_duration_seconds")
    this.firstTokens = histogram("ai_time_to_first_token_seconds")
    this.tokens = counter("ai_tokens_used_total")
    this.costs = counter("ai_cost_usd_total")
    this.errors = counter("ai_errors_total")
    this.refused = counter("ai_refused_total")
    this.attempts = counter("ai_attempts_total")
    this.retries = counter("ai_retries_total")
    this.fallbacks = counter("ai_fallbacks_total")
    this.hedges = counter("ai_hedges_total")
    this.wait = histogram("ai_rate_limit_wait_seconds")
    const cacheHits = counter("ai_cache_hits_total")
    const savedUsd = counter("ai_saved_usd_total")
    const savedTokens = counter("ai_saved_tokens_total")
    const savedBy = (type: ServedBy) => ({ usd: savedUsd.tally({ type }), tokens: savedTokens.tally({ type }) })
    this.cacheHits = {
      hit: cacheHits.tally({ type: "hit" }),
      semantic: cacheHits.tally({ type: "semantic" }),
      coalesced: cacheHits.tally({ type: "coalesced" }),
      miss: cacheHits.tally({ type: "miss" })
    }
    this.saved = { hit: savedBy("hit"), semantic: savedBy("semantic"), coalesced: savedBy("coalesced") }
    this.overhead = histogram("ai_overhead_seconds").distribution({})
    new Gauge({ ...optionsOf("ai_build_info"), registers: [registry] }).set({ version }, 1)
  }

  find(provider: string, model: string): Children | undefined {
    return this.children.get(provider)?.get(model)
  }

  /** Takes in a model that a configuration names; the first 50 are shown at once, the others when they are asked. */
  know(provider: string, model: string): void {
    if (this.knows(provider, model)) return
    const known = this.configured.get(provider) ?? new Set()
    this.configured.set(provider, known.add(model))
    if (this.shown++ < shownFromStart) this.add(provider, model)
  }

  knows(provider: string, model: string): boolean {
    return this.configured.get(provider)?.has(model) === true
  }

  /** The series of a provider and a model, which are shown from now on. */
  add(provider: string, model: string): Children {
    const found = this.find(provider, model)
    if (found !== undefined) return found
    const labels = { provider, model }
    const made: Children = {
      success: this.requests.tally({ ...labels, status: "success" }),
      error: this.requests.tally({ ...labels, status: "error" }),
      duration: this.durations.distribution(labels),
      firstToken: this.firstTokens.distribution(labels),
      prompt: this.tokens.tally({ ...labels, type: "prompt" }),
      completion: this.tokens.tally({ ...labels, type: "completion" }),
      cached: this.tokens.tally({ ...labels, type: "cached" }),
      reasoning: this.tokens.tally({ ...labels, type: "reasoning" }),
      cost: this.costs.tally(labels)
    }
    const ofProvider = this.children.get(provider)
    if (ofProvider === undefined) this.children.set(provider, new Map([[model, made]]))
    else ofProvider.set(model, made)
    return made
  }

  attempt(provider: string, outcome: LabelValueOf<"ai_attempts_total", "outcome">): Tally {
    let ofProvider = this.outcomes.get(provider)
    if (ofProvider === undefined) this.outcomes.set(provider, (ofProvider = new Map()))
    let tally = ofProvider.get(outcome)
    if (tally === undefined) ofProvider.set(outcome, (tally = this.attempts.tally({ provider, outcome })))
    return tally
  }
}

/** Models with 40 series each, before anybody has asked them. */
const shownFromStart = 50

const made = new WeakMap<Registry, Instruments>()

/** The instruments of a registry, made when the first engine asks. */
export const instrumentsOf = (registry: Registry): Instruments => {
  const found = made.get(registry)
  if (found !== undefined && isIn(registry, found)) return found
  const instruments = new Instruments(registry)
  made.set(registry, instruments)
  return instruments
}

const isIn = (registry: Registry, { requests }: Instruments): boolean =>
  (registry.getSingleMetric("ai_requests_total") as unknown) === requests
