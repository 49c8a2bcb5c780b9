"use client"

import { CircleOff, CirclePlay, RotateCcw } from "lucide-react"
import type { Provider, UsageRow } from "millrace/admin-api"
import Link from "next/link"
import { useRouter } from "next/navigation"
import { useMemo, useState } from "react"
import { Held } from "@/components/answer"
import { Change } from "@/components/change"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { LatencyChart } from "@/features/overview/latency-chart"
import { requestsOf } from "@/features/requests/link"
import { makeSpan, type Range } from "@/features/usage/range"
import { useUsage, type UsageFilters } from "@/features/usage/use-usage"
import { count, duration, exactCount, share, text, usd } from "@/lib/format"
import { BreakerBadge } from "./breaker-badge"
import { BreakerOrderDialog, type Order } from "./breaker-order"
import { Circuits } from "./circuits"
import { ErrorsByKind } from "./errors-by-kind"
import { Keys } from "./keys"
import { Limits } from "./limits"
import { ProbeButton, ProbeResult, useProbe } from "./probe"

interface ProviderDetailProps {
  readonly provider: Provider
  /** When it was read, in epoch milliseconds. */
  readonly readAtMs: number
  readonly range: Range
  /** What its requests are narrowed by. */
  readonly filters: UsageFilters
  /** Whether figures are set beside those of the time before. */
  readonly compared: boolean
}

/** One provider: its circuits and orders for them, limits, keys, attempts, latency and errors. */
export function ProviderDetail({ provider, readAtMs, range, filters, compared }: ProviderDetailProps) {
  const { name } = provider
  const router = useRouter()
  const [order, setOrder] = useState<Order>({ provider: name, model: null, state: "auto" })
  const [asking, setAsking] = useState(false)
  const probe = useProbe(name)
  const ask = (next: Order) => {
    setOrder(next)
    setAsking(true)
  }
  const own = useMemo(() => ({ ...filters, provider: name }), [filters, name])
  const overTime = useUsage(range, { filters: own })
  const sums = useUsage(range, { filters: own, sumsOnly: true })
  const before = useUsage(range, { filters: own, sumsOnly: true, previous: true, enabled: compared })
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
          <ProbeButton probe={probe} />
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
        <ProbeResult probe={probe} />
      </div>
      <Held held={sums.isPlaceholderData}>
        <Metrics
          provider={provider}
          range={range}
          filters={own}
          row={sums.data?.report.totals}
          before={compared && !before.isPlaceholderData ? before.data?.report.totals : undefined}
        />
      </Held>
      <Card aria-labelledby="circuits" className="overflow-hidden">
        <CardHeader id="circuits" title="Circuits" note="by model" />
        <Circuits
          provider={name}
          circuits={provider.circuits}
          readAtMs={readAtMs}
          onOrder={ask}
          onProbe={probe.start}
        />
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
        <LatencyChart
          usage={overTime}
          onOpen={({ startMs, endMs }) => router.push(requestsOf(makeSpan(startMs, endMs), own))}
        />
        <ErrorsByKind filters={own} range={range} />
      </div>
      <BreakerOrderDialog order={order} open={asking} onClose={() => setAsking(false)} />
    </section>
  )
}

interface MetricsProps {
  readonly provider: Provider
  readonly range: Range
  readonly filters: UsageFilters
  readonly row: UsageRow | undefined
  readonly before: UsageRow | undefined
}

function Metrics({ provider, range, filters, row, before }: MetricsProps) {
  const { name, attempts, queue } = provider
  return (
    <MetricGrid label={`Figures of ${name}`}>
      <MetricCard
        id="provider-requests"
        label="Requests that ended here"
        figures={[
          {
            quantity: count(row?.requests),
            change: <Change now={row?.requests} before={before?.requests} format={count} />
          }
        ]}
        note={
          row === undefined ? null : (
            <Link
              href={requestsOf(range, row.errors > 0 ? { ...filters, status: "error" } : filters)}
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
          {
            name: "p50",
            quantity: duration(row?.latencyMsP50),
            change: <Change now={row?.latencyMsP50} before={before?.latencyMsP50} format={duration} better="down" />
          },
          {
            name: "p95",
            quantity: duration(row?.latencyMsP95),
            change: <Change now={row?.latencyMsP95} before={before?.latencyMsP95} format={duration} better="down" />
          }
        ]}
        note="Until the answer is complete"
      />
      <MetricCard
        id="provider-ttft"
        label="Time to first token"
        figures={[
          {
            name: "p50",
            quantity: duration(row?.ttftMsP50),
            change: <Change now={row?.ttftMsP50} before={before?.ttftMsP50} format={duration} better="down" />
          },
          {
            name: "p95",
            quantity: duration(row?.ttftMsP95),
            change: <Change now={row?.ttftMsP95} before={before?.ttftMsP95} format={duration} better="down" />
          }
        ]}
        note="Until the first part is there"
      />
      <MetricCard
        id="provider-cost"
        label="Cost"
        figures={[
          { quantity: usd(row?.costUsd), change: <Change now={row?.costUsd} before={before?.costUsd} format={usd} /> }
        ]}
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
        note={`${exactCount(attempts.rejected)} were the caller’s fault, ${exactCount(attempts.left)} given up; ${exactCount(attempts.retries)} retries, ${exactCount(attempts.hedges)} hedges`}
      />
      <MetricCard
        id="provider-rescued"
        label="Requests rescued here since start"
        figures={[
          { name: "by retry", quantity: count(attempts.rescuedByRetry) },
          { name: "by fallback", quantity: count(attempts.rescuedByFallback) },
          ...(attempts.hedges === 0 ? [] : [{ name: "by hedge", quantity: count(attempts.rescuedByHedge) }])
        ]}
        note="Answered here after another attempt had failed"
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
