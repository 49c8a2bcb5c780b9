"use client"

import { MetricCard, MetricGrid } from "@/components/metric-card"
import { bytes, count, duration, gap, text, timeLeft, type Quantity } from "@/lib/format"
import { readings, type Sample } from "./history"
import type { LiveSnapshot } from "./live-status"
import { LiveSparkline } from "./live-sparkline"

/** A delay below half a millisecond is as good as none. */
const delay = (ms: number | null | undefined): Quantity =>
  ms !== null && ms !== undefined && ms < 0.5 ? { value: "<0.5", unit: "ms" } : duration(ms)

/** More than one core is more than 100 %. */
const cores = (share: number | null | undefined): Quantity =>
  share === null || share === undefined ? gap : { value: count(share * 100).value, unit: "%" }

/** The gateway's own process: how late its event loop runs, its share of a core, its memory. */
export function ProcessMetrics({ live }: { readonly live: LiveSnapshot }) {
  const { history, receivedAtMs, status } = live
  const load = status?.process
  if (status !== null && load === undefined) return null
  const chart = (name: string, pick: (sample: Sample) => number | null, format: (figure: number | null) => Quantity) =>
    receivedAtMs === null ? undefined : (
      <LiveSparkline name={name} points={readings(history, pick)} nowMs={receivedAtMs} format={format} />
    )
  return (
    <MetricGrid label="The gateway’s process">
      <MetricCard
        id="loop-delay"
        label="Event-loop delay"
        figures={[
          { name: "p50", quantity: delay(load?.eventLoopDelayMsP50) },
          { name: "p99", quantity: delay(load?.eventLoopDelayMsP99) }
        ]}
        note={
          load === undefined || load.eventLoopDelayMsMax === null
            ? null
            : `At most ${text(delay(load.eventLoopDelayMsMax))} in the last second`
        }
        chart={chart("Event-loop delay, p99", (sample) => sample.loopDelayMs, delay)}
      />
      <MetricCard
        id="cpu"
        label="CPU"
        figures={[{ quantity: cores(load?.cpuShare) }]}
        note="Of one core, all threads together"
        chart={chart("CPU", (sample) => sample.cpuShare, cores)}
      />
      <MetricCard
        id="memory"
        label="Memory"
        figures={[{ quantity: bytes(load?.residentBytes) }]}
        note={load === undefined ? null : `${text(bytes(load.heapBytes))} of it JavaScript objects`}
        chart={chart("Memory", (sample) => sample.residentBytes, bytes)}
      />
      <MetricCard
        id="uptime"
        label="Running for"
        figures={[{ quantity: timeLeft(status === null ? null : status.uptimeSeconds * 1000) }]}
        note={status === null ? null : `Version ${status.version}`}
      />
    </MetricGrid>
  )
}
