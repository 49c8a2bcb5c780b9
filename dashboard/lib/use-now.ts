"use client"

import { useSyncExternalStore } from "react"

const listeners = new Set<() => void>()
let nowMs = 0
let timer: ReturnType<typeof setInterval> | undefined

const tick = () => {
  nowMs = Date.now()
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  if (listeners.size === 1) {
    nowMs = Date.now()
    timer = setInterval(tick, 1000)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) clearInterval(timer)
  }
}

const read = () => (nowMs === 0 ? (nowMs = Date.now()) : nowMs)

const serverNow = () => null

/** The time, once a second, in epoch milliseconds; null on the server and in the first render. */
export const useNow = (): number | null => useSyncExternalStore(subscribe, read, serverNow)
