"use client"

import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { ErrorGroup, ErrorReport } from "millrace/admin-api"
import { useLivePart, useLiveStatus } from "@/features/live/provider"
import { refreshMs, windowOf, type Range, type Window } from "@/features/usage/range"
import type { UsageFilters } from "@/features/usage/use-usage"
import { getJson } from "@/lib/api"

/** Groups that one answer holds at most. */
export const groupsMax = 200

export interface ErrorAnswer extends ErrorReport {
  readonly window: Window
}

/** Failures of a range that are alike, the most frequent first. */
export const useErrors = (range: Range, filters: UsageFilters) => {
  const live = useLiveStatus()
  const known = useLivePart(({ status }) => status !== null)
  return useQuery<ErrorAnswer>({
    queryKey: ["errors", range, filters],
    enabled: range !== "start" || known,
    placeholderData: keepPreviousData,
    refetchInterval: () => refreshMs[windowOf(range, Date.now(), live.uptimeMs()).bucket],
    queryFn: async ({ signal }) => {
      const window = windowOf(range, Date.now(), live.uptimeMs())
      const { bucket, fromMs } = window
      const query = new URLSearchParams({ ...filters, from: String(fromMs), bucket, limit: String(groupsMax) })
      return { ...(await getJson<ErrorReport>(`/api/errors?${query}`, signal)), window }
    }
  })
}

/** How often each group was seen in the time before a range that is as long, by fingerprint; null where nothing is before. */
export const useErrorsBefore = (range: Range, filters: UsageFilters): ReadonlyMap<string, number> | null => {
  const { data } = useQuery({
    queryKey: ["errors before", range, filters],
    enabled: range !== "start",
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
    queryFn: async ({ signal }) => {
      const { bucket, fromMs, nowMs } = windowOf(range, Date.now(), 0)
      const query = new URLSearchParams({
        ...filters,
        from: String(2 * fromMs - nowMs),
        to: String(fromMs),
        bucket,
        limit: String(groupsMax)
      })
      const { groups } = await getJson<ErrorReport>(`/api/errors?${query}`, signal)
      return {
        counts: new Map(groups.map(({ fingerprint, count }) => [fingerprint, count])),
        cut: groups.length >= groupsMax
      }
    }
  })
  return range === "start" || data === undefined || data.cut ? null : data.counts
}

/** Failures of one kind. */
export interface KindCount {
  readonly kind: string
  readonly fault: ErrorGroup["fault"]
  readonly count: number
  readonly lastSeenMs: number
}

/** Groups summed by kind, the most frequent first. */
export const byKind = (groups: ReadonlyArray<ErrorGroup>): ReadonlyArray<KindCount> => {
  const kinds = new Map<string, KindCount>()
  for (const group of groups) {
    const kind = group.kind ?? "Unknown"
    const before = kinds.get(kind)
    const lastSeenMs = Date.parse(group.lastSeen)
    kinds.set(kind, {
      kind,
      fault: before?.fault ?? group.fault,
      count: (before?.count ?? 0) + group.count,
      lastSeenMs: Math.max(before?.lastSeenMs ?? 0, lastSeenMs)
    })
  }
  return [...kinds.values()].sort((a, b) => b.count - a.count)
}
