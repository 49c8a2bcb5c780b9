/** What the cache did with requests, of a usage series that is grouped by cache. */
import type { CacheKind, UsageSeries } from "millrace/admin-api"
import type { Point, Series } from "@/components/chart/time-chart"
import { points } from "@/features/usage/outcomes"
import { bucketStart, type Window } from "@/features/usage/range"
import { ratio } from "@/lib/format"

export type Split = Record<CacheKind, number>

/** From the bottom to the top. */
export const splitSeries = [
  { key: "hit", label: "Exact", color: "var(--cached)" },
  { key: "semantic", label: "Semantic", color: "var(--cached-semantic)" },
  { key: "coalesced", label: "Coalesced", color: "var(--cached-coalesced)" },
  { key: "miss", label: "Miss", color: "var(--answered)" },
  { key: "bypass", label: "Bypassed", color: "var(--cancelled)" }
] as const satisfies ReadonlyArray<Series & { readonly key: CacheKind }>

const none = (): Split => ({ hit: 0, semantic: 0, coalesced: 0, miss: 0, bypass: 0 })

const isKind = (group: string | null): group is CacheKind => splitSeries.some(({ key }) => key === group)

/** Requests by what the cache did. */
export const splitOf = (series: UsageSeries): Split => {
  const split = none()
  for (const { group, requests } of series) if (isKind(group)) split[group] += requests
  return split
}

/** Requests that the cache served, and as a share of those that were looked up; null before the first. */
export const servedOf = ({ coalesced, hit, miss, semantic }: Split) => {
  const served = hit + semantic + coalesced
  return { served, lookups: served + miss, rate: ratio(served, served + miss) }
}

/** One point for each bucket of the window. */
export const splitPoints = (series: UsageSeries, window: Window): ReadonlyArray<Point> => {
  const byStart = new Map<number, Split>()
  for (const { group, requests, start } of series) {
    if (!isKind(group)) continue
    const startMs = bucketStart(Date.parse(start), window.bucket)
    const split = byStart.get(startMs) ?? none()
    split[group] += requests
    byStart.set(startMs, split)
  }
  const firstMs = bucketStart(window.fromMs, window.bucket)
  return points(window, (startMs) => byStart.get(startMs) ?? (startMs < firstMs ? {} : none()))
}
