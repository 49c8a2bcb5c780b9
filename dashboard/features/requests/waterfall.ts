/** A settled request as the rows of a waterfall; times count from its arrival. */
import type { AttemptDetail, RequestDetail } from "millrace/admin-api"
import type { WaterfallRow } from "@/components/chart/waterfall-chart"
import { duration, text } from "@/lib/format"

const span = (ms: number) => text(duration(ms))

export const waterfallOf = (request: RequestDetail): ReadonlyArray<WaterfallRow> => {
  const arrivedMs = Date.parse(request.time)
  const served = request.cache === "hit" || request.cache === "semantic" || request.cache === "coalesced"
  const rows = served ? servedRows(request) : missRows(request)
  request.attemptDetails.forEach((attempt, index) => {
    const pause = pauseBefore(request.attemptDetails, index, arrivedMs)
    if (pause !== undefined) rows.push(pause)
    rows.push(...attemptRows(attempt, index, arrivedMs))
  })
  const answer = answerRow(request)
  if (answer !== undefined && !served) rows.push(answer)
  return rows
}

const servedRows = (request: RequestDetail): Array<WaterfallRow> => {
  const totalMs = request.latencyMs ?? 0
  const waitMs = Math.min(request.ttftMs ?? 0, totalMs)
  return [
    {
      label: "Cache",
      startMs: 0,
      waitMs,
      workMs: totalMs - waitMs,
      color: "var(--cached)",
      notes: [
        ...(request.ttftMs === null ? [] : [`First token after ${span(request.ttftMs)}`]),
        `Complete after ${span(totalMs)}`
      ]
    }
  ]
}

/** What was done before the first attempt, the look into the cache among it. */
const missRows = ({ cache, overheadMs }: RequestDetail): Array<WaterfallRow> =>
  overheadMs === null
    ? []
    : [
        {
          label: cache === "miss" ? "Cache: miss" : "Cache: bypassed",
          startMs: 0,
          waitMs: 0,
          workMs: overheadMs,
          color: "var(--cached)",
          notes: [`${span(overheadMs)} of Millrace's own work before the first attempt, the cache's among it`]
        }
      ]

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
        label: "Backoff",
        startMs: Math.max(0, endedMs - arrivedMs),
        waitMs: 0,
        workMs: pauseMs,
        color: "var(--waiting)",
        notes: [`${span(pauseMs)} between the attempts`]
      }
}

/** An attempt waits for its provider's limits first, then for the first part of the answer. */
const attemptRows = (attempt: AttemptDetail, index: number, arrivedMs: number): ReadonlyArray<WaterfallRow> => {
  const { durationMs, error, firstPartMs, lost, queueMs } = attempt
  const startMs = Math.max(0, Date.parse(attempt.startedAt) - arrivedMs)
  const totalMs = durationMs ?? 0
  const queuedMs = Math.min(queueMs, totalMs)
  const waitMs = firstPartMs === null ? 0 : Math.max(0, Math.min(firstPartMs, totalMs) - queuedMs)
  const row: WaterfallRow = {
    label: `${index + 1}. ${attempt.provider}`,
    startMs: startMs + queuedMs,
    waitMs,
    workMs: totalMs - queuedMs - waitMs,
    color: error === null ? (lost ? "var(--muted)" : "var(--answered)") : "var(--failed)",
    notes: [
      `${attempt.model}, ${reasons[attempt.reason]}`,
      ...(firstPartMs === null ? [] : [`First part after ${span(firstPartMs)}`]),
      ...(durationMs === null ? [] : [`Ended after ${span(durationMs)}`]),
      ...(lost ? ["Another attempt answered first"] : []),
      ...(error === null ? [] : [errorText(error)])
    ]
  }
  if (queuedMs === 0) return [row]
  const queue: WaterfallRow = {
    label: "Queue",
    startMs,
    waitMs: 0,
    workMs: queuedMs,
    color: "var(--waiting)",
    notes: [`Waited ${span(queueMs)} for the limits of ${attempt.provider}`]
  }
  return [queue, row]
}

/** From the first token to the end, as the caller saw it. */
const answerRow = ({ latencyMs, status, ttftMs }: RequestDetail): WaterfallRow | undefined =>
  ttftMs === null || latencyMs === null
    ? undefined
    : {
        label: "Answer",
        startMs: ttftMs,
        waitMs: 0,
        workMs: Math.max(0, latencyMs - ttftMs),
        color: status === "success" ? "var(--answered)" : "var(--failed)",
        notes: [`First token after ${span(ttftMs)}`, `${ends[status]} after ${span(latencyMs)}`]
      }

const ends = { success: "Complete", error: "Broke off", cancelled: "The caller left" } as const

/** Why an attempt was made. */
export const reasons: Record<AttemptDetail["reason"], string> = {
  first: "first attempt",
  retry: "retry",
  fallback: "fallback",
  hedge: "hedge"
}

/** An attempt's error in one line. */
export const errorText = (error: NonNullable<AttemptDetail["error"]>): string =>
  [
    error.kind,
    ...(error.upstreamStatus === null ? [] : [`HTTP ${error.upstreamStatus}`]),
    ...(error.retryAfterMs === null ? [] : [`retry after ${span(error.retryAfterMs)}`])
  ].join(", ")
