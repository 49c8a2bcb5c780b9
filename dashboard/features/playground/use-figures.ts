"use client"

import { useLive } from "@/features/live/provider"
import { useRequest } from "@/features/requests/use-requests"
import { useNow } from "@/lib/use-now"
import { figuresOf } from "./figures"
import { isRunning, type RunState } from "./use-run"

/** The figures of a run as they become known, and the record behind them once it has ended. */
export const useFigures = (state: RunState) => {
  const record = useRequest(isRunning(state) ? null : (state.decisions?.requestId ?? null))
  const { status } = useLive()
  const nowMs = useNow()
  return { record, figures: figuresOf({ state, record: record.data, status, nowMs }) }
}
