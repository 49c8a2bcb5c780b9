"use client"

import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { ErrorReport } from "millrace/admin-api"
import { useLivePart, useLiveStatus } from "@/features/live/provider"
import { getJson } from "@/lib/api"
import { previousOf, windowOf, type Range } from "./range"
import type { UsageFilters } from "./use-usage"

export interface CallerFaults {
  /** Requests that failed by the caller's fault. */
  readonly count: number
  /** False where there are more kinds of failures than were counted. */
  readonly whole: boolean
}

interface CallerFaultsOptions {
  readonly filters: UsageFilters
  readonly previous?: boolean
  readonly enabled?: boolean
}

const refreshMs = 5000
const mostGroups = 200

/** What failures can be narrowed by. */
const known = new Set(["model", "provider", "tenant", "key"])

/** Failures of a range that were the caller's own; not known under filters that failures can't be narrowed by. */
export const useCallerFaults = (
  range: Range,
  { filters, previous = false, enabled = true }: CallerFaultsOptions
): CallerFaults | undefined => {
  const live = useLiveStatus()
  const connected = useLivePart(({ status }) => status !== null)
  const askable = Object.keys(filters).every((name) => known.has(name))
  const { data } = useQuery({
    queryKey: ["errors", "caller", range, previous, filters],
    enabled: enabled && askable && (range !== "start" || connected),
    placeholderData: keepPreviousData,
    refetchInterval: previous ? false : refreshMs,
    queryFn: async ({ signal }): Promise<CallerFaults> => {
      const asked = windowOf(range, Date.now(), live.uptimeMs())
      const { fromMs, toMs } = previous ? previousOf(asked) : asked
      const query = new URLSearchParams({
        ...filters,
        from: String(fromMs),
        ...(toMs === null ? {} : { to: String(toMs) }),
        bucket: "day",
        limit: String(mostGroups)
      })
      const { groups } = await getJson<ErrorReport>(`/api/errors?${query}`, signal)
      return {
        count: groups.reduce((sum, { count, fault }) => sum + (fault === "caller" ? count : 0), 0),
        whole: groups.length < mostGroups
      }
    }
  })
  return enabled && askable ? data : undefined
}
