"use client"

import { ListFilter } from "lucide-react"
import dynamic from "next/dynamic"
import { useRouter } from "next/navigation"
import { useCallback, useMemo, useState } from "react"
import type { Point } from "@/components/chart/time-chart"
import { CsvButton } from "@/components/csv-button"
import { PageHeader } from "@/components/page-header"
import { Button } from "@/components/ui/button"
import { Card } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { WhenSeen } from "@/components/when-seen"
import { AttentionCard } from "@/features/attention/attention-card"
import { useLive } from "@/features/live/provider"
import { figureCsv, figuresOf } from "@/features/overview/figure-csv"
import { LatencyChart } from "@/features/overview/latency-chart"
import { OverviewMetrics } from "@/features/overview/metrics"
import { OutcomeChart } from "@/features/overview/outcome-chart"
import { filtersOf } from "@/features/requests/filter-values"
import { requestsOf } from "@/features/requests/link"
import { Compare } from "@/features/usage/compare"
import { makeSpan } from "@/features/usage/range"
import { RangeNote } from "@/features/usage/range-note"
import { TimeRange } from "@/features/usage/time-range"
import { useCallerFaults } from "@/features/usage/use-caller-faults"
import { useUsage } from "@/features/usage/use-usage"
import { useUrlState } from "@/lib/url-state"
import { overviewParams } from "./search-params"

/** Loaded when it is first wanted. */
const FilterRow = dynamic(() => import("@/features/requests/filter-row").then((module) => module.FilterRow), {
  ssr: false,
  loading: () => <Skeleton className="mx-5 my-3 h-8" />
})

/** Loaded beside the page. */
const CostByModel = dynamic(() => import("@/features/overview/cost-by-model").then((module) => module.CostByModel), {
  ssr: false,
  loading: () => <Skeleton className="h-72 rounded-xl xl:col-span-2" />
})

/** Below the first screen. */
const Providers = dynamic(() => import("@/features/overview/providers").then((module) => module.Providers), {
  ssr: false,
  loading: () => <Skeleton className="h-56 rounded-xl" />
})

const noFilters = { status: null, cache: null, provider: null, model: null, tenant: null, key: null }

export function OverviewClient({ gateway }: { readonly gateway: string }) {
  const router = useRouter()
  const [params, setParams] = useUrlState(overviewParams)
  const { range, compare, status: outcome, cache, provider, model, tenant, key } = params
  const values = useMemo(
    () => ({ status: outcome, cache, provider, model, tenant, key }),
    [outcome, cache, provider, model, tenant, key]
  )
  const filters = useMemo(() => filtersOf(values), [values])
  const filtered = Object.keys(filters).length > 0
  const [filtering, setFiltering] = useState(false)
  const { status } = useLive()
  const compared = compare !== null && range !== "start"
  const past = { filters, sumsOnly: true, previous: true, enabled: compared } as const
  const overTime = useUsage(range, { filters })
  const before = useUsage(range, past)
  const byCache = useUsage(range, { filters, groupBy: "cache", sumsOnly: true })
  const byCacheBefore = useUsage(range, { ...past, groupBy: "cache" })
  const byStatus = useUsage(range, { filters, groupBy: "status" })
  const callerFaults = useCallerFaults(range, { filters })
  const callerFaultsBefore = useCallerFaults(range, { filters, previous: true, enabled: compared })
  const figures = {
    range,
    filters,
    status,
    usage: overTime.data,
    byCache: byCache.data,
    callerFaults,
    before: compared ? before.data : undefined,
    byCacheBefore: compared ? byCacheBefore.data : undefined,
    callerFaultsBefore: compared ? callerFaultsBefore : undefined
  }
  // The same function from one status to the next, so that no chart is drawn again for nothing.
  const open = useCallback(
    ({ startMs, endMs }: Point) => router.push(requestsOf(makeSpan(startMs, endMs), filters)),
    [router, filters]
  )
  return (
    <>
      <PageHeader title="Overview" note={<RangeNote range={range} usage={overTime} />}>
        {range === "start" ? null : (
          <Compare on={compared} onChange={(on) => setParams({ compare: on ? "previous" : null })} />
        )}
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
        <Button
          size="sm"
          aria-expanded={filtering || filtered}
          disabled={filtered}
          onClick={() => setFiltering(!filtering)}
        >
          <ListFilter />
          Filter
        </Button>
        <CsvButton name="overview" columns={figureCsv} rows={overTime.data === undefined ? [] : figuresOf(figures)} />
      </PageHeader>
      <div className="space-y-6">
        {filtering || filtered ? (
          <Card>
            <FilterRow
              values={values}
              range={range}
              onChange={(changes) => setParams(changes as Partial<typeof values>)}
              onClear={() => setParams(noFilters)}
              filtered={filtered}
            />
          </Card>
        ) : null}
        <AttentionCard />
        <OverviewMetrics {...figures} held={overTime.isPlaceholderData} />
        <div className="grid gap-6 xl:grid-cols-3">
          <OutcomeChart
            className="xl:col-span-2"
            range={range}
            filters={filters}
            usage={byStatus}
            gateway={gateway}
            status={status}
            onOpen={open}
          />
          <LatencyChart usage={overTime} onOpen={open} />
          <CostByModel className="xl:col-span-2" range={range} filters={filters} onOpen={open} />
          <LatencyChart timing="ttft" usage={overTime} onOpen={open} />
        </div>
        <WhenSeen className="h-56 rounded-xl border">
          <Providers range={range} filters={filters} status={status} />
        </WhenSeen>
      </div>
    </>
  )
}
