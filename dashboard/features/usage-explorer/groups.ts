/** A report by groups as what the explorer draws: groups by size, the largest as series over time, the others as one. */
import type { GroupBy, UsagePoint } from "millrace/admin-api"
import type { Point, Series } from "@/components/chart/time-chart"
import { points } from "@/features/usage/outcomes"
import { bucketStart, type Window } from "@/features/usage/range"
import { sumFields, type Metric, type Sums } from "./metrics"

/** Requests without a value in the field that they are grouped by. */
export const noValue = "(none)"

/** The groups that are not drawn one by one. */
const others = "(others)"

export interface Group {
  /** null for requests that have no such value. */
  readonly name: string | null
  readonly sums: Sums
  /** The metric; null where it can't be told from sums. */
  readonly value: number | null
}

const nothing: Sums = {
  ...(Object.fromEntries(sumFields.map((field) => [field, 0])) as Record<(typeof sumFields)[number], number>),
  latencyMsP50: null,
  latencyMsP95: null,
  ttftMsP50: null,
  ttftMsP95: null
}

/** Sums of two rows; quantiles of one that stands alone are kept, those of several are unknown. */
const plus = (sums: Sums | undefined, point: UsagePoint): Sums => {
  if (sums === undefined) return point
  const added = Object.fromEntries(sumFields.map((field) => [field, sums[field] + point[field]]))
  return { ...nothing, ...added }
}

/** The groups of a series, those with the highest figure first; by requests where the metric can't be told. */
export const groupsOf = (series: ReadonlyArray<UsagePoint>, metric: Metric): ReadonlyArray<Group> => {
  const byName = new Map<string | null, Sums>()
  for (const point of series) byName.set(point.group, plus(byName.get(point.group), point))
  return Array.from(byName, ([name, sums]): Group => ({ name, sums, value: metric.valueOf(sums) })).sort(
    (a, b) => rank(metric, b) - rank(metric, a) || b.sums.requests - a.sums.requests
  )
}

const rank = (metric: Metric, { value, sums }: Group) => (metric.fromSums ? (value ?? -1) : sums.requests)

interface Drawing {
  readonly series: ReadonlyArray<Series>
  readonly points: ReadonlyArray<Point>
}

interface DrawingOptions {
  readonly metric: Metric
  readonly groups: ReadonlyArray<Group>
  readonly groupBy: GroupBy | null
  readonly top: number
  readonly cumulative: boolean
  /** What a group is called. */
  readonly labelOf: (name: string) => string
}

/** The largest groups over time. What adds up has a last series with all the others. */
export const drawingOf = (
  report: ReadonlyArray<UsagePoint>,
  window: Window,
  { metric, groups, groupBy, top, cumulative, labelOf }: DrawingOptions
): Drawing => {
  const names = groups.slice(0, top).map(({ name }) => name ?? noValue)
  const shown = new Set(names)
  const rest = metric.adds && groups.length > names.length
  const byStart = new Map<number, Map<string, number | null>>()
  for (const point of report) {
    const name = point.group ?? noValue
    const key = shown.has(name) ? name : others
    if (key === others && !rest) continue
    const start = bucketStart(Date.parse(point.start), window.bucket)
    const values = byStart.get(start) ?? new Map<string, number | null>()
    const value = metric.valueOf(point)
    values.set(key, key === others ? (values.get(key) ?? 0) + (value ?? 0) : value)
    byStart.set(start, values)
  }
  const colors = colorsOf(groupBy, names)
  const series = names.map((name) => ({
    key: name,
    label: groupBy === null ? metric.label : labelOf(name),
    color: colors.get(name) ?? "var(--series-rest)"
  }))
  if (rest) series.push({ key: others, label: `${groups.length - names.length} others`, color: "var(--series-rest)" })
  const firstMs = bucketStart(window.fromMs, window.bucket)
  const drawn = points(window, (start) => {
    const values = byStart.get(start)
    const empty = metric.adds && start >= firstMs ? 0 : null
    return Object.fromEntries(series.map(({ key }) => [key, values?.get(key) ?? empty]))
  })
  return { series, points: cumulative && metric.adds ? cumulated(drawn) : drawn }
}

/** Every point with the sum of all up to it. */
const cumulated = (drawn: ReadonlyArray<Point>): ReadonlyArray<Point> => {
  const sums = new Map<string, number>()
  return drawn.map((point) => ({
    ...point,
    values: Object.fromEntries(
      Object.entries(point.values).map(([key, value]) => {
        if (value === null) return [key, null]
        const sum = (sums.get(key) ?? 0) + value
        sums.set(key, sum)
        return [key, sum]
      })
    )
  }))
}

const meanings: Partial<Record<GroupBy, Readonly<Record<string, string>>>> = {
  status: { success: "var(--answered)", error: "var(--failed)", cancelled: "var(--cancelled)" },
  cache: {
    hit: "var(--cached)",
    semantic: "var(--series-7)",
    coalesced: "var(--series-2)",
    miss: "var(--answered)",
    bypass: "var(--cancelled)"
  }
}

const palette = Array.from({ length: 8 }, (_, index) => `var(--series-${index + 1})`)

/** A colour for each name: that of its meaning, else one that follows from the name as long as it is free. */
const colorsOf = (groupBy: GroupBy | null, names: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  if (groupBy === null) return new Map(names.map((name) => [name, "var(--answered)"]))
  const meaning = meanings[groupBy]
  const colors = new Map<string, string>()
  const taken = new Set<number>()
  for (const name of names.toSorted()) {
    const fixed = meaning?.[name]
    if (fixed !== undefined) {
      colors.set(name, fixed)
      continue
    }
    let at = hashOf(name) % palette.length
    while (taken.has(at) && taken.size < palette.length) at = (at + 1) % palette.length
    taken.add(at)
    colors.set(name, palette[at]!)
  }
  return colors
}

const hashOf = (name: string): number => {
  let hash = 0
  for (const sign of name) hash = (Math.imul(hash, 31) + sign.codePointAt(0)!) >>> 0
  return hash
}
