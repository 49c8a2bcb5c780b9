"use client"

import { Inbox, SearchX } from "lucide-react"
import type { RequestItem } from "millrace/admin-api"
import Link from "next/link"
import { Age } from "@/components/age"
import { Answer, HeldNote, RowSkeletons } from "@/components/answer"
import { CsvButton } from "@/components/csv-button"
import { LoadMore } from "@/components/load-more"
import { PageHeader } from "@/components/page-header"
import { EmptyState } from "@/components/states"
import { Button, buttonVariants } from "@/components/ui/button"
import { Card } from "@/components/ui/card"
import { faultLabels } from "@/features/errors/series"
import { requestCsv } from "@/features/requests/csv"
import { ExportButton } from "@/features/requests/export-button"
import { faults } from "@/features/requests/faults"
import { FilterRow, filtersOf } from "@/features/requests/filter-row"
import { Filter, LinkedFilter, SearchFilter } from "@/features/requests/filters"
import { RequestSheet } from "@/features/requests/request-sheet"
import { RequestTable } from "@/features/requests/request-table"
import { useRequests } from "@/features/requests/use-requests"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage } from "@/features/usage/use-usage"
import { exactCount } from "@/lib/format"
import { useUrlState } from "@/lib/url-state"
import { linkedFilters, requestParams } from "./search-params"

const faultOptions = faults.map((value) => ({ value, label: faultLabels[value] }))
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
  const { range, status, cache, provider, model, tenant, key, errorKind, fault, fingerprint, search, id } = params
  const values = { status, cache, provider, model, tenant, key }
  const filters = filtersOf({ ...values, errorKind, fault, fingerprint, search })
  const counted = errorKind === null && fault === null && fingerprint === null && search === null
  const filtered = Object.keys(filters).length > 0
  const requests = useRequests(range, filters)
  const usage = useUsage(range, { filters: filtersOf(values), sumsOnly: true, enabled: counted })
  const rows = requests.data ?? noRows
  const open = (next: string) => setParams({ id: next }, { push: true })
  return (
    <>
      <PageHeader
        title="Requests"
        note={
          requests.data === undefined ? (
            "\u00a0"
          ) : requests.isPlaceholderData ? (
            <HeldNote />
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
        <FilterRow
          values={values}
          range={range}
          filtered={filtered}
          onChange={setParams}
          onClear={() => setParams(noFilters)}
          lead={<SearchFilter value={search} onChange={(next) => setParams({ search: next })} />}
          actions={
            <>
              <CsvButton name="requests" columns={requestCsv} rows={rows} />
              <ExportButton range={range} filters={filters} />
            </>
          }
        >
          <Filter label="Fault" value={fault} options={faultOptions} onChange={(next) => setParams({ fault: next })} />
          {linkedFilters.map(({ name, label }) => (
            <LinkedFilter key={name} label={label} value={params[name]} onClear={() => setParams({ [name]: null })} />
          ))}
        </FilterRow>
        <Answer
          query={requests}
          what="The list of requests"
          skeleton={<RowSkeletons label="Loading the requests" rows={8} />}
        >
          {() =>
            rows.length > 0 ? (
              <>
                <RequestTable rows={rows} openId={id} onOpen={open} />
                <LoadMore query={requests}>Load older ones</LoadMore>
              </>
            ) : requests.hasNextPage ? (
              <>
                <EmptyState icon={SearchX} title="None among the newest requests">
                  <p>A search looks at 2,000 requests at a time.</p>
                </EmptyState>
                <LoadMore query={requests}>Look further back</LoadMore>
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
          }
        </Answer>
      </Card>
      <RequestSheet id={id} onClose={() => setParams({ id: null })} onOpen={open} />
    </>
  )
}

const noRows: ReadonlyArray<RequestItem> = []

function Shown({ shown, total }: { readonly shown: number; readonly total: number | undefined }) {
  if (total === undefined || total <= shown) return <>{exactCount(shown)} shown</>
  return (
    <>
      Newest {exactCount(shown)} of {exactCount(total)}
    </>
  )
}
