"use client"

/** The theme that was chosen in this page: every control that shows it follows. */
import { useSyncExternalStore } from "react"
import { themeCookie, type Theme } from "./theme"

const yearSeconds = 365 * 24 * 60 * 60
const listeners = new Set<() => void>()
let chosen: Theme | null = null

/** Shows a theme, and remembers it for the next visit. */
export const chooseTheme = (theme: Theme): void => {
  chosen = theme
  document.cookie = `${themeCookie}=${theme}; Path=/; Max-Age=${yearSeconds}; SameSite=Strict`
  if (theme === "system") delete document.documentElement.dataset["theme"]
  else document.documentElement.dataset["theme"] = theme
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The theme; `first` is what the server has read. */
export const useTheme = (first: Theme): Theme =>
  useSyncExternalStore(
    subscribe,
    () => chosen ?? first,
    () => first
  )
