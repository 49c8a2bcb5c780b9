/**
 * Figures of a benchmark, as a table for people and as rows for JSON.
 */

/** What a figure should be: a bound of its own, or one on its ratio to another row of the same table. */
export type Goal =
  | { readonly kind: "at-most" | "at-least"; readonly value: number }
  | { readonly kind: "ratio-at-most" | "ratio-at-least"; readonly value: number; readonly of: string }

export interface Row {
  readonly name: string
  /** The median over all rounds. */
  readonly value: number
  /** First and third quartile. */
  readonly low?: number | undefined
  readonly high?: number | undefined
  /** Median over the rounds of this row's figure divided by the first row's of the same round. */
  readonly ratio?: number | undefined
  readonly goals?: ReadonlyArray<Goal> | undefined
  readonly note?: string | undefined
}

export interface Table {
  readonly title: string
  readonly unit: string
  readonly rows: ReadonlyArray<Row>
  readonly note?: string | undefined
}

export interface Options {
  readonly quick: boolean
  /** Runs only the entries whose name contains this text; for profiles. */
  readonly only: string | undefined
  /** A file of labelled pairs for the semantic suite instead of the shared ones. */
  readonly pairs?: string | undefined
  /** Where CPU profiles are written; undefined for none. */
  readonly profiles: string | undefined
}

/** One file of this folder: `run` measures and returns tables. */
export interface Suite {
  readonly run: (options: Options) => Promise<ReadonlyArray<Table>>
}

/** Whether a row meets a goal; undefined when the row that it refers to was not measured. */
export const meets = (goal: Goal, row: Row, table: Table): boolean | undefined => {
  if (!("of" in goal)) return goal.kind === "at-most" ? row.value <= goal.value : row.value >= goal.value
  const other = table.rows.find((candidate) => candidate.name === goal.of)
  if (other === undefined) return undefined
  const ratio = row.value / other.value
  return goal.kind === "ratio-at-most" ? ratio <= goal.value : ratio >= goal.value
}

const goalText = (goal: Goal): string => {
  const sign = goal.kind === "at-most" || goal.kind === "ratio-at-most" ? "≤" : "≥"
  return goal.kind === "ratio-at-most" || goal.kind === "ratio-at-least"
    ? `${sign} ${goal.value} × ${goal.of}`
    : `${sign} ${format(goal.value)}`
}

/** Three significant digits, with thousands separated. */
export const format = (value: number): string => {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString("en-US")
  return size >= 100
    ? value.toFixed(0)
    : size >= 10
      ? value.toFixed(1)
      : size >= 1
        ? value.toFixed(2)
        : value.toFixed(3)
}

export const render = (table: Table): string => {
  const header = ["", table.unit, "quartiles", "ratio", "goal"]
  const lines = table.rows.map((row) => [
    row.name,
    format(row.value),
    row.low === undefined || row.high === undefined ? "" : `${format(row.low)}–${format(row.high)}`,
    row.ratio === undefined ? "" : `${format(row.ratio)} ×`,
    (row.goals ?? [])
      .map((goal) => {
        const met = meets(goal, row, table)
        return `${met === undefined ? "–" : met ? "✓" : "✗"} ${goalText(goal)}`
      })
      .join(", ") + (row.note === undefined ? "" : `  ${row.note}`)
  ])
  const widths = header.map((cell, column) => Math.max(cell.length, ...lines.map((line) => line[column]!.length)))
  const text = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, column) =>
        column >= 1 && column <= 3 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)
      )
      .join("  ")
      .trimEnd()
  return [table.title, text(header), ...lines.map(text), ...(table.note === undefined ? [] : [table.note])].join("\n")
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** Linear interpolation between the neighbours; NaN for no values. */
export const quantile = (values: ReadonlyArray<number>, share: number): number => {
  if (values.length === 0) return Number.NaN
  const sorted = values.toSorted((a, b) => a - b)
  const position = (sorted.length - 1) * share
  const below = Math.floor(position)
  const above = Math.ceil(position)
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below)
}
