/**
 * Where instances tell each other of their circuits: what opened and closed, what operators ordered, and who probes.
 *
 * What calls say about a provider is counted by each instance, and added up by the beat; here are only the changes. A change
 * is told without waiting and kept for those who come later, for as long as it holds. A probe is one instance's at a time.
 */
import type { Effect, Scope } from "effect"
import type { Target } from "./Call.ts"
import type { SharedUnavailable } from "./SharedLink.ts"

/** A change of the circuit of one model, or of all circuits of a provider. */
export interface CircuitChange {
  readonly provider: string
  /** undefined for every model of the provider. */
  readonly model: string | undefined
  readonly state: "open" | "closed" | "auto"
  /** Milliseconds from now on; undefined for a change that holds nothing. */
  readonly forMs: number | undefined
  /** An operator's order, which outcomes don't change. */
  readonly byHand: boolean
}

export interface CircuitListener {
  /** Another instance has changed something. */
  readonly changed: (change: CircuitChange) => void
  /**
   * Everything that holds now: at the start, and whenever changes may have been missed. `lost` when the store has forgotten
   * what it was told before.
   */
  readonly all: (changes: ReadonlyArray<CircuitChange>, lost: boolean) => void
}

export interface BreakerStore {
  readonly kind: "memory" | "redis"
  /** Tells all other instances; returns at once. What is told while the store is away is told when it is back. */
  readonly tell: (change: CircuitChange) => void
  /** Hears of changes by others while the scope lives. */
  readonly listen: (on: CircuitListener) => Effect.Effect<void, never, Scope.Scope>
  /** True for one instance at a time, until it gives the probe up, a change is told, or `leaseMs` are over. */
  readonly probe: (target: Target, leaseMs: number) => Effect.Effect<boolean, SharedUnavailable>
  /** Gives the probe up that this instance has; returns at once. */
  readonly giveUp: (target: Target) => void
}
