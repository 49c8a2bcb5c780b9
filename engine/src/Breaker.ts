/**
 * Circuit breaker: stops calls to a provider and model that fails too often, and probes it later.
 *
 * At admission an open circuit fails with `CircuitOpen` at once; at settlement the outcome is recorded, so a stream that
 * breaks in the middle counts too. Provider faults and timeouts count; callers' faults, rate limits and cancellations
 * don't. Effect's own `CircuitBreaker` can't see what happens after the first part, hence this one (decision 0003).
 */
import { Context, Effect, Layer } from "effect"
import type { Outcome, Target } from "./Call.ts"
import { CircuitOpen } from "./Errors.ts"
import type { AttemptStage } from "./Stage.ts"

export interface BreakerOptions {
  /** Share of failures, 0–1, from which the circuit opens. */
  readonly failureRate: number
  /** Calls that must be in the window before the rate is looked at. */
  readonly minimumCalls: number
  /** Milliseconds until the first probe. */
  readonly openForMs: number
}

export type CircuitState = "closed" | "half-open" | "open"

export class Breaker extends Context.Service<
  Breaker,
  {
    readonly stage: AttemptStage
    readonly state: (target: Target, nowMs: number) => CircuitState
    /** Epoch milliseconds at which the target may be tried again; 0 when it may be tried now. */
    readonly retryAtMs: (target: Target, nowMs: number) => number
    /** Opens or closes every circuit of a provider by hand. */
    readonly set: (provider: string, state: "open" | "closed", nowMs: number) => void
    /** The worst state among the models of a provider. */
    readonly stateOfProvider: (provider: string, nowMs: number) => CircuitState
  }
>()("millrace/Breaker") {
  /** One circuit for each provider and model, over the last minute. */
  static readonly layer = (options: BreakerOptions) => Layer.sync(Breaker, () => make(options))
}

const make = (options: BreakerOptions): Breaker["Service"] => {
  const circuits = new Map<string, Map<string, Circuit>>()
  /** Providers that were opened by hand, and when: it holds for models that nobody has asked for yet, too. */
  const opened = new Map<string, number>()

  const circuitOf = (target: Target): Circuit => {
    let models = circuits.get(target.provider)
    if (models === undefined) circuits.set(target.provider, (models = new Map()))
    let circuit = models.get(target.model)
    if (circuit === undefined) {
      if (models.size >= modelsMax) forgetOne(models)
      models.set(target.model, (circuit = new Circuit(options, opened.get(target.provider))))
    }
    return circuit
  }

  const known = (target: Target): Circuit | undefined =>
    circuits.get(target.provider)?.get(target.model) ??
    (opened.has(target.provider) ? new Circuit(options, opened.get(target.provider)) : undefined)

  return Breaker.of({
    stage: (next) => (call) =>
      Effect.suspend(() => {
        const circuit = circuitOf(call.target)
        const nowMs = call.clock.currentTimeMillisUnsafe()
        const ticket = circuit.admit(nowMs)
        if (ticket === undefined) {
          return Effect.fail(new CircuitOpen({ ...call.target, retryAfterMs: circuit.retryAtMs(nowMs) - nowMs }))
        }
        call.settlement.add((outcome) =>
          circuit.record(verdictOf(outcome), call.clock.currentTimeMillisUnsafe(), ticket)
        )
        return next(call)
      }),
    state: (target, nowMs) => known(target)?.state(nowMs) ?? "closed",
    retryAtMs: (target, nowMs) => known(target)?.retryAtMs(nowMs) ?? 0,
    set: (provider, state, nowMs) => {
      if (state === "open") opened.set(provider, nowMs)
      else opened.delete(provider)
      for (const circuit of circuits.get(provider)?.values() ?? []) {
        if (state === "open") circuit.open(nowMs)
        else circuit.reset()
      }
    },
    stateOfProvider: (provider, nowMs) => {
      const models = circuits.get(provider)
      if (models === undefined) return known({ provider, model: "" })?.state(nowMs) ?? "closed"
      let worst: CircuitState = "closed"
      for (const circuit of models.values()) {
        const state = circuit.state(nowMs)
        if (state === "open") return "open"
        if (state === "half-open") worst = state
      }
      return worst
    }
  })
}

/** Circuits of one provider; bounded because callers choose the models. */
const modelsMax = 1000

/** Makes room: the oldest circuit that is closed, else the oldest. */
const forgetOne = (models: Map<string, Circuit>): void => {
  let oldest: string | undefined
  for (const [model, circuit] of models) {
    oldest ??= model
    if (!circuit.isOpen) {
      models.delete(model)
      return
    }
  }
  if (oldest !== undefined) models.delete(oldest)
}

type Verdict = "success" | "failure" | "ignored"

const verdictOf = (outcome: Outcome): Verdict => {
  if (outcome._tag === "Success") return "success"
  if (outcome._tag === "Cancelled") return "ignored"
  const { error } = outcome
  if (error.fault === "caller") return error._tag === "UnsupportedAbility" ? "ignored" : "success"
  if (error.fault !== "provider") return "ignored"
  return error._tag === "ProviderRateLimited" || error._tag === "CircuitOpen" ? "ignored" : "failure"
}

const sliceMs = 10_000
const slices = 6

/** Milliseconds that others are told to wait while a probe is under way. */
const probeWaitMs = 1000

/** Outcomes of the last minute in six slices, and the state that follows from them. */
class Circuit {
  isOpen = false
  private readonly options: BreakerOptions
  private readonly successes = new Float64Array(slices)
  private readonly failures = new Float64Array(slices)
  private sliceNumber = 0
  private openedAtMs = Number.NEGATIVE_INFINITY
  /** Number of the probe that is under way, 0 while there is none. */
  private probe = 0
  private probes = 0

  constructor(options: BreakerOptions, openedAtMs: number | undefined) {
    this.options = options
    if (openedAtMs !== undefined) this.open(openedAtMs)
  }

  state(nowMs: number): CircuitState {
    if (!this.isOpen) return "closed"
    return nowMs < this.openedAtMs + this.options.openForMs ? "open" : "half-open"
  }

  retryAtMs(nowMs: number): number {
    if (!this.isOpen) return 0
    const probeAtMs = this.openedAtMs + this.options.openForMs
    return nowMs < probeAtMs ? probeAtMs : this.probe === 0 ? 0 : nowMs + probeWaitMs
  }

  /** A ticket for `record`: 0 for an ordinary call, more for a probe; undefined when the call may not go. */
  admit(nowMs: number): number | undefined {
    if (!this.isOpen) return 0
    if (this.probe !== 0 || nowMs < this.openedAtMs + this.options.openForMs) return undefined
    this.probe = ++this.probes
    return this.probe
  }

  record(verdict: Verdict, nowMs: number, ticket: number): void {
    if (this.isOpen) {
      // Calls from before the circuit opened, or was opened by hand, say nothing about now.
      if (ticket === 0 || ticket !== this.probe) return
      this.probe = 0
      if (verdict === "success") this.reset()
      else if (verdict === "failure") this.open(nowMs)
      return
    }
    if (verdict === "ignored") return
    this.advance(nowMs)
    const slice = this.sliceNumber % slices
    if (verdict === "success") this.successes[slice]! += 1
    else {
      this.failures[slice]! += 1
      this.judge(nowMs)
    }
  }

  open(nowMs: number): void {
    this.isOpen = true
    this.openedAtMs = nowMs
    this.probe = 0
  }

  reset(): void {
    this.isOpen = false
    this.probe = 0
    this.successes.fill(0)
    this.failures.fill(0)
  }

  private judge(nowMs: number): void {
    let successes = 0
    let failures = 0
    for (let i = 0; i < slices; i++) {
      successes += this.successes[i]!
      failures += this.failures[i]!
    }
    const calls = successes + failures
    if (calls >= this.options.minimumCalls && failures / calls >= this.options.failureRate) this.open(nowMs)
  }

  private advance(nowMs: number): void {
    const number = Math.floor(nowMs / sliceMs)
    const steps = Math.min(number - this.sliceNumber, slices)
    for (let i = 1; i <= steps; i++) {
      const slice = (this.sliceNumber + i) % slices
      this.successes[slice] = 0
      this.failures[slice] = 0
    }
    if (steps > 0) this.sliceNumber = number
  }
}
