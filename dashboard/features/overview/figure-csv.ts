/** The key figures as a file, with every digit; `before` is of as much time right before, where that is compared. */
import type { CsvColumn } from "@/lib/csv"
import { figureNames, figuresBefore, figuresNow, type OverviewData } from "./key-figures"

interface FigureRow {
  readonly figure: string
  readonly value: number | null
  readonly before: number | null
}

export const figuresOf = (data: OverviewData): ReadonlyArray<FigureRow> => {
  const now = figuresNow(data)
  const before = figuresBefore(data)
  return figureNames.map((figure) => ({
    figure,
    value: now[figure] ?? null,
    before: data.before === undefined ? null : (before[figure] ?? null)
  }))
}

export const figureCsv: ReadonlyArray<CsvColumn<FigureRow>> = [
  { header: "figure", value: ({ figure }) => figure },
  { header: "value", value: ({ value }) => value },
  { header: "before", value: ({ before }) => before }
]
