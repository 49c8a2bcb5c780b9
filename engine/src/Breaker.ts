/**
 * Circuit breaker: stops calls to a provider and model that fails too often, and probes it later.
 *
 * At admission an open circuit fails with `CircuitOpen` at once; at settlement the outcome is recorded, so a stream that
 * breaks in the middle counts too. Provider faults and timeouts count; callers' faults, rate limits and cancellations
 * don't, nor does the refusal of one of several keys. Operators open and close circuits by hand. Effect's own
 * `CircuitBreaker` can't see what happens after the first part, hence this one (decision 0003).
 */
import { Context, Effect, Layer } from "effect"
import type { Outcome, Target } from "./Call.ts"
import { Circuit, type CircuitState, type CircuitStatus, type Verdict } from "./Circuit.ts"
import { CircuitOpen } from "./Errors.ts"
import { logOf } from "./Log.ts"
import type { AttemptStage } from "./Stage.ts"

export type { CircuitState, CircuitStatus } from "./Circuit.ts"

export interface BreakerOptions {
  /** Share of failures, 0–1, from which the circuit opens. */
  readonly failureRate: number
  /** Calls that must be in the window before the rate is looked at. */
  readonly minimumCalls: number
  /** Failures in a row from which the circuit opens, however few calls there were; undefined for never. */
  readonly consecutiveFailures?: number | undefined
  /** Milliseconds until the first probe. */
  readonly openForMs: number
}

/** By hand: `open` refuses calls, `closed` lets them go whatever happens, `auto` leaves it to the outcomes again. */
export interface ManualState {
  readonly state: "open" | "closed" | "auto"
  /** One model; every model of the provider, also those that nobody has asked for yet, without it. */
  readonly model?: string | undefined
  /**
   * Milliseconds that it holds. Without it `open` holds for `openForMs` and ends with a probe, `closed` forgets the
   * failures and leaves the rest to the outcomes.
   */
  readonly forMs?: number | undefined
}

export class Breaker extends Context.Service<
  Breaker,
  {
    readonly stage: AttemptStage
    readonly state: (target: Target, nowMs: number) => CircuitState
    /** Epoch milliseconds at which the target may be tried again; 0 when it may be tried now. */
    readonly retryAtMs: (target: Target, nowMs: number) => number
    /** Opens or closes circuits of a provider by hand. */
    readonly set: (provider: string, manual: ManualState, nowMs: number) => void
    /** The worst state among the models of a provider. */
    readonly stateOfProvider: (provider: string, nowMs: number) => CircuitState
    /** The circuits of a provider, one for each model that was called or set by hand. */
    readonly circuits: (provider: string, nowMs: number) => ReadonlyArray<CircuitStatus>
  }
>()("millrace/Breaker") {
  /** One circuit for each provider and model, over the last minute. */
  static readonly layer = (options: BreakerOptions) => Layer.sync(Breaker, () => make(options))
}

/** What was set by hand for a whole provider, and when. */
interface Ordered {
  readonly manual: ManualState
  readonly atMs: number
}

const make = (options: BreakerOptions): Breaker["Service"] => {
  const circuits = new Map<string, Map<string, Circuit>>()
  const ordered = new Map<string, Ordered>()

  const newCircuit = ({ model, provider }: Target): Circuit => {
    const circuit = new Circuit(options, model)
    const order = ordered.get(provider)
    if (order !== undefined) obey(circuit, order.manual, order.atMs)
    return circuit
  }

  const circuitOf = (target: Target): Circuit => {
    let models = circuits.get(target.provider)
    if (models === undefined) circuits.set(target.provider, (models = new Map()))
    let circuit = models.get(target.model)
    if (circuit === undefined) {
      if (models.size >= modelsMax) forgetOne(models)
      models.set(target.model, (circuit = newCircuit(target)))
    }
    return circuit
  }

  const known = (target: Target): Circuit | undefined =>
    circuits.get(target.provider)?.get(target.model) ?? (ordered.has(target.provider) ? newCircuit(target) : undefined)

  return Breaker.of({
    stage: (next) => (call) =>
      Effect.suspend(() => {
        const circuit = circuitOf(call.target)
        const nowMs = call.clock.currentTimeMillisUnsafe()
        const ticket = circuit.admit(nowMs)
        if (ticket === undefined) {
          return Effect.fail(new CircuitOpen({ ...call.target, retryAfterMs: circuit.retryAtMs(nowMs) - nowMs }))
        }
        call.settlement.add((outcome) => {
          const verdict = call.attempt.otherKey === true ? "ignored" : verdictOf(outcome)
          const endedAtMs = call.clock.currentTimeMillisUnsafe()
          const before = circuit.state(endedAtMs)
          circuit.record(verdict, endedAtMs, ticket)
          const after = circuit.state(endedAtMs)
          return before === after ? undefined : told(call.target, after)
        })
        return next(call)
      }),
    state: (target, nowMs) => known(target)?.state(nowMs) ?? "closed",
    retryAtMs: (target, nowMs) => known(target)?.retryAtMs(nowMs) ?? 0,
    set: (provider, manual, nowMs) => {
      if (manual.model !== undefined) return obey(circuitOf({ provider, model: manual.model }), manual, nowMs)
      if (manual.state === "open" || manual.forMs !== undefined) ordered.set(provider, { manual, atMs: nowMs })
      if (manual.state === "auto" || (manual.state === "closed" && manual.forMs === undefined)) ordered.delete(provider)
      for (const circuit of circuits.get(provider)?.values() ?? []) obey(circuit, manual, nowMs)
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
    },
    circuits: (provider, nowMs) => [...(circuits.get(provider)?.values() ?? [])].map((circuit) => circuit.status(nowMs))
  })
}

const log = logOf("Breaker")

/** An outage begins or ends; the probes between are told at `debug`. */
const told = (target: Target, state: CircuitState): Effect.Effect<void> => {
  if (state === "open") return log.warn("a circuit opened", target)
  return state === "closed" ? log.info("a circuit closed", target) : log.debug("a circuit is probed", target)
}

const obey = (circuit: Circuit, { forMs, state }: ManualState, nowMs: number): void => {
  if (state === "open") circuit.openByHand(nowMs, forMs)
  else if (state === "closed") circuit.closeByHand(nowMs, forMs)
  else circuit.leaveToOutcomes()
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

const verdictOf = (outcome: Outcome): Verdict => {
  if (outcome._tag === "Success") return "success"
  if (outcome._tag === "Cancelled") return "ignored"
  const { error } = outcome
  if (error.fault === "caller") return error._tag === "UnsupportedAbility" ? "ignored" : "success"
  if (error.fault !== "provider") return "ignored"
  return error._tag === "ProviderRateLimited" || error._tag === "CircuitOpen" ? "ignored" : "failure"
}
