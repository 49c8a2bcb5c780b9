"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { Timer } from "lucide-react"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import type { Point } from "@/components/chart/time-chart"
import { ChartCard } from "@/components/chart-card"
import { CsvButton } from "@/components/csv-button"
import { EmptyState } from "@/components/states"
import { latencySeries, timingPoints, type Timing } from "@/features/usage/outcomes"
import { pointCsv } from "@/features/usage/point-csv"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { duration } from "@/lib/format"

interface LatencyChartProps {
  readonly usage: UseQueryResult<UsageAnswer>
  /** Until the answer is complete, unless given. */
  readonly timing?: Timing
  /** A click on a bucket. */
  readonly onOpen?: (point: Point) => void
}

const titles = { latency: "Latency", ttft: "Time to first token" }

/** A time that callers wait, over time: median and tail. */
export function LatencyChart({ usage, timing = "latency", onOpen }: LatencyChartProps) {
  const { data } = usage
  const points = useMemo(
    () => (data === undefined ? [] : timingPoints(timing, data.report.series, data.window)),
    [data, timing]
  )
  const title = titles[timing]
  return (
    <ChartCard
      id={`${timing}-over-time`}
      title={title}
      note={data === undefined ? undefined : `per ${data.window.bucket}`}
      legend={latencySeries}
      actions={
        <CsvButton
          of={title.toLowerCase()}
          name={`${timing}-over-time`}
          columns={pointCsv(latencySeries)}
          rows={points}
        />
      }
      query={usage}
      what={`${title} over time`}
      empty={({ report: { totals } }) =>
        (timing === "latency" ? totals.latencyMsP50 : totals.ttftMsP50) === null ? (
          <EmptyState icon={Timer} title="No times to show">
            <p>They appear with the first answered request.</p>
          </EmptyState>
        ) : null
      }
    >
      {({ window }) => (
        <TimeChart
          label={`${title} per ${window.bucket}, median and 95th percentile`}
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
