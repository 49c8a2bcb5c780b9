/** The points of a chart as a file: one line a bucket, with the beginning of it and a cell for each series. */
import type { Point, Series } from "@/components/chart/time-chart"
import type { CsvColumn } from "@/lib/csv"

export const pointCsv = (series: ReadonlyArray<Series>): ReadonlyArray<CsvColumn<Point>> => [
  { header: "start", value: ({ startMs }) => new Date(startMs).toISOString() },
  ...series.map(({ key }) => ({ header: key, value: ({ values }: Point) => values[key] ?? null })),
  { header: "complete", value: ({ complete }) => (complete ? "yes" : "no") }
]
