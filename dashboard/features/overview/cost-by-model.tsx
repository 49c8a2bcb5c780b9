"use client"

import { Coins } from "lucide-react"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import type { Point } from "@/components/chart/time-chart"
import { ChartCard } from "@/components/chart-card"
import { CsvButton } from "@/components/csv-button"
import { EmptyState } from "@/components/states"
import { requestsOf } from "@/features/requests/link"
import { drawingOf, groupsOf } from "@/features/usage-explorer/groups"
import { metrics } from "@/features/usage-explorer/metrics"
import { pointCsv } from "@/features/usage/point-csv"
import type { Range } from "@/features/usage/range"
import { useUsage, type UsageFilters } from "@/features/usage/use-usage"
import { exactCount, text, usd } from "@/lib/format"

interface CostByModelProps {
  readonly range: Range
  readonly filters: UsageFilters
  readonly onOpen: (point: Point) => void
  readonly className?: string | undefined
}

const shownModels = 5
const metric = metrics.costUsd

/** What was spent over time, by the models that cost most. */
export function CostByModel({ range, filters, onOpen, className }: CostByModelProps) {
  const usage = useUsage(range, { filters, groupBy: "model" })
  const { data } = usage
  const groups = useMemo(
    () => (data === undefined ? [] : groupsOf(data.report.series, metric).filter(({ value }) => (value ?? 0) > 0)),
    [data]
  )
  const drawing = useMemo(
    () =>
      data === undefined
        ? { series: [], points: [] }
        : drawingOf(data.report.series, data.window, {
            metric,
            groups,
            groupBy: "model",
            top: shownModels,
            cumulative: false,
            labelOf: (name) => name
          }),
    [data, groups]
  )
  const sums = new Map(groups.map(({ name, value }) => [name, value]))
  return (
    <ChartCard
      className={className}
      id="cost-by-model"
      title="Cost by model"
      note={
        data === undefined
          ? undefined
          : `per ${data.window.bucket}${groups.length > shownModels ? `, top ${shownModels} of ${exactCount(groups.length)} models` : ""}`
      }
      legend={drawing.series.map((series) => {
        const sum = sums.get(series.key)
        return sum === undefined
          ? series
          : { ...series, figure: text(usd(sum)), href: requestsOf(range, filters, { by: "model", name: series.key }) }
      })}
      actions={<CsvButton name="cost-by-model" columns={pointCsv(drawing.series)} rows={drawing.points} />}
      query={usage}
      empty={({ report: { totals } }) =>
        groups.length === 0 ? (
          <EmptyState icon={Coins} title="Nothing was spent in this time">
            <p>
              {totals.unpriced > 0
                ? `${exactCount(totals.unpriced)} requests have no known price; give one under “pricing” of their provider.`
                : "Answers from providers cost; those from the cache and of simulated models don’t."}
            </p>
          </EmptyState>
        ) : null
      }
    >
      {({ window }) => (
        <TimeChart
          label={`Cost per ${window.bucket} by model`}
          kind="bars"
          points={drawing.points}
          series={drawing.series}
          format={usd}
          bucket={window.bucket}
          onOpen={onOpen}
        />
      )}
    </ChartCard>
  )
}
