"use client"

import { PageHeader } from "@/components/page-header"
import { AttentionCard } from "@/features/attention/attention-card"
import { useLive } from "@/features/live/provider"
import { LatencyChart } from "@/features/overview/latency-chart"
import { OutcomeChart } from "@/features/overview/outcome-chart"
import { OverviewMetrics } from "@/features/overview/metrics"
import { Providers } from "@/features/overview/providers"
import { RangeNote } from "@/features/usage/range-note"
import { Compare } from "@/features/usage/compare"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage } from "@/features/usage/use-usage"
import { useUrlState } from "@/lib/url-state"
import { overviewParams } from "./search-params"

export function OverviewClient({ gateway }: { readonly gateway: string }) {
  const [{ range, compare }, setParams] = useUrlState(overviewParams)
  const { status } = useLive()
  const overTime = useUsage(range, {})
  const compared = compare !== null && range !== "start"
  const before = useUsage(range, { sumsOnly: true, previous: true, enabled: compared })
  const byCacheBefore = useUsage(range, { groupBy: "cache", sumsOnly: true, previous: true, enabled: compared })
  const byStatus = useUsage(range, { groupBy: "status" })
  const byCache = useUsage(range, { groupBy: "cache", sumsOnly: true, enabled: range !== "start" })
  const byProvider = useUsage(range, { groupBy: "provider", sumsOnly: true })
  return (
    <>
      <PageHeader title="Overview" note={<RangeNote range={range} usage={overTime} />}>
        {range === "start" ? null : (
          <Compare on={compared} onChange={(on) => setParams({ compare: on ? "previous" : null })} />
        )}
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
      </PageHeader>
      <div className="space-y-6">
        <AttentionCard />
        <OverviewMetrics
          range={range}
          status={status}
          usage={overTime.data}
          byCache={byCache.data}
          before={compared ? before.data : undefined}
          byCacheBefore={compared ? byCacheBefore.data : undefined}
        />
        <div className="grid gap-6 xl:grid-cols-3">
          <OutcomeChart className="xl:col-span-2" usage={byStatus} gateway={gateway} status={status} />
          <LatencyChart usage={overTime} />
        </div>
        <Providers status={status} byProvider={byProvider.data} />
      </div>
    </>
  )
}
