/**
 * The order in which the candidates of a request are tried.
 *
 * `fallback` keeps the configured order; the others move the best candidate to the front and keep the rest as its
 * fallbacks. `weighted` spreads by weight (smooth weighted round robin), `least-latency` takes the better of two candidates
 * drawn by lot (power of two choices) by the moving average of the time to the first part, which rises at once and falls
 * slowly, times the calls in flight (peak EWMA), `lowest-cost` the cheapest price.
 */
import type { Attempt, Call, Target } from "./Call.ts"

export type Strategy = "fallback" | "round-robin" | "weighted" | "least-latency" | "lowest-cost"

export interface OrderOptions {
  /** Share of traffic of a provider in any unit; 0 for one that only stands in for others. */
  readonly weight: (provider: string) => number
  /** Dollars for a typical call at a time in epoch milliseconds; undefined when the price is not known (tried last). */
  readonly typicalUsd: (target: Target, atMs: number) => number | undefined
}

export type Order = (targets: ReadonlyArray<Target>, call: Call) => ReadonlyArray<Target>

export const orderBy = (strategy: Strategy, options: OrderOptions): Order => {
  switch (strategy) {
    case "fallback":
      return (targets) => targets
    case "round-robin": {
      let turn = 0
      return (targets) => rotate(targets, turn++ % targets.length)
    }
    case "weighted":
      return weighted(options)
    case "least-latency":
      return leastLatency()
    case "lowest-cost":
      return (targets, { journal }) => {
        const usd = new Map(
          targets.map((target) => [target, options.typicalUsd(target, journal.startedAtMs) ?? Infinity])
        )
        return targets.toSorted((a, b) => (usd.get(a) === usd.get(b) ? 0 : usd.get(a)! - usd.get(b)!))
      }
  }
}

const rotate = (targets: ReadonlyArray<Target>, by: number): ReadonlyArray<Target> => [
  ...targets.slice(by),
  ...targets.slice(0, by)
]

const toFront = (targets: ReadonlyArray<Target>, best: Target): ReadonlyArray<Target> => [
  best,
  ...targets.filter((target) => target !== best)
]

const keyOf = (target: Target): string => `${target.provider}/${target.model}`

const weighted = (options: OrderOptions): Order => {
  const current = new Map<string, number>()
  return (targets) => {
    let total = 0
    let best = targets[0]!
    let bestWeight = Number.NEGATIVE_INFINITY
    for (const target of targets) {
      const weight = options.weight(target.provider)
      const next = (current.get(keyOf(target)) ?? 0) + weight
      total += weight
      current.set(keyOf(target), next)
      if (next > bestWeight) {
        bestWeight = next
        best = target
      }
    }
    current.set(keyOf(best), bestWeight - total)
    return toFront(targets, best)
  }
}

/** A failure counts as an answer that took so long, however soon it came. */
const failureMs = 10_000

/** After so long without an answer half of what was learned is forgotten, so that nobody stays out of favour. */
const halfLifeMs = 10_000

interface Latency {
  averageMs: number
  updatedAtMs: number
  active: number
}

const leastLatency = (): Order => {
  const latencies = new Map<string, Latency>()
  const latencyOf = (target: Target): Latency => {
    let found = latencies.get(keyOf(target))
    if (found === undefined) latencies.set(keyOf(target), (found = { averageMs: 0, updatedAtMs: 0, active: 0 }))
    return found
  }
  const averageMs = (latency: Latency, nowMs: number): number =>
    latency.averageMs * 2 ** (-Math.max(0, nowMs - latency.updatedAtMs) / halfLifeMs)

  const learn = (attempt: Attempt, nowMs: number): void => {
    const { endedAtMs, error, firstPartAtMs, lost, sentAtMs, target } = attempt
    if (sentAtMs === undefined || (firstPartAtMs === undefined && error === undefined && lost === undefined)) return
    const latency = latencyOf(target)
    const before = averageMs(latency, nowMs)
    // One that lost to another would have taken longer than it did.
    const cutMs = lost === undefined ? failureMs : Math.max(before, (endedAtMs ?? nowMs) - sentAtMs)
    const tookMs = firstPartAtMs === undefined ? cutMs : firstPartAtMs - sentAtMs
    latency.averageMs = tookMs > before ? tookMs : before + (tookMs - before) / 8
    latency.updatedAtMs = nowMs
  }

  const scoreOf = (target: Target, nowMs: number): number => {
    const latency = latencyOf(target)
    return averageMs(latency, nowMs) * (latency.active + 1)
  }
  const draw = lots()

  return (targets, call) => {
    const { journal, settlement } = call
    const [one, other] = twoOf(targets, draw)
    const best = scoreOf(other, journal.startedAtMs) < scoreOf(one, journal.startedAtMs) ? other : one
    latencyOf(best).active++
    settlement.add(() => {
      latencyOf(best).active--
      for (const attempt of journal.attempts) learn(attempt, call.clock.currentTimeMillisUnsafe())
    })
    return toFront(targets, best)
  }
}

/** Numbers from 0 to 1 that are the same in every process (mulberry32): the simulator replays them. */
const lots = (): (() => number) => {
  let state = 0x9e37_79b9
  return () => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** Two different candidates, each pair as likely as any other; the one that comes first in the configuration first. */
const twoOf = (targets: ReadonlyArray<Target>, draw: () => number): readonly [Target, Target] => {
  const one = targets.length < 3 ? 0 : Math.floor(draw() * targets.length)
  const rest = targets.length < 3 ? targets.length - 1 : Math.floor(draw() * (targets.length - 1))
  const other = targets.length < 3 || rest < one ? rest : rest + 1
  return [targets[Math.min(one, other)]!, targets[Math.max(one, other)]!]
}
