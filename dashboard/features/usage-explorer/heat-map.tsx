"use client"

import { Grid3x3 } from "lucide-react"
import { useMemo } from "react"
import { HeatChart } from "@/components/chart"
import { EmptyState, ErrorState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import type { Range } from "@/features/usage/range"
import { useUsage, type UsageFilters } from "@/features/usage/use-usage"
import { failureOf } from "@/lib/api"
import { heatCells, weekdays } from "./heat"
import type { Metric } from "./metrics"

interface HeatMapProps {
  readonly range: Range
  readonly metric: Metric
  readonly filters: UsageFilters
}

const hours = Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, "0")}:00`)

/** A metric by weekday and hour: when the load comes. */
export function HeatMap({ range, metric, filters }: HeatMapProps) {
  const usage = useUsage(range, { filters, bucket: "hour", enabled: metric.adds })
  const { data } = usage
  const cells = useMemo(
    () =>
      data === undefined
        ? []
        : heatCells(data.report.series, data.window, metric).map((cell) => ({
            x: cell.hour,
            y: cell.weekday,
            value: cell.value,
            label: `${weekdays[cell.weekday]}, ${hours[cell.hour]} to ${hours[(cell.hour + 1) % 24]}${cell.hours > 1 ? `, average of ${cell.hours}` : ""}`
          })),
    [data, metric]
  )
  return (
    <Card aria-labelledby="heat">
      <CardHeader id="heat" title={`${metric.label} by weekday and hour`} note="average of an hour, by your clock" />
      <div className="px-3 pb-4">
        {!metric.adds ? (
          <EmptyState icon={Grid3x3} title="There is no average of this figure">
            <p>Choose one that adds up, such as requests, tokens or cost.</p>
          </EmptyState>
        ) : data !== undefined ? (
          <HeatChart
            label={`${metric.label} by weekday and hour`}
            cells={cells}
            columns={hours}
            rows={weekdays}
            format={metric.format}
          />
        ) : usage.isError ? (
          <ErrorState
            what="Usage by the hour"
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
