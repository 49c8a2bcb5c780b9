/** Figures that follow from others of the admin API. */
import type { UsageRow, UsageSeries } from "millrace/admin-api"

export type Sums = Pick<UsageRow, "requests" | "errors">

/** The share of requests that did not fail, of those that did not fail by the caller's own fault. */
export const successShare = (sums: Sums | undefined, callerFaults: number): number | null => {
  if (sums === undefined) return null
  const own = Math.min(callerFaults, sums.errors)
  return quotient(sums.requests - sums.errors, sums.requests - own)
}

const served: ReadonlyArray<string | null> = ["hit", "semantic", "coalesced"]

/**
 * The time that callers did not wait because the cache served them, of a series that is grouped by cache: for each request
 * that was served, what the median of the misses took longer in its bucket, or over the range where that had none. An
 * estimate; null where nothing was missed to compare with.
 */
export const savedMs = (series: UsageSeries): number | null => {
  const misses = series.filter(({ group, latencyMsP50 }) => group === "miss" && latencyMsP50 !== null)
  const hits = series.filter(({ group, requests }) => served.includes(group) && requests > 0)
  if (hits.length === 0) return series.some(({ group }) => group === "miss") ? 0 : null
  const typicalMs = quotient(
    misses.reduce((sum, { latencyMsP50, requests }) => sum + latencyMsP50! * requests, 0),
    misses.reduce((sum, { requests }) => sum + requests, 0)
  )
  if (typicalMs === null) return null
  const missMs = new Map(misses.map(({ start, latencyMsP50 }) => [start, latencyMsP50!]))
  return hits.reduce(
    (sum, { latencyMsP50, requests, start }) =>
      sum + requests * Math.max(0, (missMs.get(start) ?? typicalMs) - (latencyMsP50 ?? 0)),
    0
  )
}

const quotient = (part: number, total: number): number | null => (total === 0 ? null : part / total)
