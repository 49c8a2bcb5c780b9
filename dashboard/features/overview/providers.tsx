"use client"

import { ServerOff } from "lucide-react"
import type { BreakerState, Limit, ProviderStatus, Status } from "millrace/admin-api"
import type { ReactNode } from "react"
import { Figure } from "@/components/figure"
import { Meter } from "@/components/meter"
import { EmptyState } from "@/components/states"
import { Badge, type Tone } from "@/components/ui/badge"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { count, ratio, roughCount, share, text } from "@/lib/format"
import { RetryNote } from "./retry-note"

interface ProvidersProps {
  readonly status: Status | null
  readonly byProvider: UsageAnswer | undefined
}

const breakers: Record<BreakerState, { readonly tone: Tone; readonly label: string; readonly dot: string }> = {
  closed: { tone: "good", label: "Breaker closed", dot: "bg-good" },
  "half-open": { tone: "warn", label: "Breaker half open", dot: "bg-warn" },
  open: { tone: "bad", label: "Breaker open", dot: "bg-bad" }
}

/** Every provider as it is now: breaker, calls, and how full its limits are. */
export function Providers({ status, byProvider }: ProvidersProps) {
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
            <ProviderCard key={provider.name} provider={provider} usage={byProvider} />
          ))}
        </ul>
      )}
    </Card>
  )
}

interface ProviderCardProps {
  readonly provider: ProviderStatus
  readonly usage: UsageAnswer | undefined
}

function ProviderCard({ provider, usage }: ProviderCardProps) {
  const { tone, label, dot } = breakers[provider.breaker]
  const points = usage?.report.series.filter((point) => point.group === provider.name)
  const requests = points?.reduce((sum, point) => sum + point.requests, 0)
  const errors = points?.reduce((sum, point) => sum + point.errors, 0)
  return (
    <li className="@container bg-surface px-5 py-4" data-provider={provider.name}>
      <div className="flex items-start justify-between gap-3">
        <div className="min-w-0">
          <h3 className="truncate text-[13px] leading-5 font-medium">{provider.name}</h3>
          <p className="truncate text-xs text-muted">
            {provider.kind === provider.name ? null : `${provider.kind}, `}
            {provider.model ?? "any model"}
          </p>
        </div>
        <Badge tone={tone}>
          <span aria-hidden className={`size-1.5 rounded-full ${dot}`} />
          {label}
        </Badge>
      </div>
      <div className="mt-4 grid gap-x-10 gap-y-4 @3xl:grid-cols-[minmax(20rem,1fr)_2fr] @3xl:items-end">
        <dl className="grid grid-cols-4 gap-3">
          <Fact name="Requests">
            <Figure quantity={count(requests)} />
          </Fact>
          <Fact name="Failed">
            <Figure quantity={share(ratio(errors, requests))} />
          </Fact>
          <Fact name="Active">
            <Figure quantity={count(provider.active)} />
          </Fact>
          <Fact name="Waiting">
            <Figure quantity={count(provider.queued)} />
          </Fact>
        </dl>
        <dl className="grid gap-x-6 gap-y-2.5 @3xl:grid-cols-3">
          <LimitFill provider={provider.name} name="Requests per minute" limit={provider.limits.requestsPerMinute} />
          <LimitFill provider={provider.name} name="Tokens per minute" limit={provider.limits.tokensPerMinute} />
          <LimitFill provider={provider.name} name="Concurrent calls" limit={provider.limits.concurrent} />
        </dl>
      </div>
    </li>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-xs text-muted">{name}</dt>
      <dd className="text-[15px] font-medium">{children}</dd>
    </div>
  )
}

interface LimitFillProps {
  readonly provider: string
  readonly name: string
  readonly limit: Limit
}

/** What is free of a limit; a learned limit counts where it is the lower one. */
function LimitFill({ provider, name, limit }: LimitFillProps) {
  const bound = limit.learned === null ? limit.configured : Math.min(limit.learned, limit.configured ?? limit.learned)
  const available = limit.available ?? bound
  const free =
    bound === null || available === null ? null : `${text(roughCount(available))} of ${text(roughCount(bound))} free`
  return (
    <div className="grid grid-cols-[1fr_auto] gap-x-3 gap-y-1.5 text-xs">
      <dt className="truncate text-muted">{name}</dt>
      <dd className="whitespace-nowrap tabular-nums">
        {free ?? <span className="text-muted">No limit</span>}
        {free !== null && bound !== limit.configured ? <span className="text-muted">, learned</span> : null}
      </dd>
      <dd className="col-span-2">
        <Meter
          label={`${provider}, ${name.toLowerCase()}`}
          share={bound === null || available === null ? 0 : bound === 0 ? 1 : 1 - available / bound}
          text={free ?? "no limit"}
        />
      </dd>
    </div>
  )
}
