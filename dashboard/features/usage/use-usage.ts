"use client"

import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { GroupBy, UsageReport } from "millrace/admin-api"
import { useLivePart, useLiveStatus } from "@/features/live/provider"
import { getJson } from "@/lib/api"
import { refreshMs, windowOf, type Range, type Window } from "./range"

export interface UsageAnswer {
  readonly report: UsageReport
  readonly window: Window
}

/** Query fields of the admin API that narrow usage and requests. */
export type UsageFilters = Readonly<Record<string, string>>

interface UsageOptions {
  readonly filters?: UsageFilters
  readonly groupBy?: GroupBy
  /** One bucket for the whole range, where only sums are shown. */
  readonly sumsOnly?: boolean
  readonly enabled?: boolean
}

const noFilters: UsageFilters = {}

/** Usage over a range, read again while the page is open. */
export const useUsage = (
  range: Range,
  { filters = noFilters, groupBy, sumsOnly = false, enabled = true }: UsageOptions
) => {
  const live = useLiveStatus()
  const known = useLivePart(({ status }) => status !== null)
  return useQuery<UsageAnswer>({
    queryKey: ["usage", range, groupBy ?? null, sumsOnly, filters],
    enabled: enabled && (range !== "start" || known),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => refreshMs[query.state.data?.window.bucket ?? "minute"],
    queryFn: async ({ signal }) => {
      const window = windowOf(range, Date.now(), live.uptimeMs())
      const bucket = sumsOnly ? "day" : window.bucket
      const query = new URLSearchParams({ ...filters, from: String(window.fromMs), bucket })
      if (groupBy !== undefined) query.set("groupBy", groupBy)
      return { report: await getJson<UsageReport>(`/api/usage?${query}`, signal), window }
    }
  })
}
