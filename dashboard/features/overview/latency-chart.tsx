"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { Timer } from "lucide-react"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import { Swatch } from "@/components/chart/swatch"
import { EmptyState, ErrorState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { latencyPoints, latencySeries } from "@/features/usage/outcomes"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { failureOf } from "@/lib/api"
import { duration } from "@/lib/format"

/** Latency over time: median and tail. */
export function LatencyChart({ usage }: { readonly usage: UseQueryResult<UsageAnswer> }) {
  const { data } = usage
  const points = useMemo(() => (data === undefined ? [] : latencyPoints(data.report.series, data.window)), [data])
  return (
    <Card aria-labelledby="latency-over-time">
      <CardHeader
        id="latency-over-time"
        title="Latency"
        note={data === undefined ? undefined : `per ${data.window.bucket}`}
      >
        <ul className="flex gap-x-4 text-xs text-muted">
          {latencySeries.map(({ key, label, color }) => (
            <li key={key} className="flex items-center gap-1.5">
              <Swatch color={color} />
              {label}
            </li>
          ))}
        </ul>
      </CardHeader>
      <div className="px-3 pb-4">
        {data !== undefined ? (
          data.report.totals.latencyMsP50 === null ? (
            <EmptyState icon={Timer} title="No latency to show">
              <p>It appears with the first answered request.</p>
            </EmptyState>
          ) : (
            <TimeChart
              label={`Latency per ${data.window.bucket}, median and 95th percentile`}
              kind="lines"
              points={points}
              series={latencySeries}
              format={duration}
              bucket={data.window.bucket}
            />
          )
        ) : usage.isError ? (
          <ErrorState
            what="Latency over time"
            failure={failureOf(usage.error)}
            retrying={usage.isFetching}
            onRetry={() => usage.refetch()}
          />
        ) : (
          <Skeleton className="h-58 w-full" />
        )}
      </div>
    </Card>
  )
}
