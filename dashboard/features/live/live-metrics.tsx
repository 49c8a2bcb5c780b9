"use client"

import { MetricCard, MetricGrid } from "@/components/metric-card"
import { count, duration, exactCount, perSecond, text, usd, type Quantity } from "@/lib/format"
import { rates, readings, type Counter, type Sample } from "./history"
import type { LiveSnapshot } from "./live-status"
import { LiveSparkline } from "./live-sparkline"

interface Shown {
  readonly id: string
  readonly label: string
  readonly points: ReadonlyArray<{ readonly atMs: number; readonly value: number | null }>
  readonly format: (figure: number | null) => Quantity
  readonly color?: string
}

const perMinute = (figure: number | null): Quantity => {
  const { value } = usd(figure === null ? null : figure * 60)
  return { value, unit: value === "–" ? "" : "per min" }
}

/** What happens now, each with the last two minutes. */
export function LiveMetrics({ live }: { readonly live: LiveSnapshot }) {
  const { history, receivedAtMs, status } = live
  const now = (
    id: string,
    label: string,
    pick: (sample: Sample) => number,
    format: Shown["format"],
    color?: string
  ) => ({
    id,
    label,
    points: readings(history, pick),
    format,
    ...(color === undefined ? {} : { color })
  })
  const rate = (id: string, label: string, counter: Counter, format: Shown["format"], color?: string) => ({
    id,
    label,
    points: rates(history, counter),
    format,
    ...(color === undefined ? {} : { color })
  })
  const active = status?.providers.reduce((sum, provider) => sum + provider.active, 0)
  const shown: ReadonlyArray<Shown & { readonly figure?: number | undefined; readonly note: string | null }> = [
    {
      ...now("in-flight", "In flight", (sample) => sample.active, count, "var(--answered)"),
      figure: active,
      note:
        status === null
          ? null
          : `By ${exactCount(status.providers.filter((one) => one.active > 0).length)} of ${exactCount(status.providers.length)} providers`
    },
    {
      ...now("waiting", "Waiting", (sample) => sample.waiting, count, "var(--waiting)"),
      figure: status?.queue.waiting,
      note: "In the queues of all providers"
    },
    {
      ...now("oldest-wait", "Oldest wait", (sample) => sample.oldestWaitMs, waited, "var(--waiting)"),
      figure: status?.queue.oldestWaitMs,
      note: longestExpected(live)
    },
    { ...rate("requests-rate", "Requests", "requests", perSecond, "var(--answered)"), note: "Over the last seconds" },
    { ...rate("failures-rate", "Failures", "errors", perSecond, "var(--failed)"), note: "Cancelled ones don’t count" },
    {
      ...rate("served-rate", "Served from the cache", "served", perSecond, "var(--cached)"),
      note: "Exact, semantic and coalesced"
    },
    { ...rate("tokens-rate", "Tokens", "tokens", perSecond), note: "Prompt and completion" },
    { ...rate("cost-rate", "Spent", "costUsd", perMinute), note: "By the price table" }
  ]
  return (
    <MetricGrid label="What happens now">
      {shown.map(({ id, label, points, format, color, figure, note }) => (
        <MetricCard
          key={id}
          id={id}
          label={label}
          figures={[{ quantity: format(figure ?? points.at(-1)?.value ?? null) }]}
          note={note}
          chart={
            receivedAtMs === null ? undefined : (
              <LiveSparkline
                name={label}
                points={points}
                nowMs={receivedAtMs}
                format={format}
                {...(color === undefined ? {} : { color })}
              />
            )
          }
        />
      ))}
    </MetricGrid>
  )
}

/** A wait of nothing is told as none. */
const waited = (ms: number | null): Quantity => (ms === 0 ? { value: "None", unit: "" } : duration(ms))

const longestExpected = ({ status }: LiveSnapshot): string | null => {
  if (status === null) return null
  const longest = Math.max(0, ...status.providers.map(({ queue }) => queue?.expectedWaitMs ?? 0))
  return longest === 0 ? "A new request would not wait" : `A new one would wait up to ${text(duration(longest))}`
}
