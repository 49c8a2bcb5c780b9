/**
 * Circuit breaker: stops calls to a provider and model that fails too often, and probes it later.
 *
 * At admission an open circuit fails with `CircuitOpen` at once; at settlement the outcome is recorded, so a stream that
 * breaks in the middle counts too. Provider faults and timeouts count; callers' faults, rate limits and cancellations
 * don't, nor does the refusal of one of several keys. Operators open and close circuits by hand. Where instances share their
 * circuits (`SharedCircuits.ts`), all of them open and close at once and one of them probes. Effect's own `CircuitBreaker`
 * can't see what happens after the first part, hence this one (decision 0003).
 */
import { Context, Effect, Layer, type Scope } from "effect"
import type { Outcome, Target } from "./Call.ts"
import type { Circuit, CircuitState, CircuitStatus, Verdict } from "./Circuit.ts"
import { CircuitTable, type ManualState } from "./CircuitTable.ts"
import { CircuitOpen } from "./Errors.ts"
import { logOf } from "./Log.ts"
import * as SharedCircuits from "./SharedCircuits.ts"
import type { AttemptStage } from "./Stage.ts"

export type { CircuitState, CircuitStatus } from "./Circuit.ts"
export type { ManualState } from "./CircuitTable.ts"

export interface BreakerOptions {
  /** Share of failures, 0–1, from which the circuit opens. */
  readonly failureRate: number
  /** Calls that must be in the window before the rate is looked at. */
  readonly minimumCalls: number
  /** Failures in a row from which the circuit opens, however few calls there were; undefined for never. */
  readonly consecutiveFailures?: number | undefined
  /** Milliseconds until the first probe. */
  readonly openForMs: number
  /** How the circuits of other instances are known; those of this process alone without it. */
  readonly shared?: SharedCircuits.Shared | undefined
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
  static readonly layer = (options: BreakerOptions) => Layer.effect(Breaker, make(options))
}

const make = (options: BreakerOptions): Effect.Effect<Breaker["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const { openForMs, shared } = options
    const table = new CircuitTable(options)
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const sharing =
      shared === undefined
        ? undefined
        : yield* SharedCircuits.connect(shared, table, openForMs, (target, state) => run(told(target, state)))

    const refused = (target: Target, circuit: Circuit, nowMs: number) =>
      Effect.fail(new CircuitOpen({ ...target, retryAfterMs: circuit.retryAtMs(nowMs) - nowMs }))

    return Breaker.of({
      stage: (next) => (call) =>
        Effect.suspend(() => {
          const { target } = call
          const circuit = table.of(target)
          const nowMs = call.clock.currentTimeMillisUnsafe()
          const ticket = circuit.admit(nowMs)
          if (ticket === undefined) return refused(target, circuit, nowMs)
          /** The other instances may leave the probe to this one. */
          const probes = ticket > 0
          call.settlement.add((outcome) => {
            const verdict = call.attempt.otherKey === true ? "ignored" : verdictOf(outcome)
            const endedAtMs = call.clock.currentTimeMillisUnsafe()
            const before = circuit.state(endedAtMs)
            circuit.record(verdict, endedAtMs, ticket)
            const after = circuit.state(endedAtMs)
            if (before === after) {
              if (probes) sharing?.giveUp(target)
              return undefined
            }
            sharing?.changed(target, after)
            return told(target, after)
          })
          if (!probes || sharing === undefined) return next(call)
          return Effect.flatMap(sharing.probe(target), (granted) => {
            if (granted) return next(call)
            const laterMs = call.clock.currentTimeMillisUnsafe()
            circuit.yieldProbe(laterMs, ticket)
            return refused(target, circuit, laterMs)
          })
        }),
      state: (target, nowMs) => table.find(target)?.state(nowMs) ?? "closed",
      retryAtMs: (target, nowMs) => table.find(target)?.retryAtMs(nowMs) ?? 0,
      set: (provider, manual, nowMs) => {
        table.set(provider, manual, nowMs)
        sharing?.ordered(provider, manual)
      },
      stateOfProvider: (provider, nowMs) => table.worst(provider, nowMs),
      circuits: (provider, nowMs) => Array.from(table.ofProvider(provider), (circuit) => circuit.status(nowMs))
    })
  })

const log = logOf("Breaker")

/** An outage begins or ends; the probes between are told at `debug`. */
const told = (target: Target, state: CircuitState): Effect.Effect<void> => {
  if (state === "open") return log.warn("a circuit opened", target)
  return state === "closed" ? log.info("a circuit closed", target) : log.debug("a circuit is probed", target)
}

const verdictOf = (outcome: Outcome): Verdict => {
  if (outcome._tag === "Success") return "success"
  if (outcome._tag === "Cancelled") return "ignored"
  const { error } = outcome
  if (error.fault === "caller") return error._tag === "UnsupportedAbility" ? "ignored" : "success"
  if (error.fault !== "provider") return "ignored"
  return error._tag === "ProviderRateLimited" || error._tag === "CircuitOpen" ? "ignored" : "failure"
}
