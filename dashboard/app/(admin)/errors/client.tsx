"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { CircleCheck, SearchX } from "lucide-react"
import type { ErrorGroup } from "millrace/admin-api"
import Link from "next/link"
import { useRouter } from "next/navigation"
import { useMemo } from "react"
import { Age } from "@/components/age"
import { Answer, Held, HeldNote, RowSkeletons } from "@/components/answer"
import { TimeChart } from "@/components/chart"
import { ChartCard } from "@/components/chart-card"
import { CsvButton } from "@/components/csv-button"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { PageHeader } from "@/components/page-header"
import { EmptyState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card } from "@/components/ui/card"
import { errorCsv } from "@/features/errors/error-csv"
import { ErrorSheet } from "@/features/errors/error-sheet"
import { ErrorTable, rowsOf } from "@/features/errors/error-table"
import { countByFault, failurePoints, failureSeries, faultLabels, faults } from "@/features/errors/series"
import { groupsMax, useErrors, useErrorsBefore, type ErrorAnswer } from "@/features/errors/use-errors"
import { FilterRow, filtersOf } from "@/features/requests/filter-row"
import { Filter } from "@/features/requests/filters"
import { requestsOf } from "@/features/requests/link"
import { RequestSheet } from "@/features/requests/request-sheet"
import { pointCsv } from "@/features/usage/point-csv"
import { makeSpan, type Range } from "@/features/usage/range"
import { TimeRange } from "@/features/usage/time-range"
import { count, exactCount, gap, ratio, share, text } from "@/lib/format"
import { useUrlState } from "@/lib/url-state"
import { errorParams } from "./search-params"

const noFilters = { kind: null, provider: null, model: null, tenant: null, key: null }

export function ErrorsClient() {
  const router = useRouter()
  const [params, setParams] = useUrlState(errorParams)
  const { range, kind, provider, model, tenant, key, group, id } = params
  const values = { provider, model, tenant, key }
  const filters = filtersOf({ kind, ...values })
  const filtered = Object.keys(filters).length > 0
  const errors = useErrors(range, filters)
  const before = useErrorsBefore(range, filters)
  const { data } = errors
  const rows = useMemo(() => (data === undefined ? [] : rowsOf(data.groups, data.window, before)), [data, before])
  const openSample = (next: string) => setParams({ id: next }, { push: true })
  return (
    <>
      <PageHeader title="Errors" note={<Note errors={errors} />}>
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
        <CsvButton of="the groups" name="errors" columns={errorCsv} rows={rows} />
      </PageHeader>
      <div className="space-y-6">
        <Faults errors={errors} range={range} filters={values} />
        <OverTime
          errors={errors}
          onOpen={(next) => router.push(requestsOf(next, { ...filtersOf(values), status: "error" }))}
        />
        <Card>
          <FilterRow
            values={values}
            range={range}
            filtered={filtered}
            onChange={setParams}
            onClear={() => setParams(noFilters)}
            lead={
              <Filter
                label="Error"
                value={kind}
                options={optionsOf(data?.groups, (found) => found.kind, kind)}
                onChange={(next) => setParams({ kind: next })}
              />
            }
          />
          <Answer query={errors} what="The list of errors" skeleton={<RowSkeletons label="Loading the errors" />}>
            {() =>
              rows.length > 0 ? (
                <ErrorTable
                  rows={rows}
                  openId={group}
                  onOpen={(next) => setParams({ group: next }, { push: true })}
                  onSample={openSample}
                />
              ) : filtered ? (
                <EmptyState icon={SearchX} title="No failure fits these filters">
                  <Button size="sm" onClick={() => setParams(noFilters)}>
                    Clear the filters
                  </Button>
                </EmptyState>
              ) : (
                <EmptyState icon={CircleCheck} title="No request failed in this time">
                  <p>Failures that are alike appear here as one group, with a sample and whom they met.</p>
                </EmptyState>
              )
            }
          </Answer>
        </Card>
      </div>
      <ErrorSheet fingerprint={group} range={range} onClose={() => setParams({ group: null })} onSample={openSample} />
      <RequestSheet id={id} onClose={() => setParams({ id: null })} />
    </>
  )
}

/** The values that the groups have, and the one that is chosen. */
const optionsOf = (
  groups: ReadonlyArray<ErrorGroup> | undefined,
  valueOf: (group: ErrorGroup) => string | null,
  chosen: string | null
) => {
  const values = new Set([...(groups ?? []).map(valueOf), chosen].filter((value) => value !== null))
  return Array.from(values, (value) => ({ value, label: value })).sort((a, b) => (a.label < b.label ? -1 : 1))
}

const sumOf = (groups: ReadonlyArray<ErrorGroup>) => groups.reduce((sum, group) => sum + group.count, 0)

function Note({ errors }: { readonly errors: UseQueryResult<ErrorAnswer> }) {
  if (errors.isPlaceholderData) return <HeldNote />
  if (errors.data === undefined) return <>{"\u00a0"}</>
  const { groups } = errors.data
  const shown = `${exactCount(sumOf(groups))} failed requests in ${exactCount(groups.length)} ${groups.length === 1 ? "group" : "groups"}`
  return (
    <>
      {groups.length >= groupsMax ? `The ${groupsMax} most frequent groups: ${shown}` : shown} ·{" "}
      <Age atMs={errors.dataUpdatedAt} />
    </>
  )
}

interface FaultsProps {
  readonly errors: UseQueryResult<ErrorAnswer>
  readonly range: Range
  readonly filters: Readonly<Record<string, string | null>>
}

/** Whose fault the failures were; a figure leads to its requests. */
function Faults({ errors, range, filters }: FaultsProps) {
  const groups = errors.data?.groups
  const counts = groups === undefined ? undefined : countByFault(groups)
  const sum = groups === undefined ? undefined : sumOf(groups)
  return (
    <Held held={errors.isPlaceholderData}>
      <MetricGrid label="Failures by fault">
        {faults.map((fault) => (
          <MetricCard
            key={fault}
            id={`fault-${fault}`}
            label={`Fault of: ${faultLabels[fault]}`}
            figures={[{ quantity: counts === undefined ? gap : count(counts[fault]) }]}
            note={
              counts === undefined || sum === undefined || sum === 0 ? null : (
                <Link
                  href={requestsOf(range, { ...filtersOf(filters), status: "error", fault })}
                  className="rounded-sm underline underline-offset-2 hover:text-foreground"
                >
                  {text(share(ratio(counts[fault], sum)))} of the failures
                </Link>
              )
            }
          />
        ))}
      </MetricGrid>
    </Held>
  )
}

interface OverTimeProps {
  readonly errors: UseQueryResult<ErrorAnswer>
  readonly onOpen: (range: Range) => void
}

/** Failures over time; a bucket leads to its requests. */
function OverTime({ errors, onOpen }: OverTimeProps) {
  const { data } = errors
  const points = useMemo(() => (data === undefined ? [] : failurePoints(data.groups, data.window)), [data])
  if (data?.groups.length === 0 || (data === undefined && errors.isError)) return null
  return (
    <ChartCard
      id="failures"
      title="Failed requests"
      note={data === undefined ? undefined : `per ${data.window.bucket}`}
      actions={<CsvButton of="the chart" name="errors-over-time" columns={pointCsv(failureSeries)} rows={points} />}
      query={errors}
      empty={() => null}
    >
      {({ window }) => (
        <TimeChart
          label={`Failed requests per ${window.bucket}`}
          kind="bars"
          points={points}
          series={failureSeries}
          format={count}
          bucket={window.bucket}
          wholeNumbers
          onOpen={({ startMs, endMs }) => onOpen(makeSpan(startMs, endMs))}
        />
      )}
    </ChartCard>
  )
}
