/**
 * When a second attempt is worth its bill: after the live percentile of the time to the first part, within a share of calls.
 *
 * It learns from attempts as they end, apart for each target and for whole answers, streams and embeddings. `Fallback` asks
 * how long to wait before it tries beside an attempt, and whether there is credit left: every call adds `maxShare` to it, every
 * second attempt takes 1. It never calls a provider, and costs nothing while it is off.
 */
import { Context, Layer } from "effect"
import type { Attempt, Target } from "./Call.ts"
import type { Request } from "./Request.ts"

export interface HedgeOptions {
  readonly enabled: boolean
  /** Of the times to the first part, 0–100. */
  readonly afterPercentile: number
  /** Second attempts as a share of calls, 0–1. */
  readonly maxShare: number
}

export class Hedge extends Context.Service<
  Hedge,
  {
    readonly enabled: boolean
    /** Adds to the credit, as every call does. */
    readonly onCall: () => void
    /** Takes the credit of one second attempt; false when there is none. */
    readonly spend: () => boolean
    /** Milliseconds after which an attempt is late; undefined while too few of its kind have been seen. */
    readonly delayMs: (target: Target, request: Request) => number | undefined
    /** Takes in how long an attempt took that has ended. */
    readonly learn: (attempt: Attempt, request: Request) => void
  }
>()("millrace/Hedge") {
  static readonly layer = (options: HedgeOptions) => Layer.sync(Hedge, () => make(options))
}

/** Calls whose credit can be saved up, so that a quiet night is no licence for a burst in the morning. */
const creditCalls = 200

const make = (options: HedgeOptions): Hedge["Service"] => {
  const creditMax = Math.max(1, options.maxShare * creditCalls)
  const latencies = new Map<string, Latencies>()
  let credit = 0

  return Hedge.of({
    enabled: options.enabled && options.maxShare > 0,
    onCall: () => {
      credit = Math.min(creditMax, credit + options.maxShare)
    },
    spend: () => {
      // Sums of shares such as 0.05 fall short of whole numbers by a rounding error.
      if (credit < 1 - 1e-9) return false
      credit -= 1
      return true
    },
    delayMs: (target, request) => latencies.get(keyOf(target, request))?.percentile(options.afterPercentile),
    learn: (attempt, request) => {
      const { endedAtMs, firstPartAtMs, sentAtMs, target } = attempt
      if (sentAtMs === undefined) return
      const key = keyOf(target, request)
      let known = latencies.get(key)
      if (known === undefined) {
        if (latencies.size >= targetsMax) latencies.delete(latencies.keys().next().value!)
        latencies.set(key, (known = new Latencies()))
      }
      if (firstPartAtMs !== undefined) return known.add(firstPartAtMs - sentAtMs)
      // One that was cut off would have taken longer than this; where that is long already, its rank is right.
      const tookMs = (endedAtMs ?? sentAtMs) - sentAtMs
      if (tookMs >= (known.percentile(options.afterPercentile) ?? Number.POSITIVE_INFINITY)) known.add(tookMs)
    }
  })
}

/** Targets that are remembered; bounded because callers choose the models. */
const targetsMax = 1000

const keyOf = ({ model, provider }: Target, { embed, stream }: Request): string =>
  `${embed !== undefined ? "embed" : stream ? "stream" : "whole"} ${provider}/${model}`

/** Times that must have been seen before a percentile is given. */
const samplesMin = 32
const samplesMax = 256

/** Times after which the percentile is looked up again. */
const refreshEvery = 8

/** The last times to the first part at one target, in milliseconds. */
class Latencies {
  private readonly samples = new Float64Array(samplesMax)
  private seen = 0
  private fresh = 0
  private current: number | undefined = undefined

  add(tookMs: number): void {
    this.samples[this.seen % samplesMax] = tookMs
    this.seen++
    this.fresh++
  }

  /** By nearest rank; at most `refreshEvery` times old. */
  percentile(percentile: number): number | undefined {
    if (this.seen < samplesMin) return undefined
    if (this.current === undefined || this.fresh >= refreshEvery) {
      const sorted = this.samples.slice(0, Math.min(this.seen, samplesMax)).toSorted()
      this.current = sorted[Math.max(0, Math.ceil((percentile / 100) * sorted.length) - 1)]!
      this.fresh = 0
    }
    return this.current
  }
}
