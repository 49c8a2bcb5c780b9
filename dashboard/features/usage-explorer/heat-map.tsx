"use client"

import { Grid3x3 } from "lucide-react"
import { useMemo } from "react"
import { HeatChart } from "@/components/chart"
import { ChartCard } from "@/components/chart-card"
import type { Heat } from "@/components/chart/heat-chart"
import { CsvButton } from "@/components/csv-button"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import type { Range } from "@/features/usage/range"
import { useUsage, type UsageFilters } from "@/features/usage/use-usage"
import type { CsvColumn } from "@/lib/csv"
import { heatCells, weekdays } from "./heat"
import type { Metric } from "./metrics"

const cellCsv: ReadonlyArray<CsvColumn<Heat>> = [
  { header: "weekday", value: ({ y }) => weekdays[y] ?? null },
  { header: "hour", value: ({ x }) => x },
  { header: "average", value: ({ value }) => value }
]

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
  const title = `${metric.label} by weekday and hour`
  if (!metric.adds) {
    return (
      <Card aria-labelledby="heat">
        <CardHeader id="heat" title={title} />
        <EmptyState icon={Grid3x3} title="There is no average of this figure">
          <p>Choose one that adds up, such as requests, tokens or cost.</p>
        </EmptyState>
      </Card>
    )
  }
  return (
    <ChartCard
      id="heat"
      title={title}
      note="average of an hour, by your clock"
      actions={<CsvButton of="the week" name="usage-by-weekday-and-hour" columns={cellCsv} rows={cells} />}
      query={usage}
      what="Usage by the hour"
      empty={() => null}
    >
      {() => <HeatChart label={title} cells={cells} columns={hours} rows={weekdays} format={metric.format} />}
    </ChartCard>
  )
}
