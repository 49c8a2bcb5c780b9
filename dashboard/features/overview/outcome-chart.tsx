"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { ChartColumnStacked } from "lucide-react"
import type { Status } from "millrace/admin-api"
import dynamic from "next/dynamic"
import Link from "next/link"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import type { Point } from "@/components/chart/time-chart"
import { ChartCard } from "@/components/chart-card"
import { CsvButton } from "@/components/csv-button"
import { CommandLine, EmptyState } from "@/components/states"
import { buttonVariants } from "@/components/ui/button"
import { requestsOf } from "@/features/requests/link"
import { outcomePoints, outcomeTotals, outcomes, type Outcome } from "@/features/usage/outcomes"
import { pointCsv } from "@/features/usage/point-csv"
import type { Range } from "@/features/usage/range"
import type { UsageAnswer, UsageFilters } from "@/features/usage/use-usage"
import { count, exactCount } from "@/lib/format"

/** Loaded for an empty overview alone. */
const SampleButton = dynamic(() => import("@/features/settings/sample-button").then((module) => module.SampleButton), {
  ssr: false
})

interface OutcomeChartProps {
  readonly range: Range
  readonly filters: UsageFilters
  readonly usage: UseQueryResult<UsageAnswer>
  readonly status: Status | null
  readonly gateway: string
  readonly onOpen: (point: Point) => void
  readonly className?: string | undefined
}

/** The page of requests has no filter for those of all caches, so these lead to what the cache did. */
const hrefOf = (outcome: Outcome, range: Range, filters: UsageFilters): string => {
  switch (outcome) {
    case "answered":
      return requestsOf(range, { ...filters, status: "success" })
    case "cached":
      return `/cache?${new URLSearchParams({ range })}`
    case "cancelled":
      return requestsOf(range, { ...filters, status: "cancelled" })
    case "failed":
      return requestsOf(range, { ...filters, status: "error" })
  }
}

/** Requests over time, stacked by how they ended. */
export function OutcomeChart({ range, filters, usage, status, gateway, onOpen, className }: OutcomeChartProps) {
  const { data } = usage
  const points = useMemo(() => (data === undefined ? [] : outcomePoints(data.report.series, data.window)), [data])
  const totals = data === undefined ? undefined : outcomeTotals(data.report.series)
  return (
    <ChartCard
      className={className}
      id="outcomes"
      title="Requests"
      note={data === undefined ? undefined : `per ${data.window.bucket}`}
      legend={
        totals === undefined
          ? []
          : outcomes.map((outcome) => ({
              ...outcome,
              figure: exactCount(totals[outcome.key]),
              href: hrefOf(outcome.key, range, filters)
            }))
      }
      actions={<CsvButton name="requests-over-time" columns={pointCsv(outcomes)} rows={points} />}
      query={usage}
      what="Requests over time"
      empty={({ report }) => (report.totals.requests === 0 ? <NoRequests status={status} gateway={gateway} /> : null)}
    >
      {({ window }) => (
        <TimeChart
          label={`Requests per ${window.bucket} by outcome`}
          kind="bars"
          points={points}
          series={outcomes}
          format={count}
          bucket={window.bucket}
          wholeNumbers
          onOpen={onOpen}
        />
      )}
    </ChartCard>
  )
}

function NoRequests({ status, gateway }: { readonly status: Status | null; readonly gateway: string }) {
  const first = status?.providers[0]
  const model = first === undefined ? "MODEL" : first.model === null ? first.name : `${first.name}/${first.model}`
  return (
    <EmptyState icon={ChartColumnStacked} title="No requests in this time">
      <p>Send one from a terminal, or try the playground.</p>
      <CommandLine
        command={`curl ${gateway}/v1/chat/completions \\\n  -H 'content-type: application/json' \\\n  -d '{"model":"${model}","messages":[{"role":"user","content":"Hello"}]}'`}
      />
      <div className="flex flex-wrap justify-center gap-2">
        <Link href="/playground" className={buttonVariants({ size: "sm" })}>
          Open the playground
        </Link>
        <SampleButton />
      </div>
    </EmptyState>
  )
}
