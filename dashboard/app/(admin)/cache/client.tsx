"use client"

import { PageHeader } from "@/components/page-header"
import { CacheChart } from "@/features/cache/cache-chart"
import { CacheMetrics } from "@/features/cache/cache-metrics"
import { Entries } from "@/features/cache/entries"
import { Explain } from "@/features/cache/explain"
import { Semantic } from "@/features/cache/semantic"
import { useLive } from "@/features/live/provider"
import { RangeNote } from "@/features/usage/range-note"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage } from "@/features/usage/use-usage"
import { useUrlState } from "@/lib/url-state"
import { cacheParams } from "./search-params"

export function CacheClient() {
  const [params, setParams] = useUrlState(cacheParams)
  const { a, b, range } = params
  const { status } = useLive()
  const usage = useUsage(range, { groupBy: "cache" })
  return (
    <>
      <PageHeader title="Cache" note={<RangeNote range={range} usage={usage} />}>
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
      </PageHeader>
      <div className="space-y-6">
        <CacheMetrics range={range} cache={status?.cache} usage={usage.data} />
        <CacheChart usage={usage} />
        <Entries
          state={params}
          enabled={status?.cache.enabled ?? true}
          onChange={setParams}
          onCompare={(key) => setParams(a === null ? { a: key, key: null } : { b: key, key: null })}
        />
        <Explain a={a} b={b} />
        <Semantic />
      </div>
    </>
  )
}
