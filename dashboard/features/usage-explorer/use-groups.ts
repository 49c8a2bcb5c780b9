"use client"

import { useQueries } from "@tanstack/react-query"
import type { GroupBy, UsageReport } from "millrace/admin-api"
import { useMemo } from "react"
import type { Window } from "@/features/usage/range"
import type { UsageAnswer, UsageFilters } from "@/features/usage/use-usage"
import { getJson } from "@/lib/api"
import { tableRows } from "./group-table"
import { groupsOf, type Group } from "./groups"
import type { Metric } from "./metrics"

const quantileRefreshMs = 30_000

/**
 * The groups of an answer. Quantiles of several buckets can't be told from those of each, so for the groups of the table
 * they are asked for one by one.
 */
export const useGroups = (
  answer: UsageAnswer | undefined,
  groupBy: GroupBy | null,
  metric: Metric,
  filters: UsageFilters
): ReadonlyArray<Group> => {
  const groups = useMemo(() => (answer === undefined ? [] : groupsOf(answer.report.series, metric)), [answer, metric])
  const asked =
    metric.fromSums || groupBy === null || answer === undefined
      ? []
      : groups.slice(0, tableRows).flatMap(({ name }) => (name === null ? [] : [name]))
  const bounds = answer === undefined ? "" : boundsOf(answer.window)
  const rows = useQueries({
    queries: asked.map((name) => ({
      queryKey: ["usage", "group", groupBy, name, bounds, filters],
      refetchInterval: quantileRefreshMs,
      queryFn: ({ signal }: { readonly signal: AbortSignal }) => {
        const query = new URLSearchParams({ ...filters, bucket: "day" })
        query.set(groupBy!, name)
        return getJson<UsageReport>(`/api/usage?${query}&${bounds}`, signal)
      }
    })),
    combine: (results) => results.map(({ data }) => data?.totals)
  })
  if (metric.fromSums) return groups
  return groups.map((group) => {
    const row = group.name === null ? undefined : rows[asked.indexOf(group.name)]
    return row === undefined
      ? { ...group, value: null }
      : { ...group, sums: { ...group.sums, ...quantilesOf(row) }, value: metric.valueOf(row) }
  })
}

const boundsOf = ({ fromMs, toMs }: Window) => `from=${fromMs}${toMs === null ? "" : `&to=${toMs}`}`

const quantilesOf = ({ latencyMsP50, latencyMsP95, ttftMsP50, ttftMsP95 }: UsageReport["totals"]) => ({
  latencyMsP50,
  latencyMsP95,
  ttftMsP50,
  ttftMsP95
})
