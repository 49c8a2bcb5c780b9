/**
 * How busy this process is: how late its event loop runs, its memory, its share of a core.
 *
 * Nothing is measured until somebody asks for the status; then a timer of Node's own samples the event loop until the
 * engine is released. A reading covers the time since the one before it, at least most of a second, so that several readers
 * see the same figures. Real time under any clock; it keeps no process alive and never touches a request.
 */
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import type { ProcessStatus } from "./AdminAnswers.ts"

const resolutionMs = 10
const leastMs = 900

export interface ProcessLoad {
  /** Figures of the last whole reading; the delays and the share are null before the first. */
  readonly read: () => ProcessStatus
  readonly stop: () => void
}

export const make = (): ProcessLoad => {
  let histogram: ReturnType<typeof monitorEventLoopDelay> | undefined
  let sinceMs = 0
  let cpuBefore = 0
  let loop: Pick<ProcessStatus, "cpuShare" | "eventLoopDelayMsP50" | "eventLoopDelayMsP99" | "eventLoopDelayMsMax"> = {
    eventLoopDelayMsP50: null,
    eventLoopDelayMsP99: null,
    eventLoopDelayMsMax: null,
    cpuShare: null
  }

  const begin = (nowMs: number): void => {
    sinceMs = nowMs
    cpuBefore = cpuMs()
    histogram?.reset()
  }

  const read = (): ProcessStatus => {
    const nowMs = performance.now()
    if (histogram === undefined) {
      histogram = monitorEventLoopDelay({ resolution: resolutionMs })
      histogram.enable()
      begin(nowMs)
    } else if (nowMs - sinceMs >= leastMs && histogram.count > 0) {
      loop = {
        eventLoopDelayMsP50: late(histogram.percentile(50)),
        eventLoopDelayMsP99: late(histogram.percentile(99)),
        eventLoopDelayMsMax: late(histogram.max),
        cpuShare: (cpuMs() - cpuBefore) / (nowMs - sinceMs)
      }
      begin(nowMs)
    }
    const { heapUsed, rss } = process.memoryUsage()
    return { ...loop, heapBytes: heapUsed, residentBytes: rss }
  }

  return { read, stop: () => histogram?.disable() }
}

/** Node reports the time between two samples, which is the resolution when nothing is late. */
const late = (betweenNs: number): number => Math.max(0, betweenNs / 1e6 - resolutionMs)

const cpuMs = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}
