"use client"

/**
 * Views of the explorer: an address under a name. Some come with the dashboard, others are kept in this browser.
 */
import { useSyncExternalStore } from "react"

export interface View {
  readonly name: string
  /** The address's query. */
  readonly query: string
}

export const givenViews: ReadonlyArray<View> = [
  { name: "Cost by model", query: "metric=costUsd&range=7d" },
  { name: "Cost of 30 days summed up, by tenant", query: "metric=costUsd&groupBy=tenant&range=30d&cumulative=yes" },
  { name: "Requests by key", query: "groupBy=key&range=7d" },
  { name: "Failures by provider", query: "metric=errors&groupBy=provider" },
  { name: "Slowest models", query: "metric=latencyMsP95" },
  { name: "What the cache did", query: "groupBy=cache&range=7d" }
]

const storageKey = "millrace_usage_views"
const mostViews = 50
const none: ReadonlyArray<View> = []
const listeners = new Set<() => void>()
let readText: string | null = null
let readViews = none

const isView = (value: unknown): value is View =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as View).name === "string" &&
  typeof (value as View).query === "string"

const parse = (text: string | null): ReadonlyArray<View> => {
  if (text === null) return none
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter(isView).slice(0, mostViews) : none
  } catch {
    return none
  }
}

const read = (): ReadonlyArray<View> => {
  const text = localStorage.getItem(storageKey)
  if (text !== readText) {
    readText = text
    readViews = parse(text)
  }
  return readViews
}

const write = (views: ReadonlyArray<View>) => {
  localStorage.setItem(storageKey, JSON.stringify(views))
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  window.addEventListener("storage", listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener("storage", listener)
  }
}

/** The views that are kept in this browser. */
export const useViews = () => useSyncExternalStore(subscribe, read, () => none)

/** Keeps a view; one of the same name is replaced. */
export const keepView = (view: View): void =>
  write([...read().filter(({ name }) => name !== view.name), view].slice(-mostViews))

export const forgetView = (name: string): void => write(read().filter((view) => view.name !== name))
