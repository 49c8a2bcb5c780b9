"use client"

import type { Status } from "millrace/admin-api"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { hitRateOf } from "@/features/usage/outcomes"
import type { Range } from "@/features/usage/range"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { bytes, count, duration, exactCount, gap, ratio, share, text, usd } from "@/lib/format"

interface OverviewMetricsProps {
  readonly range: Range
  readonly status: Status | null
  readonly usage: UsageAnswer | undefined
  readonly byCache: UsageAnswer | undefined
}

const plural = (figure: number, one: string, many: string) => `${exactCount(figure)} ${figure === 1 ? one : many}`

/** The eight figures of the overview: since the start they are the live status itself, else sums over the range. */
export function OverviewMetrics({ range, status, usage, byCache }: OverviewMetricsProps) {
  const row = usage?.report.totals
  const totals = range === "start" ? status?.totals : row
  const hitRate =
    range === "start" ? status?.cache.hitRate : byCache === undefined ? null : hitRateOf(byCache.report.series)
  const minutes =
    usage === undefined
      ? null
      : Math.max(
          1,
          (range === "start" ? (status?.uptimeSeconds ?? 0) * 1000 : usage.window.nowMs - usage.window.fromMs) / 60_000
        )
  const perMinute = ratio(totals?.requests, minutes)
  const active = status?.providers.reduce((sum, provider) => sum + provider.active, 0)
  return (
    <MetricGrid label="Key figures">
      <MetricCard
        id="requests"
        label="Requests"
        figures={[{ quantity: count(totals?.requests) }]}
        note={perMinute === null ? null : `${perMinute < 10 ? perMinute.toFixed(1) : exactCount(perMinute)} per minute`}
      />
      <MetricCard
        id="success-rate"
        label="Success rate"
        figures={[
          { quantity: totals === undefined ? gap : share(ratio(totals.requests - totals.errors, totals.requests)) }
        ]}
        note={totals === undefined || totals.requests === 0 ? null : `${exactCount(totals.errors)} failed`}
      />
      <MetricCard
        id="hit-rate"
        label="Cache hit rate"
        figures={[{ quantity: share(hitRate) }]}
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
          { name: "prompt", quantity: count(totals?.promptTokens) },
          { name: "completion", quantity: count(totals?.completionTokens) }
        ]}
        note={totals === undefined ? null : `${text(count(totals.savedTokens))} more served from the cache`}
      />
      <MetricCard
        id="cost"
        label="Cost"
        figures={[
          { name: "spent", quantity: usd(totals?.costUsd) },
          { name: "saved", quantity: usd(totals?.savedUsd) }
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
          { name: "p50", quantity: duration(row?.latencyMsP50) },
          { name: "p95", quantity: duration(row?.latencyMsP95) }
        ]}
        note="Until the answer is complete"
      />
      <MetricCard
        id="ttft"
        label="Time to first token"
        figures={[
          { name: "p50", quantity: duration(row?.ttftMsP50) },
          { name: "p95", quantity: duration(row?.ttftMsP95) }
        ]}
        note="Until the first part is there"
      />
    </MetricGrid>
  )
}
