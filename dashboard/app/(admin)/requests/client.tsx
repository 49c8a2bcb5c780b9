"use client"

import { Inbox, LoaderCircle, SearchX } from "lucide-react"
import Link from "next/link"
import { Age } from "@/components/age"
import { CsvButton } from "@/components/csv-button"
import { PageHeader } from "@/components/page-header"
import { EmptyState, ErrorState } from "@/components/states"
import { Button, buttonVariants } from "@/components/ui/button"
import { Card } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { cacheLabels } from "@/features/requests/badges"
import { requestCsv } from "@/features/requests/csv"
import { ExportButton } from "@/features/requests/export-button"
import {
  ClearFilters,
  Filter,
  LinkedFilter,
  ProviderFilter,
  SearchFilter,
  UsedFilter
} from "@/features/requests/filters"
import { RequestSheet } from "@/features/requests/request-sheet"
import { RequestTable } from "@/features/requests/request-table"
import { useRequests } from "@/features/requests/use-requests"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage, type UsageFilters } from "@/features/usage/use-usage"
import { failureOf } from "@/lib/api"
import { exactCount } from "@/lib/format"
import { useUrlState } from "@/lib/url-state"
import { cacheKinds, linkedFilters, requestParams, requestStatuses, usedFilters } from "./search-params"

const cacheOptions = cacheKinds.map((value) => ({ value, label: cacheLabels[value] }))
const statusLabels = { success: "Success", error: "Failed", cancelled: "Cancelled" }
const statusOptions = requestStatuses.map((value) => ({ value, label: statusLabels[value] }))
const noFilters = {
  status: null,
  cache: null,
  provider: null,
  model: null,
  tenant: null,
  key: null,
  errorKind: null,
  fault: null,
  fingerprint: null,
  search: null
}

export function RequestsClient() {
  const [params, setParams] = useUrlState(requestParams)
  const { range, status, cache, provider, id } = params
  const filters = filtersOf(params)
  const { errorKind, fault, fingerprint, search, ...sums } = filters
  const counted = errorKind === undefined && fault === undefined && fingerprint === undefined && search === undefined
  const filtered = Object.keys(filters).length > 0
  const requests = useRequests(range, filters)
  const usage = useUsage(range, { filters: sums, sumsOnly: true, enabled: counted })
  const rows = requests.data
  return (
    <>
      <PageHeader
        title="Requests"
        note={
          rows === undefined ? (
            "\u00a0"
          ) : (
            <>
              <Shown shown={rows.length} total={counted ? usage.data?.report.totals.requests : undefined} /> ·{" "}
              <Age atMs={requests.dataUpdatedAt} />
            </>
          )
        }
      >
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
      </PageHeader>
      <Card>
        <div role="group" aria-label="Filters" className="flex flex-wrap items-center gap-2 px-5 py-3">
          <Filter
            label="Status"
            value={status}
            options={statusOptions}
            onChange={(next) => setParams({ status: next })}
          />
          <Filter label="Cache" value={cache} options={cacheOptions} onChange={(next) => setParams({ cache: next })} />
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
          <SearchFilter value={params.search} onChange={(next) => setParams({ search: next })} />
          {linkedFilters.map(({ name, label }) => (
            <LinkedFilter key={name} label={label} value={params[name]} onClear={() => setParams({ [name]: null })} />
          ))}
          {filtered ? <ClearFilters onClear={() => setParams(noFilters)} /> : null}
          <span className="flex gap-2 sm:ml-auto">
            <CsvButton name="requests" columns={requestCsv} rows={rows ?? []} />
            <ExportButton range={range} filters={filters} />
          </span>
        </div>
        {rows !== undefined ? (
          rows.length > 0 ? (
            <>
              <RequestTable rows={rows} openId={id} onOpen={(next) => setParams({ id: next }, { push: true })} />
              {requests.hasNextPage ? (
                <div className="flex justify-center border-t py-3">
                  <Button size="sm" disabled={requests.isFetchingNextPage} onClick={() => requests.fetchNextPage()}>
                    {requests.isFetchingNextPage ? <LoaderCircle className="animate-spin" /> : null}
                    Load older ones
                  </Button>
                </div>
              ) : null}
            </>
          ) : filtered ? (
            <EmptyState icon={SearchX} title="No request fits these filters">
              <Button size="sm" onClick={() => setParams(noFilters)}>
                Clear the filters
              </Button>
            </EmptyState>
          ) : (
            <EmptyState icon={Inbox} title="No requests in this time">
              <p>Every call through the gateway appears here when it ends.</p>
              <Link href="/playground" className={buttonVariants({ size: "sm" })}>
                Send one from the playground
              </Link>
            </EmptyState>
          )
        ) : requests.isError ? (
          <ErrorState
            what="The list of requests"
            failure={failureOf(requests.error)}
            retrying={requests.isFetching}
            onRetry={() => requests.refetch()}
          />
        ) : (
          <div className="space-y-2 px-5 pb-5" role="status" aria-label="Loading the requests">
            {Array.from({ length: 8 }, (_, index) => (
              <Skeleton key={index} className="h-9" />
            ))}
          </div>
        )}
      </Card>
      <RequestSheet id={id} onClose={() => setParams({ id: null })} />
    </>
  )
}

/** The filters that are set, by the names of the admin API. */
const filtersOf = (params: Readonly<Record<keyof typeof noFilters, string | null>>): UsageFilters =>
  Object.fromEntries(
    Object.keys(noFilters).flatMap((name) => {
      const value = params[name as keyof typeof noFilters]
      return value === null ? [] : [[name, value]]
    })
  )

function Shown({ shown, total }: { readonly shown: number; readonly total: number | undefined }) {
  if (total === undefined || total <= shown) return <>{exactCount(shown)} shown</>
  return (
    <>
      Newest {exactCount(shown)} of {exactCount(total)}
    </>
  )
}
