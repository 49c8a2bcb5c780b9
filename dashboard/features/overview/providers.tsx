"use client"

import { ServerOff } from "lucide-react"
import type { ProviderStatus, Status } from "millrace/admin-api"
import Link from "next/link"
import type { ReactNode } from "react"
import { Figure } from "@/components/figure"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { BreakerBadge } from "@/features/providers/breaker-badge"
import { LimitFill, limitNames } from "@/features/providers/limit-fill"
import { requestsHref } from "@/features/requests/link"
import type { Range } from "@/features/usage/range"
import { useUsage, type UsageAnswer, type UsageFilters } from "@/features/usage/use-usage"
import { count, ratio, share } from "@/lib/format"
import { RetryNote } from "./retry-note"

interface ProvidersProps {
  readonly range: Range
  readonly filters: UsageFilters
  readonly status: Status | null
}

/** Every provider as it is now: breaker, calls, and how full its limits are. */
export function Providers({ range, filters, status }: ProvidersProps) {
  const byProvider = useUsage(range, { filters, groupBy: "provider", sumsOnly: true })
  return (
    <Card aria-labelledby="providers" className="overflow-hidden">
      <CardHeader id="providers" title="Providers" note="requests are counted where they ended">
        <RetryNote />
      </CardHeader>
      {status === null ? (
        <Skeleton className="mx-5 mb-5 h-24" />
      ) : status.providers.length === 0 ? (
        <EmptyState icon={ServerOff} title="No provider is configured">
          <p>Add one under “providers” in the config file, then start the gateway again.</p>
        </EmptyState>
      ) : (
        <ul className="grid grid-cols-[repeat(auto-fit,minmax(min(22rem,100%),1fr))] gap-px border-t bg-border">
          {status.providers.map((provider) => (
            <ProviderCard key={provider.name} range={range} provider={provider} usage={byProvider.data} />
          ))}
        </ul>
      )}
    </Card>
  )
}

interface ProviderCardProps {
  readonly range: Range
  readonly provider: ProviderStatus
  readonly usage: UsageAnswer | undefined
}

function ProviderCard({ range, provider, usage }: ProviderCardProps) {
  const points = usage?.report.series.filter((point) => point.group === provider.name)
  const requests = points?.reduce((sum, point) => sum + point.requests, 0)
  const errors = points?.reduce((sum, point) => sum + point.errors, 0)
  return (
    <li className="@container bg-surface px-5 py-4" data-provider={provider.name}>
      <div className="flex items-start justify-between gap-3">
        <div className="min-w-0">
          <h3 className="truncate text-[13px] leading-5 font-medium">
            <Link
              href={`/providers?provider=${encodeURIComponent(provider.name)}`}
              prefetch={false}
              className="rounded-sm underline-offset-2 hover:underline"
            >
              {provider.name}
            </Link>
          </h3>
          <p className="truncate text-xs text-muted">
            {provider.kind === provider.name ? null : `${provider.kind}, `}
            {provider.model ?? "any model"}
          </p>
        </div>
        <BreakerBadge state={provider.breaker} of="Breaker" />
      </div>
      <div className="mt-4 grid gap-x-10 gap-y-4 @3xl:grid-cols-[minmax(20rem,1fr)_2fr] @3xl:items-end">
        <dl className="grid grid-cols-4 gap-3">
          <Fact name="Requests" href={requestsHref({ range, provider: provider.name })}>
            <Figure quantity={count(requests)} />
          </Fact>
          <Fact name="Failed" href={requestsHref({ range, provider: provider.name, status: "error" })}>
            <Figure quantity={share(ratio(errors, requests))} />
          </Fact>
          <Fact name="Active" href="/live">
            <Figure quantity={count(provider.active)} />
          </Fact>
          <Fact name="Waiting" href="/live">
            <Figure quantity={count(provider.queued)} />
          </Fact>
        </dl>
        <dl className="grid gap-x-6 gap-y-2.5 @3xl:grid-cols-3">
          {limitNames.map(([limit, name]) => (
            <LimitFill key={limit} of={provider.name} name={name} limit={provider.limits[limit]} />
          ))}
        </dl>
      </div>
    </li>
  )
}

interface FactProps {
  readonly name: string
  readonly href: string
  readonly children: ReactNode
}

function Fact({ name, href, children }: FactProps) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-xs text-muted">{name}</dt>
      <dd className="text-[15px] font-medium">
        <Link
          href={href}
          prefetch={false}
          className="rounded-sm underline decoration-border-strong underline-offset-3 hover:decoration-foreground"
        >
          {children}
        </Link>
      </dd>
    </div>
  )
}
