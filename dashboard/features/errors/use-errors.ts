"use client"

import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { ErrorGroup, ErrorReport } from "millrace/admin-api"
import { useLivePart, useLiveStatus } from "@/features/live/provider"
import { refreshMs, windowOf, type Range } from "@/features/usage/range"
import type { UsageFilters } from "@/features/usage/use-usage"
import { getJson } from "@/lib/api"

/** Groups that one answer holds at most. */
export const groupsMax = 200

/** Failures of a range that are alike, the most frequent first. */
export const useErrors = (range: Range, filters: UsageFilters) => {
  const live = useLiveStatus()
  const known = useLivePart(({ status }) => status !== null)
  return useQuery({
    queryKey: ["errors", range, filters],
    enabled: range !== "start" || known,
    placeholderData: keepPreviousData,
    refetchInterval: () => refreshMs[windowOf(range, Date.now(), live.uptimeMs()).bucket],
    queryFn: ({ signal }) => {
      const { bucket, fromMs } = windowOf(range, Date.now(), live.uptimeMs())
      const query = new URLSearchParams({ ...filters, from: String(fromMs), bucket, limit: String(groupsMax) })
      return getJson<ErrorReport>(`/api/errors?${query}`, signal)
    }
  })
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
