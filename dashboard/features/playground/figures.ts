/** The figures of one run: from the response headers and the browser's clock, then from the record that the gateway wrote. */
import type { CacheKind, RequestDetail, Status } from "millrace/admin-api"
import { cacheLabels } from "@/features/requests/badges"
import { duration, exactCount, gap, text, usd, type Quantity } from "@/lib/format"
import { isRunning, type RunState } from "./use-run"

export interface RunFigure {
  readonly id: string
  readonly label: string
  readonly quantity: Quantity
  readonly note: string | null
}

interface Sources {
  readonly state: RunState
  /** Undefined until it is written. */
  readonly record: RequestDetail | undefined
  readonly status: Status | null
  readonly nowMs: number | null
}

/** What each stage decided and how long it took, as far as it is known by now. */
export const figuresOf = (sources: Sources): ReadonlyArray<RunFigure> => {
  const { record, state } = sources
  const { decisions, firstTextMs, tokens, totalMs } = state
  const prompt = tokens?.promptTokens ?? record?.promptTokens
  const completion = tokens?.completionTokens ?? record?.completionTokens
  const streamedMs = totalMs === null || firstTextMs === null ? 0 : totalMs - firstTextMs
  return [
    {
      id: "cache",
      label: "Cache",
      quantity: cacheOf(decisions?.cache ?? null),
      note: decisions?.cacheAgeSeconds == null ? null : `${text(duration(decisions.cacheAgeSeconds * 1000))} old`
    },
    queueOf(sources),
    {
      id: "attempts",
      label: "Attempts",
      quantity: decisions?.attempts == null ? gap : { value: exactCount(decisions.attempts), unit: "" },
      note: failedOf(record)
    },
    {
      id: "first-token",
      label: "First token",
      quantity: duration(firstTextMs),
      note: firstTextMs === null && isRunning(state) ? elapsedOf(sources) : serverTime(record?.ttftMs)
    },
    {
      id: "total",
      label: state.phase === "stopped" || state.phase === "failed" ? "Ended after" : "Answer complete",
      quantity: duration(totalMs),
      note: isRunning(state) ? elapsedOf(sources) : serverTime(record?.latencyMs)
    },
    {
      id: "speed",
      label: "Speed",
      quantity:
        completion === undefined || streamedMs < 50
          ? gap
          : { value: exactCount(completion / (streamedMs / 1000)), unit: "tokens/s" },
      note: "After the first token"
    },
    {
      id: "tokens",
      label: "Tokens",
      quantity:
        prompt === undefined || completion === undefined ? gap : { value: exactCount(prompt + completion), unit: "" },
      note:
        prompt === undefined || completion === undefined
          ? null
          : `${exactCount(prompt)} prompt, ${exactCount(completion)} completion tokens`
    },
    {
      id: "cost",
      label: "Cost",
      quantity: usd(decisions?.costUsd ?? record?.costUsd),
      note: record === undefined || record.savedUsd === null ? null : `${text(usd(record.savedUsd))} saved`
    }
  ]
}

const cacheOf = (cache: string | null): Quantity =>
  cache === null ? gap : { value: cacheLabels[cache as CacheKind] ?? cache, unit: "" }

/** Until the record is there, what the provider's queue looks like to everybody. */
const queueOf = ({ record, state, status }: Sources): RunFigure => {
  const figure = { id: "queue", label: "Queue" }
  if (record !== undefined) {
    const waited = record.queueMs > 0
    return { ...figure, quantity: waited ? duration(record.queueMs) : { value: "0", unit: "ms" }, note: null }
  }
  const name = state.input?.model.split("/")[0]
  const provider = status?.providers.find((each) => each.name === name)
  const busy = isRunning(state) && provider !== undefined
  return {
    ...figure,
    quantity: gap,
    note: busy ? `${provider.name}: ${exactCount(provider.active)} served, ${exactCount(provider.queued)} wait` : null
  }
}

const failedOf = (record: RequestDetail | undefined): string | null => {
  const failed = record?.attemptDetails.filter(({ error }) => error !== null).length ?? 0
  return failed === 0 ? null : `${exactCount(failed)} failed`
}

const elapsedOf = ({ nowMs, state }: Sources): string | null =>
  nowMs === null || state.sentAtMs === null
    ? null
    : `Running for ${text(duration(Math.max(0, Math.round((nowMs - state.sentAtMs) / 1000) * 1000)))}`

const serverTime = (ms: number | null | undefined): string =>
  ms === null || ms === undefined ? "Measured in this browser" : `${text(duration(ms))} at the gateway`
