"use client"

import type { Status } from "millrace/admin-api"
import { createContext, useContext, useState, useSyncExternalStore, type ReactNode } from "react"
import type { Failure } from "@/features/gateway/failure"
import { LiveStatus, type LiveSnapshot } from "./live-status"

const LiveContext = createContext<LiveStatus | null>(null)

interface LiveProviderProps {
  readonly status: Status | null
  readonly receivedAtMs: number
  readonly failure: Failure | null
  readonly children: ReactNode
}

/** Starts from what the server has read, then follows the gateway. */
export function LiveProvider({ status, receivedAtMs, failure, children }: LiveProviderProps) {
  const [live] = useState(() => new LiveStatus(status, status === null ? null : receivedAtMs, failure))
  return <LiveContext value={live}>{children}</LiveContext>
}

/** The status itself, for reading it outside of rendering. */
export const useLiveStatus = (): LiveStatus => {
  const live = useContext(LiveContext)
  if (live === null) throw new Error("LiveProvider is missing")
  return live
}

/** The gateway's status as it changes. */
export const useLive = (): LiveSnapshot => {
  const live = useLiveStatus()
  return useSyncExternalStore(live.subscribe, live.getSnapshot, live.getFirstSnapshot)
}

/** A part of it; only a change of that part renders again, so it must be a plain value. */
export const useLivePart = <Part extends string | number | boolean | null>(
  part: (live: LiveSnapshot) => Part
): Part => {
  const live = useLiveStatus()
  return useSyncExternalStore(
    live.subscribe,
    () => part(live.getSnapshot()),
    () => part(live.getFirstSnapshot())
  )
}

export const useRefreshLive = () => useLiveStatus().refresh
