"use client"

import { PageHeader } from "@/components/page-header"
import { Segmented } from "@/components/ui/segmented"
import { useLive } from "@/features/live/provider"
import { LatencyChart } from "@/features/overview/latency-chart"
import { OutcomeChart } from "@/features/overview/outcome-chart"
import { OverviewMetrics } from "@/features/overview/metrics"
import { Providers } from "@/features/overview/providers"
import { RangeNote } from "@/features/usage/range-note"
import { rangeLabels, ranges } from "@/features/usage/range"
import { useUsage } from "@/features/usage/use-usage"
import { useUrlState } from "@/lib/url-state"
import { overviewParams } from "./search-params"

const rangeOptions = ranges.map((value) => ({ value, label: rangeLabels[value] }))

export function OverviewClient({ gateway }: { readonly gateway: string }) {
  const [{ range }, setParams] = useUrlState(overviewParams)
  const { status } = useLive()
  const overTime = useUsage(range, {})
  const byStatus = useUsage(range, { groupBy: "status" })
  const byCache = useUsage(range, { groupBy: "cache", sumsOnly: true, enabled: range !== "start" })
  const byProvider = useUsage(range, { groupBy: "provider", sumsOnly: true })
  return (
    <>
      <PageHeader title="Overview" note={<RangeNote range={range} usage={overTime} />}>
        <Segmented
          label="Time range"
          value={range}
          options={rangeOptions}
          onChange={(next) => setParams({ range: next })}
        />
      </PageHeader>
      <div className="space-y-6">
        <OverviewMetrics range={range} status={status} usage={overTime.data} byCache={byCache.data} />
        <div className="grid gap-6 xl:grid-cols-3">
          <OutcomeChart className="xl:col-span-2" usage={byStatus} gateway={gateway} status={status} />
          <LatencyChart usage={overTime} />
        </div>
        <Providers status={status} byProvider={byProvider.data} />
      </div>
    </>
  )
}
