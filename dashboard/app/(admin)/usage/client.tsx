"use client"

import { ChartColumnStacked } from "lucide-react"
import Link from "next/link"
import { useRouter } from "next/navigation"
import { useMemo, useState } from "react"
import { Answer } from "@/components/answer"
import { Change } from "@/components/change"
import { TimeChart } from "@/components/chart"
import { Legend } from "@/components/chart-card"
import { CsvButton } from "@/components/csv-button"
import { PageHeader } from "@/components/page-header"
import { EmptyState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { useKeyNames } from "@/features/keys/use-keys"
import { useLiveStatus } from "@/features/live/provider"
import { FilterRow, filtersOf } from "@/features/requests/filter-row"
import { requestsOf } from "@/features/requests/link"
import { Controls } from "@/features/usage-explorer/controls"
import { cutText, groupCsv, groupLabels, GroupTable, tableRows } from "@/features/usage-explorer/group-table"
import { drawingOf, groupsOf } from "@/features/usage-explorer/groups"
import { HeatMap } from "@/features/usage-explorer/heat-map"
import { Largest } from "@/features/usage-explorer/largest"
import { metrics } from "@/features/usage-explorer/metrics"
import { useGroups } from "@/features/usage-explorer/use-groups"
import { ViewBar } from "@/features/usage-explorer/view-bar"
import { Compare } from "@/features/usage/compare"
import { pointCsv } from "@/features/usage/point-csv"
import { bucketMs, makeSpan, windowEnd, windowOf } from "@/features/usage/range"
import { RangeNote } from "@/features/usage/range-note"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage } from "@/features/usage/use-usage"
import { text } from "@/lib/format"
import { useUrlState } from "@/lib/url-state"
import { buckets, usageParams } from "./search-params"

const noFilters = { model: null, provider: null, tenant: null, key: null, status: null, cache: null }

/** A chart has at most as many buckets as this. */
const mostBuckets = 800

export function UsageClient() {
  const router = useRouter()
  const live = useLiveStatus()
  const keyNames = useKeyNames()
  const [params, setParams] = useUrlState(usageParams)
  const { range, top, status, cache, provider, model, tenant, key } = params
  const metric = metrics[params.metric]
  const groupBy = params.groupBy === "none" ? null : params.groupBy
  const values = useMemo(
    () => ({ status, cache, provider, model, tenant, key }),
    [status, cache, provider, model, tenant, key]
  )
  const filters = useMemo(() => filtersOf(values), [values])
  const filtered = Object.keys(filters).length > 0
  const [openedMs] = useState(() => Date.now())
  const asked = windowOf(range, openedMs, live.uptimeMs())
  const possible = buckets.filter((name) => (windowEnd(asked) - asked.fromMs) / bucketMs[name] <= mostBuckets)
  const bucket = possible.find((name) => name === params.bucket)
  const grouped = groupBy === null ? {} : { groupBy }
  const usage = useUsage(range, { filters, bucket, ...grouped })
  const compared = params.compare !== null && range !== "start"
  const past = useUsage(range, { filters, sumsOnly: true, previous: true, enabled: compared, ...grouped })
  const before = useMemo(
    () =>
      compared && past.data !== undefined && !past.isPlaceholderData
        ? {
            total: metric.valueOf(past.data.report.totals),
            groups: new Map(groupsOf(past.data.report.series, metric).map(({ name, value }) => [name, value]))
          }
        : null,
    [compared, past.data, past.isPlaceholderData, metric]
  )
  const { data } = usage
  const groups = useGroups(data, groupBy, metric, filters)
  const total = data === undefined ? null : metric.valueOf(data.report.totals)
  const cumulative = params.cumulative !== null && metric.adds
  const drawing = useMemo(
    () =>
      data === undefined
        ? { series: [], points: [] }
        : drawingOf(data.report.series, data.window, {
            metric,
            groups,
            groupBy,
            top: groupBy === null ? 1 : Number(top),
            cumulative,
            labelOf: (name) => (groupBy === "key" ? (keyNames.get(name) ?? name) : name)
          }),
    [data, metric, groups, groupBy, top, cumulative, keyNames]
  )
  const title = `${metric.label}${groupBy === null ? "" : ` by ${groupLabels[groupBy].toLowerCase()}`}`
  return (
    <>
      <PageHeader title="Usage" note={<RangeNote range={range} usage={usage} />}>
        {range === "start" ? null : (
          <Compare on={compared} onChange={(on) => setParams({ compare: on ? "previous" : null })} />
        )}
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
      </PageHeader>
      <ViewBar />
      <div className="space-y-6">
        <Card aria-labelledby="explorer" className="overflow-hidden">
          <Controls
            chosen={{ ...params, bucket: bucket ?? null }}
            fits={asked.bucket}
            possible={possible}
            onChange={setParams}
          />
          <FilterRow values={values} range={range} onChange={setParams} onClear={() => setParams(noFilters)} />
          <CardHeader
            id="explorer"
            title={title}
            note={
              data === undefined ? undefined : (
                <>
                  <Link
                    href={requestsOf(range, filters)}
                    data-total={total ?? ""}
                    className="rounded-sm font-medium text-foreground underline-offset-2 hover:underline"
                  >
                    {text(metric.format(total))}
                  </Link>{" "}
                  {before === null ? null : <Change now={total} before={before.total} format={metric.format} />} in all,{" "}
                  {cumulative ? "summed up" : "shown"} per {data.window.bucket}
                </>
              )
            }
          >
            <Legend entries={groupBy === null ? [] : drawing.series} />
            <CsvButton
              of="the chart"
              name={`usage-${params.metric}-over-time`}
              columns={pointCsv(drawing.series)}
              rows={drawing.points}
            />
          </CardHeader>
          <div className="px-3 pb-4">
            <Answer query={usage} what="Usage">
              {({ report, window }) =>
                report.totals.requests === 0 ? (
                  <EmptyState icon={ChartColumnStacked} title="No requests in this time">
                    {filtered ? (
                      <Button size="sm" onClick={() => setParams(noFilters)}>
                        Clear the filters
                      </Button>
                    ) : (
                      <p>Choose a longer time, or send a request.</p>
                    )}
                  </EmptyState>
                ) : (
                  <TimeChart
                    label={`${metric.label} per ${window.bucket}`}
                    kind={metric.adds && !cumulative ? "bars" : "lines"}
                    points={drawing.points}
                    series={drawing.series}
                    format={metric.format}
                    bucket={window.bucket}
                    wholeNumbers={metric.whole}
                    onOpen={({ startMs, endMs }) => router.push(requestsOf(makeSpan(startMs, endMs), filters))}
                  />
                )
              }
            </Answer>
          </div>
          {groupBy === null || groups.length === 0 ? null : (
            <>
              <div className="flex flex-wrap items-center gap-2 px-5 pb-3">
                <p className="text-xs text-muted" data-cut>
                  {cutText(groupBy, groups.length)}
                </p>
                <span className="ml-auto">
                  <CsvButton
                    of="the groups"
                    name={`usage-by-${groupBy}`}
                    columns={groupCsv(groupBy)}
                    rows={groups.slice(0, tableRows)}
                  />
                </span>
              </div>
              <GroupTable
                label={title}
                groupBy={groupBy}
                metric={metric}
                groups={groups}
                before={before?.groups}
                total={total}
                range={range}
                filters={filters}
              />
            </>
          )}
        </Card>
        <HeatMap range={range} metric={metric} filters={filters} />
        <div className="grid gap-6 xl:grid-cols-2">
          <Largest title="By key" groupBy="key" range={range} metric={metric} filters={filters} />
          <Largest title="By tenant" groupBy="tenant" range={range} metric={metric} filters={filters} />
        </div>
      </div>
    </>
  )
}
