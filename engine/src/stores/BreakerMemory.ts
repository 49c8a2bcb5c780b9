/**
 * Circuits that several engines of one process share, and what the Redis store is checked against.
 *
 * It keeps in maps what Redis keeps in keys. Each engine opens the same memory; it can be taken out of reach for one of them,
 * and lose everything.
 */
import { Effect } from "effect"
import type { BreakerStore, CircuitChange, CircuitListener } from "../BreakerStore.ts"
import type { Target } from "../Call.ts"
import { SharedUnavailable } from "../SharedLink.ts"

/** One engine's way to the memory. */
export interface BreakerAccess {
  readonly store: BreakerStore
  /** Takes the memory out of this engine's reach, or brings it back. */
  readonly reach: (up: boolean) => void
}

interface Kept {
  readonly change: CircuitChange
  readonly untilMs: number
}

interface Probe {
  readonly by: object
  readonly untilMs: number
}

interface Engine {
  up: boolean
  listener: CircuitListener | undefined
  generation: number
  readonly untold: Array<CircuitChange>
}

export class BreakerMemory {
  private readonly nowMs: () => number
  private kept = new Map<string, Kept>()
  private probes = new Map<string, Probe>()
  private readonly engines = new Set<Engine>()
  private generation = 0

  constructor(options: { readonly nowMs: () => number }) {
    this.nowMs = options.nowMs
  }

  /** Loses everything, as a server that starts anew. */
  clear(): void {
    this.kept = new Map()
    this.probes = new Map()
    this.generation++
    for (const engine of this.engines) this.load(engine)
  }

  access(): BreakerAccess {
    const engine: Engine = { up: true, listener: undefined, generation: this.generation, untold: [] }
    return {
      store: {
        kind: "memory",
        tell: (change) => {
          if (engine.up) this.tell(engine, change)
          else engine.untold.push(change)
        },
        listen: (on) =>
          Effect.asVoid(
            Effect.acquireRelease(
              Effect.sync(() => {
                engine.listener = on
                this.engines.add(engine)
                this.load(engine)
              }),
              () => Effect.sync(() => this.engines.delete(engine))
            )
          ),
        probe: (target, leaseMs) =>
          Effect.suspend(() =>
            engine.up
              ? Effect.succeed(this.probe(engine, target, leaseMs))
              : Effect.fail(new SharedUnavailable({ reason: "out of reach" }))
          ),
        giveUp: (target) => {
          if (this.probes.get(nameOf(target))?.by === engine) this.probes.delete(nameOf(target))
        }
      },
      reach: (up) => {
        engine.up = up
        if (!up) return
        for (const change of engine.untold.splice(0)) this.tell(engine, change)
        this.load(engine)
      }
    }
  }

  private tell(from: Engine, change: CircuitChange): void {
    const { forMs, model, provider } = change
    const name = nameOf(change)
    if (model === undefined) {
      for (const other of this.kept.keys()) if (other.startsWith(`${provider}/`)) this.kept.delete(other)
    }
    if (forMs === undefined || forMs <= 0) this.kept.delete(name)
    else this.kept.set(name, { change, untilMs: this.nowMs() + forMs })
    this.probes.delete(name)
    for (const engine of this.engines) if (engine !== from && engine.up) engine.listener?.changed(change)
  }

  private load(engine: Engine): void {
    if (!engine.up) return
    const nowMs = this.nowMs()
    const all: Array<CircuitChange> = []
    for (const { change, untilMs } of this.kept.values()) {
      if (untilMs > nowMs) all.push({ ...change, forMs: untilMs - nowMs })
    }
    const lost = engine.generation !== this.generation
    engine.generation = this.generation
    engine.listener?.all(all, lost)
  }

  private probe(by: Engine, target: Target, leaseMs: number): boolean {
    const nowMs = this.nowMs()
    const held = this.probes.get(nameOf(target))
    if (held !== undefined && held.untilMs > nowMs) return false
    this.probes.set(nameOf(target), { by, untilMs: nowMs + leaseMs })
    return true
  }
}

const nameOf = ({ model, provider }: Pick<CircuitChange, "provider" | "model">): string => `${provider}/${model ?? ""}`
