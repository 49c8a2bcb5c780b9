"use client"

import { CircleOff, CirclePlay, RotateCcw } from "lucide-react"
import type { Provider } from "millrace/admin-api"
import Link from "next/link"
import { useState } from "react"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { LatencyChart } from "@/features/overview/latency-chart"
import { requestsHref } from "@/features/requests/link"
import type { Range } from "@/features/usage/range"
import { useUsage } from "@/features/usage/use-usage"
import { count, duration, exactCount, ratio, share, text, usd } from "@/lib/format"
import { BreakerBadge } from "./breaker-badge"
import { BreakerOrderDialog, type Order } from "./breaker-order"
import { Circuits } from "./circuits"
import { ErrorsByKind } from "./errors-by-kind"
import { Keys } from "./keys"
import { Limits } from "./limits"

interface ProviderDetailProps {
  readonly provider: Provider
  /** When it was read, in epoch milliseconds. */
  readonly readAtMs: number
  readonly range: Range
}

/** One provider: its circuits and orders for them, limits, keys, attempts, latency and errors. */
export function ProviderDetail({ provider, readAtMs, range }: ProviderDetailProps) {
  const { name } = provider
  const [order, setOrder] = useState<Order>({ provider: name, model: null, state: "auto" })
  const [asking, setAsking] = useState(false)
  const ask = (next: Order) => {
    setOrder(next)
    setAsking(true)
  }
  const overTime = useUsage(range, { filters: { provider: name } })
  return (
    <section aria-label={`Provider ${name}`} className="space-y-6" data-provider={name}>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-3">
        <div className="min-w-0">
          <div className="flex flex-wrap items-center gap-2.5">
            <h2 className="text-base font-semibold tracking-tight">{name}</h2>
            <BreakerBadge state={provider.breaker} of="Breaker" />
          </div>
          <p className="mt-0.5 text-[13px] break-words text-muted">{describe(provider)}</p>
        </div>
        <div role="group" aria-label={`Orders for every model of ${name}`} className="flex flex-wrap gap-2 sm:ml-auto">
          <Button size="sm" variant="danger" onClick={() => ask({ provider: name, model: null, state: "open" })}>
            <CircleOff />
            Open
          </Button>
          <Button size="sm" onClick={() => ask({ provider: name, model: null, state: "closed" })}>
            <CirclePlay />
            Close
          </Button>
          <Button size="sm" onClick={() => ask({ provider: name, model: null, state: "auto" })}>
            <RotateCcw />
            Leave to the outcomes
          </Button>
        </div>
      </div>
      <Metrics provider={provider} range={range} />
      <Card aria-labelledby="circuits" className="overflow-hidden">
        <CardHeader id="circuits" title="Circuits" note="by model" />
        <Circuits provider={name} circuits={provider.circuits} readAtMs={readAtMs} onOrder={ask} />
      </Card>
      <div className="grid gap-6 xl:grid-cols-3">
        <Card aria-labelledby="limits" className="overflow-hidden xl:col-span-2">
          <CardHeader id="limits" title="Limits" note="per sliding window" />
          <Limits label={`Limits of ${name}`} limits={provider.limits} scopes={provider.modelLimits ?? []} />
        </Card>
        <Card aria-labelledby="keys" className="overflow-hidden">
          <CardHeader id="keys" title="API keys" note="by place in the configuration" />
          <Keys keys={provider.keys} readAtMs={readAtMs} />
        </Card>
      </div>
      <div className="grid gap-6 xl:grid-cols-2">
        <LatencyChart usage={overTime} />
        <ErrorsByKind provider={name} range={range} />
      </div>
      <BreakerOrderDialog order={order} open={asking} onClose={() => setAsking(false)} />
    </section>
  )
}

function Metrics({ provider, range }: { readonly provider: Provider; readonly range: Range }) {
  const { name, attempts, queue } = provider
  const row = useUsage(range, { filters: { provider: name }, sumsOnly: true }).data?.report.totals
  return (
    <MetricGrid label={`Figures of ${name}`}>
      <MetricCard
        id="provider-requests"
        label="Requests that ended here"
        figures={[{ quantity: count(row?.requests) }]}
        note={
          row === undefined ? null : (
            <Link
              href={requestsHref({ range, provider: name, ...(row.errors > 0 ? { status: "error" } : {}) })}
              className="rounded-sm underline underline-offset-2 hover:text-foreground"
            >
              {row.errors > 0 ? `${exactCount(row.errors)} failed` : "None failed"}
            </Link>
          )
        }
      />
      <MetricCard
        id="provider-latency"
        label="Latency"
        figures={[
          { name: "p50", quantity: duration(row?.latencyMsP50) },
          { name: "p95", quantity: duration(row?.latencyMsP95) }
        ]}
        note="Until the answer is complete"
      />
      <MetricCard
        id="provider-ttft"
        label="Time to first token"
        figures={[
          { name: "p50", quantity: duration(row?.ttftMsP50) },
          { name: "p95", quantity: duration(row?.ttftMsP95) }
        ]}
        note="Until the first part is there"
      />
      <MetricCard
        id="provider-cost"
        label="Cost"
        figures={[{ quantity: usd(row?.costUsd) }]}
        note={row === undefined ? null : `${text(count(row.promptTokens + row.completionTokens))} tokens`}
      />
      <MetricCard
        id="provider-attempts"
        label="Attempts since start"
        figures={[{ quantity: count(attempts.attempts) }]}
        note={`${exactCount(attempts.succeeded)} succeeded, ${exactCount(attempts.failed)} failed`}
      />
      <MetricCard
        id="provider-success"
        label="Attempts that succeeded"
        figures={[{ quantity: share(attempts.successRate) }]}
        note={`${exactCount(attempts.rejected)} were the caller’s fault, ${exactCount(attempts.left)} given up`}
      />
      <MetricCard
        id="provider-retries"
        label="Retries and hedges"
        figures={[
          { name: "retries", quantity: count(attempts.retries) },
          { name: "hedges", quantity: count(attempts.hedges) }
        ]}
        note={
          attempts.attempts === 0
            ? null
            : `${text(share(ratio(attempts.retries + attempts.hedges, attempts.attempts)))} of all attempts`
        }
      />
      <MetricCard
        id="provider-load"
        label="In flight and waiting"
        figures={[
          { name: "in flight", quantity: count(provider.active) },
          { name: "waiting", quantity: count(provider.queued) }
        ]}
        note={
          queue === undefined || provider.queued === 0
            ? "None waits"
            : `The oldest for ${text(duration(queue.oldestWaitMs))}, a new one would wait ${text(duration(queue.expectedWaitMs))}`
        }
      />
    </MetricGrid>
  )
}

const describe = ({ kind, name, model, models, baseUrl }: Provider): string =>
  [
    ...(kind === name ? [] : [kind]),
    ...(model === null ? [] : [`${model} by default`]),
    models === null ? "any model" : `routed: ${models.join(", ")}`,
    ...(baseUrl === null ? [] : [baseUrl])
  ].join(" · ")
