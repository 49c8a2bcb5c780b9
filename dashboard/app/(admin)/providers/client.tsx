"use client"

import { ServerOff } from "lucide-react"
import { PageHeader } from "@/components/page-header"
import { EmptyState, ErrorState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { RetryNote } from "@/features/overview/retry-note"
import { ProviderDetail } from "@/features/providers/provider-detail"
import { ProviderTable } from "@/features/providers/provider-table"
import { useProviders } from "@/features/providers/use-providers"
import { RangeNote } from "@/features/usage/range-note"
import { TimeRange } from "@/features/usage/time-range"
import { useUsage } from "@/features/usage/use-usage"
import { failureOf } from "@/lib/api"
import { useUrlState } from "@/lib/url-state"
import { providerParams } from "./search-params"

export function ProvidersClient() {
  const [{ range, provider }, setParams] = useUrlState(providerParams)
  const providers = useProviders()
  const usage = useUsage(range, { sumsOnly: true })
  const rows = providers.data?.providers
  const shown = rows?.find(({ name }) => name === provider) ?? rows?.[0]
  return (
    <>
      <PageHeader title="Providers" note={<RangeNote range={range} usage={usage} />}>
        <TimeRange value={range} onChange={(next) => setParams({ range: next })} />
      </PageHeader>
      <div className="space-y-8">
        <Card aria-labelledby="all-providers" className="overflow-hidden">
          <CardHeader id="all-providers" title="All providers" note="requests are counted where they ended">
            <RetryNote />
          </CardHeader>
          {rows !== undefined ? (
            rows.length === 0 ? (
              <EmptyState icon={ServerOff} title="No provider is configured">
                <p>Add one under “providers” in the config file, then start the gateway again.</p>
              </EmptyState>
            ) : (
              <ProviderTable
                providers={rows}
                range={range}
                openName={shown?.name ?? null}
                onOpen={(name) => setParams({ provider: name }, { push: true })}
              />
            )
          ) : providers.isError ? (
            <ErrorState
              what="The list of providers"
              failure={failureOf(providers.error)}
              retrying={providers.isFetching}
              onRetry={() => providers.refetch()}
            />
          ) : (
            <Skeleton className="mx-5 mb-5 h-32" />
          )}
        </Card>
        {shown === undefined ? null : (
          <ProviderDetail key={shown.name} provider={shown} readAtMs={providers.dataUpdatedAt} range={range} />
        )}
      </div>
    </>
  )
}
