/** A settled request as the rows of a waterfall; times count from its arrival. */
import type { AttemptDetail, RequestDetail } from "millrace/admin-api"
import type { WaterfallRow } from "@/components/chart/waterfall-chart"
import { duration, text } from "@/lib/format"

const span = (ms: number) => text(duration(ms))

export const waterfallOf = (request: RequestDetail): ReadonlyArray<WaterfallRow> => {
  const rows: Array<WaterfallRow> = []
  const arrivedMs = Date.parse(request.time)
  if (request.cache === "hit" || request.cache === "semantic" || request.cache === "coalesced") {
    const totalMs = request.latencyMs ?? 0
    const waitMs = Math.min(request.ttftMs ?? 0, totalMs)
    rows.push({
      label: "Cache",
      startMs: 0,
      waitMs,
      workMs: totalMs - waitMs,
      color: "var(--cached)",
      notes: [`Served in ${span(totalMs)}`]
    })
  }
  const first = request.attemptDetails[0]
  if (request.queueMs > 0) {
    const startMs = first === undefined ? 0 : Math.max(0, Date.parse(first.startedAt) - arrivedMs - request.queueMs)
    rows.push({
      label: "Queue",
      startMs,
      waitMs: 0,
      workMs: request.queueMs,
      color: "var(--waiting)",
      notes: [`Waited ${span(request.queueMs)}`]
    })
  }
  request.attemptDetails.forEach((attempt, index) => {
    const pause = pauseBefore(request.attemptDetails, index, arrivedMs)
    if (pause !== undefined) rows.push(pause)
    rows.push(attemptRow(attempt, index, arrivedMs))
  })
  return rows
}

/** The time between two attempts, as far as it can be seen. */
const pauseBefore = (
  attempts: RequestDetail["attemptDetails"],
  index: number,
  arrivedMs: number
): WaterfallRow | undefined => {
  const [before, after] = [attempts[index - 1], attempts[index]]
  if (before === undefined || after === undefined || before.durationMs === null) return undefined
  const endedMs = Date.parse(before.startedAt) + before.durationMs
  const pauseMs = Date.parse(after.startedAt) - endedMs
  return pauseMs < 1
    ? undefined
    : {
        label: "Wait",
        startMs: Math.max(0, endedMs - arrivedMs),
        waitMs: 0,
        workMs: pauseMs,
        color: "var(--waiting)",
        notes: [`${span(pauseMs)} between the attempts: backoff and queue`]
      }
}

const attemptRow = (attempt: AttemptDetail, index: number, arrivedMs: number): WaterfallRow => {
  const totalMs = attempt.durationMs ?? 0
  const waitMs = attempt.firstPartMs === null ? 0 : Math.min(attempt.firstPartMs, totalMs)
  return {
    label: `${index + 1}. ${attempt.provider}`,
    startMs: Math.max(0, Date.parse(attempt.startedAt) - arrivedMs),
    waitMs,
    workMs: totalMs - waitMs,
    color: attempt.error === null ? "var(--answered)" : "var(--failed)",
    notes: [
      attempt.model,
      ...(attempt.firstPartMs === null ? [] : [`First part after ${span(attempt.firstPartMs)}`]),
      ...(attempt.durationMs === null ? [] : [`Ended after ${span(attempt.durationMs)}`]),
      ...(attempt.error === null ? [] : [errorText(attempt.error)])
    ]
  }
}

/** An attempt's error in one line. */
export const errorText = (error: NonNullable<AttemptDetail["error"]>): string =>
  [
    error.kind,
    ...(error.upstreamStatus === null ? [] : [`HTTP ${error.upstreamStatus}`]),
    ...(error.retryAfterMs === null ? [] : [`retry after ${span(error.retryAfterMs)}`])
  ].join(", ")
