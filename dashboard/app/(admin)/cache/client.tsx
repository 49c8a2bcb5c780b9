"use client"

import type { CacheStatus } from "millrace/admin-api"
import { PageHeader } from "@/components/page-header"
import { Card } from "@/components/ui/card"
import { CacheChart } from "@/features/cache/cache-chart"
import { CacheMetrics } from "@/features/cache/cache-metrics"
import { Entries } from "@/features/cache/entries"
import { Explain } from "@/features/cache/explain"
import { Reasons } from "@/features/cache/reasons"
import { Semantic } from "@/features/cache/semantic"
import { useLive } from "@/features/live/provider"
import { FilterRow, filtersOf } from "@/features/requests/filter-row"
import { Compare } from "@/features/usage/compare"
import { RangeNote } from "@/features/usage/range-note"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage } from "@/features/usage/use-usage"
import { useUrlState } from "@/lib/url-state"
import { cacheParams } from "./search-params"

const noFilters = { provider: null, model: null, tenant: null }

export function CacheClient() {
  const [params, setParams] = useUrlState(cacheParams)
  const { a, b, range, provider, model, tenant } = params
  const { status } = useLive()
  const values = { provider, model, tenant }
  const filters = filtersOf(values)
  const compared = params.compare !== null && range !== "start"
  const usage = useUsage(range, { groupBy: "cache", filters })
  const before = useUsage(range, { groupBy: "cache", filters, sumsOnly: true, previous: true, enabled: compared })
  return (
    <>
      <PageHeader title="Cache" note={<RangeNote range={range} usage={usage} />}>
        {range === "start" ? null : (
          <Compare on={compared} onChange={(on) => setParams({ compare: on ? "previous" : null })} />
        )}
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
      </PageHeader>
      <div className="space-y-6">
        <Card aria-label="What the page is about">
          <FilterRow values={values} range={range} onChange={setParams} onClear={() => setParams(noFilters)} />
        </Card>
        <CacheMetrics
          range={range}
          filters={filters}
          cache={status?.cache}
          usage={usage}
          before={compared && !before.isPlaceholderData ? before.data : undefined}
        />
        <CacheChart usage={usage} filters={filters} />
        <Entries
          state={params}
          enabled={status?.cache.enabled ?? true}
          onChange={setParams}
          onCompare={(key) => setParams(a === null ? { a: key, key: null } : { b: key, key: null })}
        />
        <div className="grid gap-6 xl:grid-cols-3">
          <div className="xl:col-span-2">
            <Explain a={a} b={b} />
          </div>
          <Reasons
            id="exact-misses"
            title="Misses of the exact cache"
            note="since start"
            counts={missCounts(status?.cache.missReasons)}
          />
        </div>
        <Semantic />
      </div>
    </>
  )
}

const missLabels = {
  absent: "Nothing like it was stored",
  expired: "Its time to live was over",
  refresh: "The caller wanted a new answer"
} as const

/** The reasons in words. */
const missCounts = (reasons: CacheStatus["missReasons"]): Readonly<Record<string, number>> =>
  reasons === undefined
    ? {}
    : {
        [missLabels.absent]: reasons.absent,
        [missLabels.expired]: reasons.expired,
        [missLabels.refresh]: reasons.refresh
      }
