"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { ChartColumnStacked } from "lucide-react"
import Link from "next/link"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import { Swatch } from "@/components/chart/swatch"
import { EmptyState, ErrorState } from "@/components/states"
import { buttonVariants } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { failureOf } from "@/lib/api"
import { count, exactCount } from "@/lib/format"
import { splitOf, splitPoints, splitSeries } from "./split"

/** Requests over time, by what the cache did. */
export function CacheChart({ usage }: { readonly usage: UseQueryResult<UsageAnswer> }) {
  const { data } = usage
  const points = useMemo(() => (data === undefined ? [] : splitPoints(data.report.series, data.window)), [data])
  const split = data === undefined ? undefined : splitOf(data.report.series)
  return (
    <Card aria-labelledby="cache-over-time">
      <CardHeader
        id="cache-over-time"
        title="What the cache did"
        note={data === undefined ? undefined : `requests per ${data.window.bucket}`}
      >
        <ul className="flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted sm:justify-end">
          {splitSeries.map(({ key, label, color }) => (
            <li key={key} className="flex items-center gap-1.5" data-cache={key}>
              <Swatch color={color} />
              {label}
              {split === undefined ? null : (
                <span className="font-medium text-foreground tabular-nums">{exactCount(split[key])}</span>
              )}
            </li>
          ))}
        </ul>
      </CardHeader>
      <div className="px-3 pb-4">
        {data !== undefined ? (
          data.report.totals.requests === 0 ? (
            <EmptyState icon={ChartColumnStacked} title="No requests in this time">
              <Link href="/playground" className={buttonVariants({ size: "sm" })}>
                Send one from the playground
              </Link>
            </EmptyState>
          ) : (
            <TimeChart
              label={`Requests per ${data.window.bucket} by what the cache did`}
              kind="bars"
              points={points}
              series={splitSeries}
              format={count}
              bucket={data.window.bucket}
              wholeNumbers
            />
          )
        ) : usage.isError ? (
          <ErrorState
            what="What the cache did"
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
