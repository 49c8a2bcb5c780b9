/**
 * Usage as tables for people: one line a row, numbers to the right, nothing where there is no figure.
 */
import type { ErrorGroup, RepriceResult, UsageReport, UsageRow } from "../AdminUsageAnswers.ts"
import { number } from "./AdminConnection.ts"

interface Column {
  readonly name: string
  readonly left?: boolean
}

/** Rows under their names, each column as wide as its widest cell. */
export const table = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const widths = columns.map(({ name }, index) => Math.max(name.length, ...rows.map((row) => row[index]!.length)))
  const line = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, index) =>
        columns[index]!.left === true ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!)
      )
      .join("  ")
      .trimEnd()
  return [line(columns.map(({ name }) => name)), ...rows.map(line)]
}

/** Dollars with as many digits as they need, at least two. */
export const dollars = (usd: number): string => {
  if (usd === 0) return "$0.00"
  const digits = Math.abs(usd) >= 1 ? 2 : Math.min(12, 3 - Math.floor(Math.log10(Math.abs(usd))))
  return `${usd < 0 ? "-" : ""}$${Math.abs(usd).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: digits })}`
}

/** To the minute, in UTC. */
const minute = (iso: string): string => iso.slice(0, 16).replace("T", " ")

const milliseconds = (ms: number | null): string => (ms === null ? "" : number(Math.round(ms)))

const rowColumns: ReadonlyArray<Column> = [
  { name: "requests" },
  { name: "errors" },
  { name: "hits" },
  { name: "prompt" },
  { name: "completion" },
  { name: "cost" },
  { name: "unpriced" },
  { name: "saved" },
  { name: "p50 ms" },
  { name: "p95 ms" }
]

const rowCells = (row: UsageRow): ReadonlyArray<string> => [
  number(row.requests),
  number(row.errors),
  number(row.cacheHits),
  number(row.promptTokens),
  number(row.completionTokens),
  dollars(row.costUsd),
  row.unpriced === 0 ? "" : number(row.unpriced),
  dollars(row.savedUsd),
  milliseconds(row.latencyMsP50),
  milliseconds(row.latencyMsP95)
]

/** A line for each bucket and group, then the totals. */
export const reportLines = ({ series, totals }: UsageReport, groupBy: string | undefined): ReadonlyArray<string> => {
  const grouped = groupBy === undefined ? [] : [{ name: groupBy, left: true }]
  const group = (value: string | null) => (groupBy === undefined ? [] : [value ?? "-"])
  return table(
    [{ name: "from (UTC)", left: true }, ...grouped, ...rowColumns],
    [
      ...series.map((point) => [minute(point.start), ...group(point.group), ...rowCells(point)]),
      ["total", ...group(""), ...rowCells(totals)]
    ]
  )
}

/** A line for each group; where one was asked for, whom it met. */
export const errorLines = (groups: ReadonlyArray<ErrorGroup>): ReadonlyArray<string> => {
  if (groups.length === 0) return ["no failures"]
  const lines = table(
    [
      { name: "count" },
      { name: "first seen (UTC)", left: true },
      { name: "last seen (UTC)", left: true },
      { name: "kind", left: true },
      { name: "model", left: true },
      { name: "fingerprint", left: true },
      { name: "sample", left: true },
      { name: "message", left: true }
    ],
    groups.map((group) => [
      number(group.count),
      minute(group.firstSeen),
      minute(group.lastSeen),
      group.kind ?? "",
      group.provider === null ? "" : `${group.provider}/${group.model ?? ""}`,
      group.fingerprint,
      group.sampleId,
      group.message ?? ""
    ])
  )
  return [...lines, ...groups.flatMap(affectedLines)]
}

const affectedLines = ({ affected }: ErrorGroup): ReadonlyArray<string> => {
  if (affected === null) return []
  const named = (pairs: ReadonlyArray<readonly [string, number]>) =>
    pairs.map(([name, count]) => `${name} (${number(count)})`).join(", ")
  return [
    `keys:    ${named(affected.keys.map(({ count, keyId }) => [keyId ?? "none", count]))}`,
    `tenants: ${named(affected.tenants.map(({ count, tenant }) => [tenant, count]))}`
  ]
}

/** What each model cost before and after, the sums, and what has no price. */
export const repriceLines = (result: Omit<RepriceResult, "nextCursor">): ReadonlyArray<string> => {
  const unpriced = result.models.flatMap(({ model, provider, unpriced: reasons }) =>
    reasons.map(
      ({ reason, requests }) =>
        `unpriced: ${number(requests)} requests of ${provider ?? "-"}/${model ?? "-"}: ${reason}`
    )
  )
  const rows = result.models.map((each) => [
    `${each.provider ?? "-"}/${each.model ?? "-"}`,
    number(each.requests),
    number(each.changed),
    dollars(each.oldUsd),
    dollars(each.newUsd)
  ])
  return [
    ...table(
      [{ name: "model", left: true }, { name: "requests" }, { name: "changed" }, { name: "before" }, { name: "after" }],
      [...rows, ["total", "", number(result.changed), dollars(result.oldUsd), dollars(result.newUsd)]]
    ),
    ...unpriced,
    `${number(result.requests)} requests looked at, ${number(result.changed)} ${result.dryRun ? "would change" : "changed"}`
  ]
}
