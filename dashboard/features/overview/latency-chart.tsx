"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { Timer } from "lucide-react"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import type { Point } from "@/components/chart/time-chart"
import { ChartCard } from "@/components/chart-card"
import { EmptyState } from "@/components/states"
import { latencyPoints, latencySeries } from "@/features/usage/outcomes"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { duration } from "@/lib/format"

interface LatencyChartProps {
  readonly usage: UseQueryResult<UsageAnswer>
  /** A click on a bucket. */
  readonly onOpen?: (point: Point) => void
}

/** Latency over time: median and tail. */
export function LatencyChart({ usage, onOpen }: LatencyChartProps) {
  const { data } = usage
  const points = useMemo(() => (data === undefined ? [] : latencyPoints(data.report.series, data.window)), [data])
  return (
    <ChartCard
      id="latency-over-time"
      title="Latency"
      note={data === undefined ? undefined : `per ${data.window.bucket}`}
      legend={latencySeries}
      query={usage}
      what="Latency over time"
      empty={({ report }) =>
        report.totals.latencyMsP50 === null ? (
          <EmptyState icon={Timer} title="No latency to show">
            <p>It appears with the first answered request.</p>
          </EmptyState>
        ) : null
      }
    >
      {({ window }) => (
        <TimeChart
          label={`Latency per ${window.bucket}, median and 95th percentile`}
          kind="lines"
          points={points}
          series={latencySeries}
          format={duration}
          bucket={window.bucket}
          {...(onOpen === undefined ? {} : { onOpen })}
        />
      )}
    </ChartCard>
  )
}
