"use client"

import { ServerOff } from "lucide-react"
import type { Provider, ProviderStatus } from "millrace/admin-api"
import Link from "next/link"
import type { ReactNode } from "react"
import { Figure } from "@/components/figure"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { BreakerBadge } from "@/features/providers/breaker-badge"
import { LimitFill, limitNames } from "@/features/providers/limit-fill"
import { TimeLeft } from "@/features/providers/time-left"
import { useProviders } from "@/features/providers/use-providers"
import { count, duration } from "@/lib/format"
import { readings } from "./history"
import { LiveSparkline } from "./live-sparkline"
import type { LiveSnapshot } from "./live-status"

/** Every provider as it is now: breaker and when it is probed, calls, waits, and how full its limits are. */
export function ProviderLoad({ live }: { readonly live: LiveSnapshot }) {
  const { status } = live
  const broken = status?.providers.some(({ breaker }) => breaker !== "closed") ?? false
  const circuits = useProviders({ enabled: broken })
  return (
    <Card aria-labelledby="provider-load" className="overflow-hidden">
      <CardHeader id="provider-load" title="Providers" note="calls and limits as they are now" />
      {status === null ? (
        <Skeleton className="mx-5 mb-5 h-40" />
      ) : status.providers.length === 0 ? (
        <EmptyState icon={ServerOff} title="No provider is configured">
          <p>Add one under “providers” in the config file, then start the gateway again.</p>
        </EmptyState>
      ) : (
        <ul className="grid grid-cols-[repeat(auto-fit,minmax(min(24rem,100%),1fr))] gap-px border-t bg-border">
          {status.providers.map((provider) => (
            <ProviderNow
              key={provider.name}
              provider={provider}
              circuits={circuits.data?.providers.find(({ name }) => name === provider.name)?.circuits ?? []}
              readAtMs={circuits.dataUpdatedAt}
              live={live}
            />
          ))}
        </ul>
      )}
    </Card>
  )
}

interface ProviderNowProps {
  readonly provider: ProviderStatus
  readonly circuits: Provider["circuits"]
  readonly readAtMs: number
  readonly live: LiveSnapshot
}

function ProviderNow({ provider, circuits, readAtMs, live }: ProviderNowProps) {
  const { name, queue } = provider
  const nowMs = live.receivedAtMs ?? 0
  const broken = provider.breaker === "closed" ? [] : circuits.filter(({ state }) => state !== "closed")
  return (
    <li className="bg-surface px-5 py-4" data-provider={name}>
      <div className="flex items-start justify-between gap-3">
        <h3 className="min-w-0 truncate text-[13px] leading-5 font-medium">
          <Link
            href={`/providers?provider=${encodeURIComponent(name)}`}
            className="rounded-sm underline-offset-2 hover:underline"
          >
            {name}
          </Link>
        </h3>
        <BreakerBadge state={provider.breaker} of="Breaker" />
      </div>
      {broken.length === 0 ? null : (
        <ul className="mt-1 space-y-0.5 text-xs text-muted">
          {broken.map(({ model, state, retryMs }) => (
            <li key={model}>
              {model}: {state === "open" ? "open" : "half open"}
              {retryMs === null ? null : (
                <>
                  , next probe in <TimeLeft ms={retryMs} readAtMs={readAtMs} />
                </>
              )}
            </li>
          ))}
        </ul>
      )}
      <dl className="mt-4 grid grid-cols-2 gap-x-6 gap-y-3">
        <Fact name="In flight" figure={<Figure quantity={count(provider.active)} />}>
          <LiveSparkline
            name={`${name}, in flight`}
            points={readings(live.history, (sample) => sample.providers[name]?.active)}
            nowMs={nowMs}
            format={count}
            color="var(--answered)"
          />
        </Fact>
        <Fact name="Waiting" figure={<Figure quantity={count(provider.queued)} />}>
          <LiveSparkline
            name={`${name}, waiting`}
            points={readings(live.history, (sample) => sample.providers[name]?.waiting)}
            nowMs={nowMs}
            format={count}
            color="var(--waiting)"
          />
        </Fact>
        <Fact
          name="Oldest wait"
          figure={provider.queued === 0 ? "None" : <Figure quantity={duration(queue?.oldestWaitMs)} />}
        />
        <Fact
          name="Expected wait"
          figure={queue?.expectedWaitMs === 0 ? "None" : <Figure quantity={duration(queue?.expectedWaitMs)} />}
        />
      </dl>
      <dl className="mt-4 grid gap-y-2.5">
        {limitNames.map(([limit, label]) => (
          <LimitFill key={limit} of={name} name={label} limit={provider.limits[limit]} />
        ))}
      </dl>
    </li>
  )
}

interface FactProps {
  readonly name: string
  readonly figure: ReactNode
  readonly children?: ReactNode
}

function Fact({ name, figure, children }: FactProps) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-xs text-muted">{name}</dt>
      <dd className="text-[15px] font-medium">{figure}</dd>
      {children === undefined ? null : <dd className="mt-1">{children}</dd>}
    </div>
  )
}
