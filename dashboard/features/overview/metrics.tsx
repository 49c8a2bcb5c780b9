"use client"

import { Held } from "@/components/answer"
import { Change } from "@/components/change"
import { MetricCard, MetricGrid, type MetricFigure } from "@/components/metric-card"
import { requestsOf } from "@/features/requests/link"
import { windowEnd } from "@/features/usage/range"
import { bytes, count, duration, exactCount, ratio, share, text, usd, type Quantity } from "@/lib/format"
import { figuresBefore, figuresNow, type FigureName, type OverviewData } from "./key-figures"

type OverviewMetricsProps = OverviewData & {
  /** True while the figures are those of another range or filter. */
  readonly held: boolean
}

const plural = (figure: number, one: string, many: string) => `${exactCount(figure)} ${figure === 1 ? one : many}`

/** The key figures of the overview; each card leads to what is behind it. */
export function OverviewMetrics({ held, ...data }: OverviewMetricsProps) {
  const { range, filters, status, usage, callerFaults } = data
  const row = usage?.report.totals
  const now = figuresNow(data)
  const before = figuresBefore(data)
  const figure = (
    field: FigureName,
    format: (figure: number | null | undefined) => Quantity,
    { name, better }: { readonly name?: string; readonly better?: "up" | "down" } = {}
  ): MetricFigure => ({
    ...(name === undefined ? {} : { name }),
    quantity: format(now[field]),
    change: (
      <Change now={now[field]} before={before[field]} format={format} {...(better === undefined ? {} : { better })} />
    )
  })
  const usagePage = (metric: string) => `/usage?${new URLSearchParams({ ...filters, range, metric, groupBy: "model" })}`
  const minutes =
    usage === undefined
      ? null
      : Math.max(
          1,
          (range === "start" ? (status?.uptimeSeconds ?? 0) * 1000 : windowEnd(usage.window) - usage.window.fromMs) /
            60_000
        )
  const perMinute = ratio(now.requests, minutes)
  const perRequest = ratio(now.costUsd, now.requests)
  return (
    <Held held={held}>
      <MetricGrid label="Key figures">
        <MetricCard
          id="requests"
          label="Requests"
          href={requestsOf(range, filters)}
          figures={[figure("requests", count)]}
          note={
            perMinute === null ? null : `${perMinute < 10 ? perMinute.toFixed(1) : exactCount(perMinute)} per minute`
          }
        />
        <MetricCard
          id="success-rate"
          label="Success rate"
          href={requestsOf(range, { ...filters, status: "error" })}
          figures={[figure("successShare", share, { better: "up" })]}
          note={
            now.errors === undefined || now.errors === null || now.requests === 0
              ? null
              : `${exactCount(now.errors)} failed${
                  callerFaults === undefined
                    ? ""
                    : `, ${callerFaults.whole ? "" : "at least "}${exactCount(Math.min(callerFaults.count, now.errors))} by the caller’s fault, not counted`
                }`
          }
        />
        <MetricCard
          id="hit-rate"
          label="Cache hit rate"
          href={`/cache?${new URLSearchParams({ ...filters, range })}`}
          figures={[figure("hitRate", share, { better: "up" })]}
          note={
            status === null
              ? null
              : status.cache.enabled
                ? `${exactCount(status.cache.entries)} of ${exactCount(status.cache.maxSize)} entries, ${text(bytes(status.cache.bytes))}`
                : "The cache is off"
          }
        />
        <MetricCard
          id="saved"
          label="Saved by the cache"
          href={usagePage("savedUsd")}
          figures={[figure("savedUsd", usd, { better: "up" })]}
          note={
            now.savedTokens === undefined || now.savedTokens === null
              ? null
              : `${text(count(now.savedTokens))} tokens${
                  now.savedMs === undefined || now.savedMs === null
                    ? ""
                    : `, about ${now.savedMs === 0 ? "no time" : `${text(duration(now.savedMs))} of waiting`}`
                }`
          }
        />
        <MetricCard
          id="tokens"
          label="Tokens"
          href={usagePage("tokens")}
          figures={[
            figure("promptTokens", count, { name: "prompt" }),
            figure("completionTokens", count, { name: "completion" })
          ]}
          note={
            row === undefined || row.promptTokens === 0
              ? null
              : `${text(count(row.cachedTokens))} of the prompt read from providers’ caches`
          }
        />
        <MetricCard
          id="cost"
          label="Spent"
          href={usagePage("costUsd")}
          figures={[figure("costUsd", usd)]}
          note={
            row !== undefined && row.unpriced > 0
              ? `${plural(row.unpriced, "request has", "requests have")} no known price`
              : perRequest === null
                ? null
                : `${text(usd(perRequest))} per request`
          }
        />
        <MetricCard
          id="latency"
          label="Latency"
          href={usagePage("latencyMsP95")}
          figures={[
            figure("latencyMsP50", duration, { name: "p50", better: "down" }),
            figure("latencyMsP95", duration, { name: "p95", better: "down" })
          ]}
          note="Until the answer is complete"
        />
        <MetricCard
          id="ttft"
          label="Time to first token"
          href={usagePage("ttftMsP95")}
          figures={[
            figure("ttftMsP50", duration, { name: "p50", better: "down" }),
            figure("ttftMsP95", duration, { name: "p95", better: "down" })
          ]}
          note="Until the first part is there"
        />
      </MetricGrid>
    </Held>
  )
}
