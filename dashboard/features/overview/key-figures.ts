/** The key figures of the overview, now and before, from what the admin API says. */
import type { Status, UsageRow } from "millrace/admin-api"
import { hitRateOf } from "@/features/usage/outcomes"
import type { Range } from "@/features/usage/range"
import type { CallerFaults } from "@/features/usage/use-caller-faults"
import type { UsageAnswer, UsageFilters } from "@/features/usage/use-usage"
import { savedMs, successShare } from "./derived"

/** What the overview has read, now and, where figures are compared, of the time before. */
export interface OverviewData {
  readonly range: Range
  readonly filters: UsageFilters
  readonly status: Status | null
  readonly usage: UsageAnswer | undefined
  readonly byCache: UsageAnswer | undefined
  readonly callerFaults: CallerFaults | undefined
  readonly before: UsageAnswer | undefined
  readonly byCacheBefore: UsageAnswer | undefined
  readonly callerFaultsBefore: CallerFaults | undefined
}

export const figureNames = [
  "requests",
  "errors",
  "successShare",
  "hitRate",
  "savedUsd",
  "savedTokens",
  "savedMs",
  "promptTokens",
  "completionTokens",
  "costUsd",
  "latencyMsP50",
  "latencyMsP95",
  "ttftMsP50",
  "ttftMsP95"
] as const

export type FigureName = (typeof figureNames)[number]

export type KeyFigures = Readonly<Record<FigureName, number | null | undefined>>

/** Since the start, and without filters, sums are those of the live status, else those of the usage records. */
export const figuresNow = ({ range, filters, status, usage, byCache, callerFaults }: OverviewData): KeyFigures => {
  const row = usage?.report.totals
  const live = range === "start" && Object.keys(filters).length === 0
  return figures(
    live && status !== null ? { ...emptyTimes, ...row, ...status.totals } : row,
    live ? status?.cache.hitRate : hitRate(byCache),
    byCache,
    callerFaults
  )
}

export const figuresBefore = ({ before, byCacheBefore, callerFaultsBefore }: OverviewData): KeyFigures =>
  figures(before?.report.totals, hitRate(byCacheBefore), byCacheBefore, callerFaultsBefore)

type Times = Pick<UsageRow, "latencyMsP50" | "latencyMsP95" | "ttftMsP50" | "ttftMsP95">
type Row = Times & Omit<Status["totals"], "providerCacheSavedUsd">

const emptyTimes: Times = { latencyMsP50: null, latencyMsP95: null, ttftMsP50: null, ttftMsP95: null }

const hitRate = (byCache: UsageAnswer | undefined) =>
  byCache === undefined ? undefined : hitRateOf(byCache.report.series)

const figures = (
  row: Row | undefined,
  hits: number | null | undefined,
  byCache: UsageAnswer | undefined,
  callerFaults: CallerFaults | undefined
): KeyFigures => ({
  requests: row?.requests,
  errors: row?.errors,
  successShare: successShare(row, callerFaults?.count ?? 0),
  hitRate: hits,
  savedUsd: row?.savedUsd,
  savedTokens: row?.savedTokens,
  savedMs: byCache === undefined ? undefined : savedMs(byCache.report.series),
  promptTokens: row?.promptTokens,
  completionTokens: row?.completionTokens,
  costUsd: row?.costUsd,
  latencyMsP50: row?.latencyMsP50,
  latencyMsP95: row?.latencyMsP95,
  ttftMsP50: row?.ttftMsP50,
  ttftMsP95: row?.ttftMsP95
})
