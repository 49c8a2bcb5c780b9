/**
 * The circuits of an instance, one for each provider and model, and the orders that hold for whole providers.
 *
 * A circuit is made when its model is called or named first; an order for a provider holds for models that come later too.
 * Callers choose the models, so the number of circuits is bounded. It keeps no time and tells nobody.
 */
import type { CircuitChange } from "./BreakerStore.ts"
import type { Target } from "./Call.ts"
import { Circuit, type CircuitPolicy, type CircuitState } from "./Circuit.ts"

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

/** What was set by hand for a whole provider, and when. */
interface Ordered {
  readonly manual: ManualState
  readonly atMs: number
}

export class CircuitTable {
  private readonly policy: CircuitPolicy
  private readonly providers = new Map<string, Map<string, Circuit>>()
  private readonly ordered = new Map<string, Ordered>()

  constructor(policy: CircuitPolicy) {
    this.policy = policy
  }

  of(target: Target): Circuit {
    let models = this.providers.get(target.provider)
    if (models === undefined) this.providers.set(target.provider, (models = new Map()))
    let circuit = models.get(target.model)
    if (circuit === undefined) {
      if (models.size >= modelsMax) forgetOne(models)
      models.set(target.model, (circuit = this.make(target)))
    }
    return circuit
  }

  /** The circuit that a target has, or would have by an order; undefined where it is closed for want of both. */
  find(target: Target): Circuit | undefined {
    const found = this.providers.get(target.provider)?.get(target.model)
    return found ?? (this.ordered.has(target.provider) ? this.make(target) : undefined)
  }

  ofProvider(provider: string): Iterable<Circuit> {
    return this.providers.get(provider)?.values() ?? []
  }

  *all(): Iterable<readonly [Target, Circuit]> {
    for (const [provider, models] of this.providers) {
      for (const [model, circuit] of models) yield [{ provider, model }, circuit]
    }
  }

  /** The worst state among the models of a provider. */
  worst(provider: string, nowMs: number): CircuitState {
    const models = this.providers.get(provider)
    if (models === undefined) return this.find({ provider, model: "" })?.state(nowMs) ?? "closed"
    let worst: CircuitState = "closed"
    for (const circuit of models.values()) {
      const state = circuit.state(nowMs)
      if (state === "open") return "open"
      if (state === "half-open") worst = state
    }
    return worst
  }

  /** Opens or closes by hand. */
  set(provider: string, manual: ManualState, nowMs: number): void {
    if (manual.model !== undefined) return obey(this.of({ provider, model: manual.model }), manual, nowMs)
    if (manual.state === "open" || manual.forMs !== undefined) this.ordered.set(provider, { manual, atMs: nowMs })
    if (manual.state === "auto" || (manual.state === "closed" && manual.forMs === undefined)) {
      this.ordered.delete(provider)
    }
    for (const circuit of this.ofProvider(provider)) obey(circuit, manual, nowMs)
  }

  /** Does what another instance has done; returns the circuit whose state is another one now. */
  follow({ byHand, forMs, model, provider, state }: CircuitChange, nowMs: number): Target | undefined {
    if (byHand) {
      this.set(provider, { state, model, forMs }, nowMs)
      return undefined
    }
    if (model === undefined) return undefined
    const target = { provider, model }
    const circuit = this.of(target)
    const before = circuit.state(nowMs)
    if (state === "open") circuit.openWithOthers(nowMs, forMs ?? this.policy.openForMs)
    else circuit.closeWithOthers(nowMs)
    return circuit.state(nowMs) === before ? undefined : target
  }

  /** Everything that holds for some time yet, with what is left of it. */
  *held(nowMs: number): Iterable<CircuitChange> {
    for (const [provider, { atMs, manual }] of this.ordered) {
      const leftMs = atMs + (manual.forMs ?? this.policy.openForMs) - nowMs
      if (leftMs > 0) yield { provider, model: undefined, state: manual.state, forMs: leftMs, byHand: true }
    }
    for (const [target, circuit] of this.all()) {
      const held = circuit.held(nowMs)
      if (held !== undefined) yield { ...target, ...held }
    }
  }

  private make({ model, provider }: Target): Circuit {
    const circuit = new Circuit(this.policy, model)
    const order = this.ordered.get(provider)
    if (order !== undefined) obey(circuit, order.manual, order.atMs)
    return circuit
  }
}

const obey = (circuit: Circuit, { forMs, state }: ManualState, nowMs: number): void => {
  if (state === "open") circuit.openByHand(nowMs, forMs)
  else if (state === "closed") circuit.closeByHand(nowMs, forMs)
  else circuit.leaveToOutcomes(nowMs)
}

/** Circuits of one provider. */
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
