"use client"

import { useQueries, useQuery, type UseQueryOptions } from "@tanstack/react-query"
import type { Bucket, GroupBy, UsageReport } from "millrace/admin-api"
import { useLivePart, useLiveStatus } from "@/features/live/provider"
import { getJson } from "@/lib/api"
import { isPast, previousOf, refreshMs, windowEnd, windowOf, type Range, type Window } from "./range"

export interface UsageAnswer {
  readonly report: UsageReport
  readonly window: Window
}

/** Query fields of the admin API that narrow usage and requests. */
export type UsageFilters = Readonly<Record<string, string>>

export interface UsageOptions {
  readonly filters?: UsageFilters
  readonly groupBy?: GroupBy
  /** One bucket for the whole range, where only sums are shown. */
  readonly sumsOnly?: boolean
  /** Other buckets than those that fit the range. */
  readonly bucket?: Bucket | undefined
  /** As much time right before the range, in its place. */
  readonly previous?: boolean
  readonly enabled?: boolean
}

const noFilters: UsageFilters = {}

const usageQuery = (
  range: Range,
  live: ReturnType<typeof useLiveStatus>,
  known: boolean,
  { filters = noFilters, groupBy, sumsOnly = false, bucket, previous = false, enabled = true }: UsageOptions
): UseQueryOptions<UsageAnswer> => ({
  queryKey: ["usage", range, groupBy ?? null, sumsOnly, bucket ?? null, previous, filters],
  enabled: enabled && (range !== "start" || known),
  placeholderData: (before, query) =>
    query !== undefined && query.queryKey[2] === (groupBy ?? null) ? before : undefined,
  refetchInterval: (query) => (previous ? previousRefreshMs : intervalOf(query.state.data?.window)),
  queryFn: async ({ signal }) => {
    const asked = windowOf(range, Date.now(), live.uptimeMs())
    const drawn = bucket === undefined ? asked : { ...asked, bucket }
    const window = previous ? previousOf(drawn) : drawn
    const query = new URLSearchParams({
      ...filters,
      from: String(window.fromMs),
      ...(window.toMs === null ? {} : { to: String(window.toMs) }),
      bucket: sumsOnly ? "day" : window.bucket
    })
    if (groupBy !== undefined) query.set("groupBy", groupBy)
    return { report: await getJson<UsageReport>(`/api/usage?${query}`, signal), window }
  }
})

/**
 * Usage over a range, read again while the page is open. While a new range or filter is read, the figures before stand in
 * its place (`isPlaceholderData`); those of another grouping do not.
 */
export const useUsage = (range: Range, options: UsageOptions) => {
  const live = useLiveStatus()
  const known = useLivePart(({ status }) => status !== null)
  return useQuery(usageQuery(range, live, known, options))
}

/** Several of them, in the order in which they are asked. */
export const useUsages = (range: Range, all: ReadonlyArray<UsageOptions>) => {
  const live = useLiveStatus()
  const known = useLivePart(({ status }) => status !== null)
  return useQueries({ queries: all.map((options) => usageQuery(range, live, known, options)) })
}

const previousRefreshMs = 60_000

/** Records are written a moment after their request. */
const settledMs = 60_000

/** What is over is not read again. */
const intervalOf = (window: Window | undefined): number | false => {
  if (window === undefined) return refreshMs.minute
  return isPast(window) && window.nowMs - windowEnd(window) > settledMs ? false : refreshMs[window.bucket]
}
