/**
 * The order in which the candidates of a request are tried.
 *
 * `fallback` keeps the configured order; the others move the best candidate to the front and keep the rest as its
 * fallbacks. `weighted` spreads by the configured requests per minute (smooth weighted round robin), `least-latency` takes
 * the lowest moving average of time to the first part times calls in flight, `lowest-cost` the cheapest price.
 */
import type { Call, Target } from "./Call.ts"

export type Strategy = "fallback" | "round-robin" | "weighted" | "least-latency" | "lowest-cost"

export interface OrderOptions {
  /** Share of traffic of a provider, any positive unit. */
  readonly weight: (provider: string) => number
  /** Dollars for a typical call; undefined when the price is not known (tried last). */
  readonly typicalUsd: (target: Target) => number | undefined
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
      return (targets) =>
        targets.toSorted((a, b) => (options.typicalUsd(a) ?? Infinity) - (options.typicalUsd(b) ?? Infinity))
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

const leastLatency = (): Order => {
  const stats = new Map<string, { averageMs: number; active: number }>()
  const statsOf = (target: Target) => {
    let found = stats.get(keyOf(target))
    if (found === undefined) stats.set(keyOf(target), (found = { averageMs: 0, active: 0 }))
    return found
  }
  return (targets, call) => {
    let best = targets[0]!
    let bestScore = Number.POSITIVE_INFINITY
    for (const target of targets) {
      const { active, averageMs } = statsOf(target)
      const score = averageMs * (active + 1)
      if (score < bestScore) {
        bestScore = score
        best = target
      }
    }
    statsOf(best).active++
    call.settlement.add(() => {
      statsOf(best).active--
      for (const attempt of call.journal.attempts) {
        const endedAtMs = attempt.firstPartAtMs ?? attempt.endedAtMs
        if (endedAtMs === undefined) continue
        const tookMs = endedAtMs - attempt.startedAtMs - attempt.queueMs
        const entry = statsOf(attempt.target)
        entry.averageMs = tookMs > entry.averageMs ? tookMs : entry.averageMs + (tookMs - entry.averageMs) / 8
      }
    })
    return toFront(targets, best)
  }
}
