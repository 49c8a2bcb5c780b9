/**
 * State that lives in the address, so that it can be shared, bookmarked and gone back to.
 *
 * A page lists its parameters once; a value in the address that is not valid counts as absent, and a value that equals
 * the default is left out of the address. A change shows at once: the router's own transition would wait for idle time.
 */
import { usePathname, useSearchParams } from "next/navigation"
import { useCallback, useSyncExternalStore } from "react"

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

/**
 * The address that was set here, and those in its place that the router may still render: its own transition comes later
 * than the change, while after a link the router knows the new address before the browser does.
 */
let own: { readonly address: string; readonly replaced: ReadonlySet<string> } | null = null

const addressOf = (pathname: string, query: string) => `${pathname}?${query}`

const here = () => addressOf(window.location.pathname, new URLSearchParams(window.location.search).toString())

/** The browser's address has moved on from what is rendered. */
const movedFrom = (rendered: string): void => {
  const behind = own !== null && own.replaced.has(rendered) ? [...own.replaced, own.address] : []
  own = { address: here(), replaced: new Set([...behind, rendered]) }
  for (const listener of listeners) listener()
}

/** What is newer: the browser's query, or that of the router. */
const newerQuery = (rendered: string, query: string): string =>
  own !== null && own.address === here() && own.replaced.has(rendered) ? window.location.search : query

/** The parameters of the page's address, and a way to change some of them; `push` adds a step to go back from. */
export const useUrlState = <P extends Params>(params: P) => {
  const routed = useSearchParams().toString()
  const rendered = addressOf(usePathname(), routed)
  const subscribe = useCallback(
    (listener: () => void) => {
      const onBack = () => movedFrom(rendered)
      listeners.add(listener)
      window.addEventListener("popstate", onBack)
      return () => {
        listeners.delete(listener)
        window.removeEventListener("popstate", onBack)
      }
    },
    [rendered]
  )
  const newer = useCallback(() => newerQuery(rendered, routed), [rendered, routed])
  const query = useSyncExternalStore(subscribe, newer, () => routed)
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
    movedFrom(rendered)
  }

  return [values, change] as const
}
