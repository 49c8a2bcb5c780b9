/**
 * State that lives in the address, so that it can be shared, bookmarked and gone back to.
 *
 * A page lists its parameters once; a value in the address that is not valid counts as absent, and a value that equals
 * the default is left out of the address. A change shows at once: the router's own transition would wait for idle time.
 */
import { useSearchParams } from "next/navigation"
import { useSyncExternalStore } from "react"

export interface UrlParam<Value> {
  readonly fallback: Value
  readonly parse: (text: string) => Value
}

/** One of a few values. */
export const oneOf = <const Value extends string, Fallback extends Value | null>(
  values: ReadonlyArray<Value>,
  fallback: Fallback
): UrlParam<Value | Fallback> => ({ fallback, parse: (text) => values.find((value) => value === text) ?? fallback })

/** Any text, or null. */
export const anyText: UrlParam<string | null> = { fallback: null, parse: (text) => (text === "" ? null : text) }

type Params = Readonly<Record<string, UrlParam<unknown>>>

type Values<P extends Params> = { readonly [Name in keyof P]: P[Name]["fallback"] | ReturnType<P[Name]["parse"]> }

const listeners = new Set<() => void>()

const notify = () => {
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  window.addEventListener("popstate", listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener("popstate", listener)
  }
}

const currentQuery = () => window.location.search

/** The parameters of the page's address, and a way to change some of them; `push` adds a step to go back from. */
export const useUrlState = <P extends Params>(params: P) => {
  const rendered = useSearchParams().toString()
  const query = useSyncExternalStore(subscribe, currentQuery, () => rendered)
  const search = new URLSearchParams(query)
  const values = Object.fromEntries(
    Object.entries(params).map(([name, param]) => {
      const text = search.get(name)
      return [name, text === null ? param.fallback : param.parse(text)]
    })
  ) as Values<P>

  const change = (changes: Partial<Values<P>>, { push = false } = {}): void => {
    const next = new URLSearchParams(window.location.search)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === params[name]?.fallback) next.delete(name)
      else next.set(name, String(value))
    }
    const address = window.location.pathname + (next.size === 0 ? "" : `?${next}`)
    window.history[push ? "pushState" : "replaceState"](null, "", address)
    notify()
  }

  return [values, change] as const
}
