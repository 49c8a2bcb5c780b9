"use client"

import { CircleCheck, SearchX } from "lucide-react"
import type { ErrorGroup } from "millrace/admin-api"
import { useMemo } from "react"
import { TimeChart } from "@/components/chart"
import { Age } from "@/components/age"
import { CsvButton } from "@/components/csv-button"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { PageHeader } from "@/components/page-header"
import { EmptyState, ErrorState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { errorCsv } from "@/features/errors/error-csv"
import { ErrorSheet } from "@/features/errors/error-sheet"
import { ErrorTable, rowsOf } from "@/features/errors/error-table"
import { countByFault, failurePoints, failureSeries, faultLabels, faults } from "@/features/errors/series"
import { groupsMax, useErrors, useErrorsBefore, type ErrorAnswer } from "@/features/errors/use-errors"
import { ClearFilters, Filter, ProviderFilter, UsedFilter } from "@/features/requests/filters"
import { RequestSheet } from "@/features/requests/request-sheet"
import { TimeRange } from "@/features/usage/time-range"
import { failureOf } from "@/lib/api"
import { count, exactCount, gap, ratio, share, text } from "@/lib/format"
import { useUrlState } from "@/lib/url-state"
import { errorParams } from "./search-params"

const usedFilters = [
  { name: "model", label: "Model" },
  { name: "tenant", label: "Tenant" },
  { name: "key", label: "Key" }
] as const
const noFilters = { kind: null, provider: null, model: null, tenant: null, key: null }

export function ErrorsClient() {
  const [params, setParams] = useUrlState(errorParams)
  const { range, kind, provider, model, tenant, key, group, id } = params
  const filters = Object.fromEntries(
    Object.entries({ kind, provider, model, tenant, key }).filter(
      (entry): entry is [string, string] => entry[1] !== null
    )
  )
  const filtered = Object.keys(filters).length > 0
  const errors = useErrors(range, filters)
  const before = useErrorsBefore(range, filters)
  const { data } = errors
  const rows = useMemo(() => (data === undefined ? [] : rowsOf(data.groups, data.window, before)), [data, before])
  const openSample = (next: string) => setParams({ id: next }, { push: true })
  return (
    <>
      <PageHeader title="Errors" note={<Note answer={data} updatedAtMs={errors.dataUpdatedAt} />}>
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
        <CsvButton name="errors" columns={errorCsv} rows={rows} />
      </PageHeader>
      <div className="space-y-6">
        <Faults groups={data?.groups} />
        <OverTime answer={data} />
        <Card>
          <div role="group" aria-label="Filters" className="flex flex-wrap items-center gap-2 px-5 py-3">
            <Filter
              label="Error"
              value={kind}
              options={optionsOf(data?.groups, (found) => found.kind, kind)}
              onChange={(next) => setParams({ kind: next })}
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
            {filtered ? <ClearFilters onClear={() => setParams(noFilters)} /> : null}
          </div>
          {data !== undefined ? (
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
          ) : errors.isError ? (
            <ErrorState
              what="The list of errors"
              failure={failureOf(errors.error)}
              retrying={errors.isFetching}
              onRetry={() => errors.refetch()}
            />
          ) : (
            <div className="space-y-2 px-5 pb-5" role="status" aria-label="Loading the errors">
              {Array.from({ length: 6 }, (_, index) => (
                <Skeleton key={index} className="h-9" />
              ))}
            </div>
          )}
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

interface NoteProps {
  readonly answer: ErrorAnswer | undefined
  readonly updatedAtMs: number
}

function Note({ answer, updatedAtMs }: NoteProps) {
  if (answer === undefined) return <>{"\u00a0"}</>
  const { groups } = answer
  const shown = `${exactCount(sumOf(groups))} failed requests in ${exactCount(groups.length)} ${groups.length === 1 ? "group" : "groups"}`
  return (
    <>
      {groups.length >= groupsMax ? `The ${groupsMax} most frequent groups: ${shown}` : shown} ·{" "}
      <Age atMs={updatedAtMs} />
    </>
  )
}

/** Whose fault the failures were. */
function Faults({ groups }: { readonly groups: ReadonlyArray<ErrorGroup> | undefined }) {
  const counts = groups === undefined ? undefined : countByFault(groups)
  const sum = groups === undefined ? undefined : sumOf(groups)
  return (
    <MetricGrid label="Failures by fault">
      {faults.map((fault) => (
        <MetricCard
          key={fault}
          id={`fault-${fault}`}
          label={`Fault of: ${faultLabels[fault]}`}
          figures={[{ quantity: counts === undefined ? gap : count(counts[fault]) }]}
          note={
            counts === undefined || sum === undefined || sum === 0
              ? null
              : `${text(share(ratio(counts[fault], sum)))} of the failures`
          }
        />
      ))}
    </MetricGrid>
  )
}

function OverTime({ answer }: { readonly answer: ErrorAnswer | undefined }) {
  const points = useMemo(() => (answer === undefined ? [] : failurePoints(answer.groups, answer.window)), [answer])
  if (answer !== undefined && answer.groups.length === 0) return null
  return (
    <Card aria-labelledby="failures">
      <CardHeader
        id="failures"
        title="Failed requests"
        note={answer === undefined ? undefined : `per ${answer.window.bucket}`}
      />
      <div className="px-3 pb-4">
        {answer === undefined ? (
          <Skeleton className="h-58 w-full" />
        ) : (
          <TimeChart
            label={`Failed requests per ${answer.window.bucket}`}
            kind="bars"
            points={points}
            series={failureSeries}
            format={count}
            bucket={answer.window.bucket}
            wholeNumbers
          />
        )}
      </div>
    </Card>
  )
}
