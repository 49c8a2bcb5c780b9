"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { ChartColumnStacked } from "lucide-react"
import type { Status } from "millrace/admin-api"
import dynamic from "next/dynamic"
import Link from "next/link"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import { Swatch } from "@/components/chart/swatch"
import { CommandLine, EmptyState, ErrorState } from "@/components/states"
import { buttonVariants } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { outcomePoints, outcomeTotals, outcomes } from "@/features/usage/outcomes"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { failureOf } from "@/lib/api"
import { count, exactCount } from "@/lib/format"

/** Loaded for an empty overview alone. */
const SampleButton = dynamic(() => import("@/features/settings/sample-button").then((module) => module.SampleButton), {
  ssr: false
})

interface OutcomeChartProps {
  readonly usage: UseQueryResult<UsageAnswer>
  readonly status: Status | null
  readonly gateway: string
  readonly className?: string
}

/** Requests over time, stacked by how they ended. */
export function OutcomeChart({ usage, status, gateway, className }: OutcomeChartProps) {
  const { data } = usage
  const points = useMemo(() => (data === undefined ? [] : outcomePoints(data.report.series, data.window)), [data])
  return (
    <Card className={className} aria-labelledby="outcomes">
      <CardHeader id="outcomes" title="Requests" note={data === undefined ? undefined : `per ${data.window.bucket}`}>
        {data === undefined ? null : <Legend usage={data} />}
      </CardHeader>
      <div className="px-3 pb-4">
        {data !== undefined ? (
          data.report.totals.requests === 0 ? (
            <NoRequests status={status} gateway={gateway} />
          ) : (
            <TimeChart
              label={`Requests per ${data.window.bucket} by outcome`}
              kind="bars"
              points={points}
              series={outcomes}
              format={count}
              bucket={data.window.bucket}
              wholeNumbers
            />
          )
        ) : usage.isError ? (
          <ErrorState
            what="Requests over time"
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

function Legend({ usage }: { readonly usage: UsageAnswer }) {
  const totals = outcomeTotals(usage.report.series)
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted sm:justify-end">
      {outcomes.map(({ key, label, color }) => (
        <li key={key} className="flex items-center gap-1.5" data-outcome={key}>
          <Swatch color={color} />
          {label}
          <span className="font-medium text-foreground tabular-nums">{exactCount(totals[key])}</span>
        </li>
      ))}
    </ul>
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
