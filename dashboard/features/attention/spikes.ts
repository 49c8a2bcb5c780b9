/** Failures that have become many: groups whose last hour is far above their hours before. */
import type { ErrorGroup } from "millrace/admin-api"

/** The last hour has at least this many, and this many times an hour before. */
const fewest = 5
const factor = 3
const hourMs = 3_600_000
const hoursBefore = 23

export interface Spike {
  readonly group: ErrorGroup
  /** Failures of the last hour. */
  readonly last: number
  /** Failures an hour in the 23 hours before. */
  readonly before: number
}

/** The spikes in a report of 24 hours by the minute. */
export const spikesIn = (groups: ReadonlyArray<ErrorGroup>, nowMs: number): ReadonlyArray<Spike> =>
  groups.flatMap((group) => {
    const last = group.series.reduce(
      (sum, { start, count }) => sum + (Date.parse(start) > nowMs - hourMs ? count : 0),
      0
    )
    const before = (group.count - last) / hoursBefore
    return last >= fewest && last >= factor * before ? [{ group, last, before }] : []
  })
