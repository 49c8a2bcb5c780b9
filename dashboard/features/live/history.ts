/**
 * The last two minutes of the live status, one sample for each that came, as small as a chart needs it.
 *
 * Counters stay as the gateway counts them; a rate is their growth over a few seconds, and a gap where samples are
 * missing or the gateway has started anew.
 */
import type { Status } from "millrace/admin-api"

export const historyMs = 120_000

/** Samples further apart than this have a gap between them. */
const gapMs = 8000

/** A rate is taken over at least this long, so that single calls don't make it jump. */
const rateOverMs = 5000

export interface Sample {
  readonly atMs: number
  readonly uptimeSeconds: number
  readonly active: number
  readonly waiting: number
  readonly oldestWaitMs: number
  readonly requests: number
  readonly errors: number
  readonly served: number
  readonly tokens: number
  readonly costUsd: number
  /** Of the process; null where the gateway does not say. */
  readonly loopDelayMs: number | null
  readonly cpuShare: number | null
  readonly residentBytes: number | null
  readonly providers: Readonly<Record<string, { readonly active: number; readonly waiting: number }>>
}

/** Names of the samples' counters. */
export type Counter = "requests" | "errors" | "served" | "tokens" | "costUsd"

export interface Reading {
  readonly atMs: number
  readonly value: number | null
}

const sampleOf = (status: Status, atMs: number): Sample => ({
  atMs,
  uptimeSeconds: status.uptimeSeconds,
  active: status.providers.reduce((sum, { active }) => sum + active, 0),
  waiting: status.queue.waiting,
  oldestWaitMs: status.queue.oldestWaitMs,
  requests: status.totals.requests,
  errors: status.totals.errors,
  served: status.cache.hits + status.cache.semanticHits + status.cache.coalesced,
  tokens: status.totals.promptTokens + status.totals.completionTokens,
  costUsd: status.totals.costUsd,
  loopDelayMs: status.process?.eventLoopDelayMsP99 ?? null,
  cpuShare: status.process?.cpuShare ?? null,
  residentBytes: status.process?.residentBytes ?? null,
  providers: Object.fromEntries(status.providers.map(({ name, active, queued }) => [name, { active, waiting: queued }]))
})

/** The samples with a new one; what is over two minutes old leaves. */
export const withStatus = (samples: ReadonlyArray<Sample>, status: Status, atMs: number): ReadonlyArray<Sample> => [
  ...samples.filter((sample) => sample.atMs > atMs - historyMs && sample.atMs < atMs),
  sampleOf(status, atMs)
]

/** A figure as it was, with a gap where samples are missing. */
export const readings = (
  samples: ReadonlyArray<Sample>,
  pick: (sample: Sample) => number | null | undefined
): ReadonlyArray<Reading> =>
  samples.flatMap((sample, index) => {
    const before = samples[index - 1]
    const reading = { atMs: sample.atMs, value: pick(sample) ?? null }
    return before !== undefined && sample.atMs - before.atMs > gapMs
      ? [{ atMs: before.atMs + 1, value: null }, reading]
      : [reading]
  })

/** Growth of a counter per second, by the samples some seconds apart. */
export const rates = (samples: ReadonlyArray<Sample>, counter: Counter): ReadonlyArray<Reading> =>
  samples.map((sample, index) => ({ atMs: sample.atMs, value: rateAt(samples, index, counter) }))

const rateAt = (samples: ReadonlyArray<Sample>, index: number, counter: Counter): number | null => {
  const sample = samples[index]!
  const before = samples.findLast((earlier, at) => at < index && earlier.atMs <= sample.atMs - rateOverMs)
  if (before === undefined || sample.atMs - before.atMs > rateOverMs + gapMs) return null
  const restarted = sample.uptimeSeconds < before.uptimeSeconds
  return restarted ? null : ((sample[counter] - before[counter]) * 1000) / (sample.atMs - before.atMs)
}
