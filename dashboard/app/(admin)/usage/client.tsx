"use client"

import { ChartColumnStacked } from "lucide-react"
import { useRouter } from "next/navigation"
import { useMemo, useState } from "react"
import { TimeChart } from "@/components/chart"
import { Swatch } from "@/components/chart/swatch"
import type { Series } from "@/components/chart/time-chart"
import { CsvButton } from "@/components/csv-button"
import { PageHeader } from "@/components/page-header"
import { EmptyState, ErrorState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { Label } from "@/components/ui/label"
import { Segmented } from "@/components/ui/segmented"
import { Select } from "@/components/ui/select"
import { Skeleton } from "@/components/ui/skeleton"
import { Switch } from "@/components/ui/switch"
import { useLiveStatus } from "@/features/live/provider"
import { cacheLabels } from "@/features/requests/badges"
import { ClearFilters, Filter, ProviderFilter, UsedFilter } from "@/features/requests/filters"
import { cutText, groupCsv, groupLabels, GroupTable } from "@/features/usage-explorer/group-table"
import { drawingOf } from "@/features/usage-explorer/groups"
import { HeatMap } from "@/features/usage-explorer/heat-map"
import { Largest } from "@/features/usage-explorer/largest"
import { requestsOf } from "@/features/usage-explorer/links"
import { metricNames, metrics, type MetricName } from "@/features/usage-explorer/metrics"
import { useGroups } from "@/features/usage-explorer/use-groups"
import { ViewBar } from "@/features/usage-explorer/view-bar"
import { bucketMs, makeSpan, windowEnd, windowOf } from "@/features/usage/range"
import { RangeNote } from "@/features/usage/range-note"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage, type UsageFilters } from "@/features/usage/use-usage"
import { failureOf } from "@/lib/api"
import { text } from "@/lib/format"
import { useUrlState } from "@/lib/url-state"
import { buckets, cacheKinds, groupings, requestStatuses, tops, usageParams } from "./search-params"

const statusLabels = { success: "Success", error: "Failed", cancelled: "Cancelled" }
const statusOptions = requestStatuses.map((value) => ({ value, label: statusLabels[value] }))
const cacheOptions = cacheKinds.map((value) => ({ value, label: cacheLabels[value] }))
const topOptions = tops.map((value) => ({ value, label: `Top ${value}` }))
const noFilters = { model: null, provider: null, tenant: null, key: null, status: null, cache: null }
const usedFilters = [
  { name: "model", label: "Model" },
  { name: "tenant", label: "Tenant" },
  { name: "key", label: "Key" }
] as const

/** A chart has at most as many buckets as this. */
const mostBuckets = 800

export function UsageClient() {
  const router = useRouter()
  const live = useLiveStatus()
  const [params, setParams] = useUrlState(usageParams)
  const { range, top, status, cache, provider } = params
  const metric = metrics[params.metric]
  const groupBy = params.groupBy === "none" ? null : params.groupBy
  const filters = useMemo<UsageFilters>(
    () =>
      Object.fromEntries(
        Object.entries({
          model: params.model,
          provider,
          tenant: params.tenant,
          key: params.key,
          status,
          cache
        }).flatMap(([name, value]) => (value === null ? [] : [[name, value]]))
      ),
    [params.model, provider, params.tenant, params.key, status, cache]
  )
  const [openedMs] = useState(() => Date.now())
  const asked = windowOf(range, openedMs, live.uptimeMs())
  const possible = buckets.filter((name) => (windowEnd(asked) - asked.fromMs) / bucketMs[name] <= mostBuckets)
  const bucket = possible.find((name) => name === params.bucket)
  const usage = useUsage(range, { filters, bucket, ...(groupBy === null ? {} : { groupBy }) })
  const { data } = usage
  const groups = useGroups(data, groupBy, metric, filters)
  const total = data === undefined ? null : metric.valueOf(data.report.totals)
  const cumulative = params.cumulative !== null && metric.adds
  const drawing = useMemo(
    () =>
      data === undefined
        ? undefined
        : drawingOf(data.report.series, data.window, {
            metric,
            groups,
            groupBy,
            top: groupBy === null ? 1 : Number(top),
            cumulative
          }),
    [data, metric, groups, groupBy, top, cumulative]
  )
  return (
    <>
      <PageHeader title="Usage" note={<RangeNote range={range} usage={usage} />}>
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
      </PageHeader>
      <ViewBar />
      <div className="space-y-6">
        <Card aria-labelledby="explorer" className="overflow-hidden">
          <div role="group" aria-label="What to show" className="flex flex-wrap items-center gap-2 border-b px-5 py-3">
            <Select
              aria-label="Metric"
              value={params.metric}
              compact
              onChange={(event) => setParams({ metric: event.target.value as MetricName })}
            >
              {metricNames.map((name) => (
                <option key={name} value={name}>
                  {metrics[name].label}
                </option>
              ))}
            </Select>
            <Select
              aria-label="Group by"
              value={params.groupBy}
              compact
              onChange={(event) => setParams({ groupBy: event.target.value as (typeof groupings)[number] })}
            >
              {groupings.map((name) => (
                <option key={name} value={name}>
                  {name === "none" ? "All together" : `by ${groupLabels[name].toLowerCase()}`}
                </option>
              ))}
            </Select>
            <Select
              aria-label="Bucket"
              value={bucket ?? ""}
              compact
              onChange={(event) => setParams({ bucket: buckets.find((name) => name === event.target.value) ?? null })}
            >
              <option value="">per {asked.bucket} (fits)</option>
              {possible.map((name) => (
                <option key={name} value={name}>
                  per {name}
                </option>
              ))}
            </Select>
            {groupBy === null ? null : (
              <Segmented
                label="Groups in the chart"
                value={top}
                options={topOptions}
                onChange={(next) => setParams({ top: next })}
              />
            )}
            <span className="flex items-center gap-2 pl-1">
              <Switch
                id="cumulative"
                checked={cumulative}
                disabled={!metric.adds}
                onChange={(event) => setParams({ cumulative: event.target.checked ? "yes" : null })}
              />
              <Label htmlFor="cumulative">Cumulative</Label>
            </span>
          </div>
          <div role="group" aria-label="Filters" className="flex flex-wrap items-center gap-2 px-5 pt-3">
            <Filter
              label="Status"
              value={status}
              options={statusOptions}
              onChange={(next) => setParams({ status: next })}
            />
            <Filter
              label="Cache"
              value={cache}
              options={cacheOptions}
              onChange={(next) => setParams({ cache: next })}
            />
            <ProviderFilter value={provider} onChange={(next) => setParams({ provider: next })} />
            {usedFilters.map(({ name, label }) => (
              <UsedFilter
                key={name}
                label={label}
                field={name}
                range={range}
                value={params[name]}
                onChange={(next) => setParams({ [name]: next })}
              />
            ))}
            {Object.keys(filters).length > 0 ? <ClearFilters onClear={() => setParams(noFilters)} /> : null}
          </div>
          <CardHeader
            id="explorer"
            title={`${metric.label}${groupBy === null ? "" : ` by ${groupLabels[groupBy].toLowerCase()}`}`}
            note={
              data === undefined ? undefined : (
                <>
                  <span data-total={total ?? ""} className="font-medium text-foreground">
                    {text(metric.format(total))}
                  </span>{" "}
                  in all, {cumulative ? "summed up" : "shown"} per {data.window.bucket}
                </>
              )
            }
          >
            {drawing === undefined || groupBy === null ? null : <Legend series={drawing.series} />}
          </CardHeader>
          <div className="px-3 pb-4">
            {data !== undefined && drawing !== undefined ? (
              data.report.totals.requests === 0 ? (
                <EmptyState icon={ChartColumnStacked} title="No requests in this time">
                  {Object.keys(filters).length > 0 ? (
                    <Button size="sm" onClick={() => setParams(noFilters)}>
                      Clear the filters
                    </Button>
                  ) : (
                    <p>Choose a longer time, or send a request.</p>
                  )}
                </EmptyState>
              ) : (
                <TimeChart
                  label={`${metric.label} per ${data.window.bucket}`}
                  kind={metric.adds && !cumulative ? "bars" : "lines"}
                  points={drawing.points}
                  series={drawing.series}
                  format={metric.format}
                  bucket={data.window.bucket}
                  wholeNumbers={metric.whole}
                  onOpen={({ startMs, endMs }) => router.push(requestsOf(makeSpan(startMs, endMs), filters))}
                />
              )
            ) : usage.isError ? (
              <ErrorState
                what="Usage"
                failure={failureOf(usage.error)}
                retrying={usage.isFetching}
                onRetry={() => usage.refetch()}
              />
            ) : (
              <Skeleton className="h-58 w-full" />
            )}
          </div>
          {groupBy === null || groups.length === 0 ? null : (
            <>
              <div className="flex flex-wrap items-center gap-2 px-5 pb-3">
                <p className="text-xs text-muted" data-cut>
                  {cutText(groupBy, groups.length)}
                </p>
                <span className="ml-auto">
                  <CsvButton name={`usage-by-${groupBy}`} columns={groupCsv(groupBy)} rows={groups.slice(0, 25)} />
                </span>
              </div>
              <GroupTable
                label={`${metric.label} by ${groupLabels[groupBy].toLowerCase()}`}
                groupBy={groupBy}
                metric={metric}
                groups={groups}
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

function Legend({ series }: { readonly series: ReadonlyArray<Series> }) {
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted sm:justify-end">
      {series.map(({ key, label, color }) => (
        <li key={key} className="flex min-w-0 items-center gap-1.5">
          <Swatch color={color} />
          <span className="truncate">{label}</span>
        </li>
      ))}
    </ul>
  )
}
