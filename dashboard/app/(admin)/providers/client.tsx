"use client"

import { ServerOff } from "lucide-react"
import { useMemo } from "react"
import { Answer } from "@/components/answer"
import { CsvButton } from "@/components/csv-button"
import { PageHeader } from "@/components/page-header"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { RetryNote } from "@/features/overview/retry-note"
import { ProviderDetail } from "@/features/providers/provider-detail"
import { providerCsv, ProviderTable } from "@/features/providers/provider-table"
import { useProviders } from "@/features/providers/use-providers"
import { FilterRow, filtersOf } from "@/features/requests/filter-row"
import { Compare } from "@/features/usage/compare"
import { RangeNote } from "@/features/usage/range-note"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage, useUsages } from "@/features/usage/use-usage"
import { useUrlState } from "@/lib/url-state"
import { providerParams } from "./search-params"

const noFilters = { model: null, tenant: null, key: null }

export function ProvidersClient() {
  const [params, setParams] = useUrlState(providerParams)
  const { range, provider, model, tenant, key } = params
  const values = { model, tenant, key }
  const filters = useMemo(() => filtersOf({ model, tenant, key }), [model, tenant, key])
  const compared = params.compare !== null && range !== "start"
  const providers = useProviders()
  const usage = useUsage(range, { filters, sumsOnly: true })
  const known = providers.data?.providers ?? []
  const figures = useUsages(
    range,
    known.map(({ name }) => ({ filters: { ...filters, provider: name }, sumsOnly: true }))
  )
  const rows = known.map((each, index) => ({ provider: each, usage: figures[index]?.data?.report.totals ?? null }))
  const shown = known.find(({ name }) => name === provider) ?? known[0]
  return (
    <>
      <PageHeader title="Providers" note={<RangeNote range={range} usage={usage} />}>
        {range === "start" ? null : (
          <Compare on={compared} onChange={(on) => setParams({ compare: on ? "previous" : null })} />
        )}
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
      </PageHeader>
      <div className="space-y-8">
        <Card aria-labelledby="all-providers" className="overflow-hidden">
          <CardHeader id="all-providers" title="All providers" note="requests are counted where they ended">
            <RetryNote />
            <CsvButton of="the providers" name="providers" columns={providerCsv} rows={rows} />
          </CardHeader>
          <FilterRow values={values} range={range} onChange={setParams} onClear={() => setParams(noFilters)} />
          <Answer query={providers} what="The list of providers" skeleton={<Skeleton className="mx-5 mb-5 h-32" />}>
            {() =>
              rows.length === 0 ? (
                <EmptyState icon={ServerOff} title="No provider is configured">
                  <p>Add one under “providers” in the config file, then start the gateway again.</p>
                </EmptyState>
              ) : (
                <ProviderTable
                  rows={rows}
                  openName={shown?.name ?? null}
                  onOpen={(name) => setParams({ provider: name }, { push: true })}
                />
              )
            }
          </Answer>
        </Card>
        {shown === undefined ? null : (
          <ProviderDetail
            key={shown.name}
            provider={shown}
            readAtMs={providers.dataUpdatedAt}
            range={range}
            filters={filters}
            compared={compared}
          />
        )}
      </div>
    </>
  )
}
