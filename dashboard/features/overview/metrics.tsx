"use client"

import type { Status, UsageRow } from "millrace/admin-api"
import { Change } from "@/components/change"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { hitRateOf } from "@/features/usage/outcomes"
import { windowEnd, type Range } from "@/features/usage/range"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { bytes, count, duration, exactCount, ratio, share, text, usd } from "@/lib/format"

interface OverviewMetricsProps {
  readonly range: Range
  readonly status: Status | null
  readonly usage: UsageAnswer | undefined
  readonly byCache: UsageAnswer | undefined
  /** The time before, where figures are compared with it. */
  readonly before: UsageAnswer | undefined
  readonly byCacheBefore: UsageAnswer | undefined
}

type Sums = Pick<UsageRow, "requests" | "errors"> | undefined

const successRate = (sums: Sums) => (sums === undefined ? null : ratio(sums.requests - sums.errors, sums.requests))

const plural = (figure: number, one: string, many: string) => `${exactCount(figure)} ${figure === 1 ? one : many}`

/** The eight figures of the overview: since the start they are the live status itself, else sums over the range. */
export function OverviewMetrics({ range, status, usage, byCache, before, byCacheBefore }: OverviewMetricsProps) {
  const row = usage?.report.totals
  const past = before?.report.totals
  const totals = range === "start" ? status?.totals : row
  const hitRate =
    range === "start" ? status?.cache.hitRate : byCache === undefined ? null : hitRateOf(byCache.report.series)
  const minutes =
    usage === undefined
      ? null
      : Math.max(
          1,
          (range === "start" ? (status?.uptimeSeconds ?? 0) * 1000 : windowEnd(usage.window) - usage.window.fromMs) /
            60_000
        )
  const perMinute = ratio(totals?.requests, minutes)
  const active = status?.providers.reduce((sum, provider) => sum + provider.active, 0)
  return (
    <MetricGrid label="Key figures">
      <MetricCard
        id="requests"
        label="Requests"
        figures={[
          {
            quantity: count(totals?.requests),
            change: <Change now={row?.requests} before={past?.requests} format={count} />
          }
        ]}
        note={perMinute === null ? null : `${perMinute < 10 ? perMinute.toFixed(1) : exactCount(perMinute)} per minute`}
      />
      <MetricCard
        id="success-rate"
        label="Success rate"
        figures={[
          {
            quantity: share(successRate(totals)),
            change: <Change now={successRate(row)} before={successRate(past)} format={share} better="up" />
          }
        ]}
        note={totals === undefined || totals.requests === 0 ? null : `${exactCount(totals.errors)} failed`}
      />
      <MetricCard
        id="hit-rate"
        label="Cache hit rate"
        figures={[
          {
            quantity: share(hitRate),
            change: (
              <Change
                now={hitRate}
                before={byCacheBefore === undefined ? null : hitRateOf(byCacheBefore.report.series)}
                format={share}
                better="up"
              />
            )
          }
        ]}
        note={
          status === null
            ? null
            : status.cache.enabled
              ? `${exactCount(status.cache.entries)} of ${exactCount(status.cache.maxSize)} entries, ${text(bytes(status.cache.bytes))}`
              : "The cache is off"
        }
      />
      <MetricCard
        id="active"
        label="Active calls"
        figures={[{ quantity: count(active) }]}
        note={
          status === null
            ? null
            : status.queue.waiting === 0
              ? "None waiting"
              : `${exactCount(status.queue.waiting)} waiting, the oldest for ${text(duration(status.queue.oldestWaitMs))}`
        }
      />
      <MetricCard
        id="tokens"
        label="Tokens"
        figures={[
          {
            name: "prompt",
            quantity: count(totals?.promptTokens),
            change: <Change now={row?.promptTokens} before={past?.promptTokens} format={count} />
          },
          {
            name: "completion",
            quantity: count(totals?.completionTokens),
            change: <Change now={row?.completionTokens} before={past?.completionTokens} format={count} />
          }
        ]}
        note={totals === undefined ? null : `${text(count(totals.savedTokens))} more served from the cache`}
      />
      <MetricCard
        id="cost"
        label="Cost"
        figures={[
          {
            name: "spent",
            quantity: usd(totals?.costUsd),
            change: <Change now={row?.costUsd} before={past?.costUsd} format={usd} />
          },
          {
            name: "saved",
            quantity: usd(totals?.savedUsd),
            change: <Change now={row?.savedUsd} before={past?.savedUsd} format={usd} />
          }
        ]}
        note={
          row === undefined || row.unpriced === 0
            ? null
            : `${plural(row.unpriced, "request has", "requests have")} no known price`
        }
      />
      <MetricCard
        id="latency"
        label="Latency"
        figures={[
          {
            name: "p50",
            quantity: duration(row?.latencyMsP50),
            change: <Change now={row?.latencyMsP50} before={past?.latencyMsP50} format={duration} better="down" />
          },
          {
            name: "p95",
            quantity: duration(row?.latencyMsP95),
            change: <Change now={row?.latencyMsP95} before={past?.latencyMsP95} format={duration} better="down" />
          }
        ]}
        note="Until the answer is complete"
      />
      <MetricCard
        id="ttft"
        label="Time to first token"
        figures={[
          {
            name: "p50",
            quantity: duration(row?.ttftMsP50),
            change: <Change now={row?.ttftMsP50} before={past?.ttftMsP50} format={duration} better="down" />
          },
          {
            name: "p95",
            quantity: duration(row?.ttftMsP95),
            change: <Change now={row?.ttftMsP95} before={past?.ttftMsP95} format={duration} better="down" />
          }
        ]}
        note="Until the first part is there"
      />
    </MetricGrid>
  )
}
