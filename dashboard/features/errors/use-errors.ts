"use client"

import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { ErrorGroup, ErrorReport } from "millrace/admin-api"
import { useLivePart, useLiveStatus } from "@/features/live/provider"
import { isPast, previousOf, refreshMs, windowEnd, windowOf, type Range, type Window } from "@/features/usage/range"
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
    refetchInterval: () => {
      const window = windowOf(range, Date.now(), live.uptimeMs())
      return isPast(window) ? false : refreshMs[window.bucket]
    },
    queryFn: async ({ signal }) => {
      const window = windowOf(range, Date.now(), live.uptimeMs())
      return { ...(await readErrors(window, filters, signal)), window }
    }
  })
}

/**
 * How often each group was seen in as much time right before a range, by fingerprint; null until it is read, and where
 * nothing is before or not every group was told.
 */
export const useErrorsBefore = (range: Range, filters: UsageFilters): ReadonlyMap<string, number> | null => {
  const { data } = useQuery({
    queryKey: ["errors before", range, filters],
    enabled: range !== "start",
    refetchInterval: 60_000,
    queryFn: async ({ signal }) => {
      const window = previousOf(windowOf(range, Date.now(), 0))
      const { groups } = await readErrors(window, filters, signal)
      return groups.length >= groupsMax ? null : new Map(groups.map(({ fingerprint, count }) => [fingerprint, count]))
    }
  })
  return data ?? null
}

const readErrors = (window: Window, filters: UsageFilters, signal: AbortSignal) => {
  const query = new URLSearchParams({
    ...filters,
    from: String(window.fromMs),
    bucket: window.bucket,
    limit: String(groupsMax)
  })
  if (window.toMs !== null) query.set("to", String(windowEnd(window)))
  return getJson<ErrorReport>(`/api/errors?${query}`, signal)
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
