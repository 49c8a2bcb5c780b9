/**
 * The circuits of an instance as one of several: what the others have seen counts here, and what changes here holds there.
 *
 * With each beat it says what calls of the last minute said about each provider and model, and takes in the sums of all, so
 * a circuit opens by what everybody has seen. A circuit that opens or closes, by outcomes or by hand, does so at all
 * instances at once, and a probe is one among all. Nothing here waits but the asking for a probe, for a bounded time;
 * without the store each instance goes by what it sees itself (law 11).
 */
import { Clock, Effect, type Scope } from "effect"
import type { BreakerStore, CircuitChange } from "./BreakerStore.ts"
import type { Target } from "./Call.ts"
import type { Circuit, CircuitState } from "./Circuit.ts"
import type { CircuitTable, ManualState } from "./CircuitTable.ts"
import type { CountExchange } from "./CountExchange.ts"

export interface Shared {
  readonly store: BreakerStore
  readonly beat: CountExchange
}

export interface Sharing {
  /** A circuit has opened or closed here by what calls said. */
  readonly changed: (target: Target, state: CircuitState) => void
  /** An operator has ordered something here. */
  readonly ordered: (provider: string, manual: ManualState) => void
  /** Whether this instance may make the probe; every one may while the store is away. */
  readonly probe: (target: Target) => Effect.Effect<boolean>
  /** The probe has said nothing: another may go. */
  readonly giveUp: (target: Target) => void
}

/** Circuits that are said with a beat. */
const saidMax = 200

/** Milliseconds after which another probe may go though nothing was heard of one. */
const probeLeaseMs = 30_000

export const connect = (
  { beat, store }: Shared,
  table: CircuitTable,
  openForMs: number,
  /** A circuit has changed because of others. */
  onChange: (target: Target, state: CircuitState) => void
): Effect.Effect<Sharing, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    let said: ReadonlyArray<readonly [target: Target, circuit: Circuit]> = []

    const changed = (target: Target, state: CircuitState): void => {
      if (state === "half-open") return
      const forMs = state === "open" ? openForMs : undefined
      store.tell({ ...target, state, forMs, byHand: false })
    }

    const follow = (change: CircuitChange): void => {
      const nowMs = now()
      const target = table.follow(change, nowMs)
      if (target !== undefined) onChange(target, table.of(target).state(nowMs))
    }

    yield* store.listen({
      changed: follow,
      all: (changes, lost) => {
        const held = [...table.held(now())]
        if (lost) for (const change of held) store.tell(change)
        else {
          const holds = new Set(changes.map(nameOf))
          for (const { byHand, model, provider } of held) {
            const holdsOn = holds.has(nameOf({ provider, model })) || holds.has(nameOf({ provider, model: undefined }))
            if (byHand && !holdsOn) table.set(provider, { state: "auto", model }, now())
          }
        }
        for (const change of changes) follow(change)
      }
    })

    yield* Effect.acquireRelease(
      Effect.sync(() =>
        beat.add({
          say: () => {
            const nowMs = now()
            const counts: Array<readonly [string, number]> = []
            const spoken: Array<readonly [Target, Circuit]> = []
            for (const [target, circuit] of table.all()) {
              const own = spoken.length < saidMax ? circuit.say(nowMs) : undefined
              if (own === undefined) circuit.alone()
              else {
                spoken.push([target, circuit])
                counts.push([countOf(target, "calls"), own.calls], [countOf(target, "failures"), own.failures])
              }
            }
            said = spoken
            return counts
          },
          hear: (sums) => {
            const nowMs = now()
            for (const [target, circuit] of said) {
              const calls = sums.get(countOf(target, "calls"))
              const failures = sums.get(countOf(target, "failures"))
              if (calls === undefined || failures === undefined) continue
              const before = circuit.state(nowMs)
              circuit.hear(calls, failures, nowMs)
              const after = circuit.state(nowMs)
              if (before === after) continue
              changed(target, after)
              onChange(target, after)
            }
          },
          left: () => {
            for (const [, circuit] of table.all()) circuit.alone()
          }
        })
      ),
      (stop) => Effect.sync(stop)
    )

    return {
      changed,
      ordered: (provider, { forMs, model, state }) => {
        const holdsMs = forMs ?? (state === "open" ? openForMs : undefined)
        store.tell({ provider, model, state, forMs: state === "auto" ? undefined : holdsMs, byHand: true })
      },
      probe: (target) => Effect.catch(store.probe(target, probeLeaseMs), () => Effect.succeed(true)),
      giveUp: store.giveUp
    }
  })

const nameOf = ({ model, provider }: Pick<CircuitChange, "provider" | "model">): string => `${provider}/${model ?? ""}`

const countOf = (target: Target, what: "calls" | "failures"): string => `circuit:${nameOf(target)}:${what}`
