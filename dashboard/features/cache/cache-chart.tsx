"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { ChartColumnStacked } from "lucide-react"
import Link from "next/link"
import { useRouter } from "next/navigation"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import { ChartCard } from "@/components/chart-card"
import { CsvButton } from "@/components/csv-button"
import { EmptyState } from "@/components/states"
import { buttonVariants } from "@/components/ui/button"
import { requestsOf } from "@/features/requests/link"
import { pointCsv } from "@/features/usage/point-csv"
import { makeSpan } from "@/features/usage/range"
import type { UsageAnswer, UsageFilters } from "@/features/usage/use-usage"
import { count, exactCount } from "@/lib/format"
import { splitOf, splitPoints, splitSeries } from "./split"

interface CacheChartProps {
  readonly usage: UseQueryResult<UsageAnswer>
  readonly filters: UsageFilters
}

/** Requests over time, by what the cache did; a bucket leads to its requests. */
export function CacheChart({ usage, filters }: CacheChartProps) {
  const router = useRouter()
  const { data } = usage
  const points = useMemo(() => (data === undefined ? [] : splitPoints(data.report.series, data.window)), [data])
  const split = data === undefined ? undefined : splitOf(data.report.series)
  return (
    <ChartCard
      id="cache-over-time"
      title="What the cache did"
      note={data === undefined ? undefined : `requests per ${data.window.bucket}`}
      legend={splitSeries.map((series) => ({
        ...series,
        figure: split === undefined ? undefined : exactCount(split[series.key])
      }))}
      actions={<CsvButton of="the chart" name="cache-over-time" columns={pointCsv(splitSeries)} rows={points} />}
      query={usage}
      empty={({ report }) =>
        report.totals.requests === 0 ? (
          <EmptyState icon={ChartColumnStacked} title="No requests in this time">
            <Link href="/playground" className={buttonVariants({ size: "sm" })}>
              Send one from the playground
            </Link>
          </EmptyState>
        ) : null
      }
    >
      {({ window }) => (
        <TimeChart
          label={`Requests per ${window.bucket} by what the cache did`}
          kind="bars"
          points={points}
          series={splitSeries}
          format={count}
          bucket={window.bucket}
          wholeNumbers
          onOpen={({ startMs, endMs }) => router.push(requestsOf(makeSpan(startMs, endMs), filters))}
        />
      )}
    </ChartCard>
  )
}
