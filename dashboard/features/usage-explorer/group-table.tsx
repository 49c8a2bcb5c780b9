"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { GroupBy } from "millrace/admin-api"
import Link from "next/link"
import { useMemo } from "react"
import { Change } from "@/components/change"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { useKeyNames } from "@/features/keys/use-keys"
import { requestsOf } from "@/features/requests/link"
import type { Range } from "@/features/usage/range"
import type { UsageFilters } from "@/features/usage/use-usage"
import type { CsvColumn } from "@/lib/csv"
import { count, ratio, share, usd } from "@/lib/format"
import { noValue, type Group } from "./groups"
import type { Metric } from "./metrics"

/** A table shows as many groups as this. */
export const tableRows = 25

interface GroupTableProps {
  readonly label: string
  readonly groupBy: GroupBy
  readonly metric: Metric
  readonly groups: ReadonlyArray<Group>
  readonly total: number | null
  readonly range: Range
  readonly filters: UsageFilters
  /** The figures of the time before by name, where they are compared with it. */
  readonly before?: ReadonlyMap<string | null, number | null> | undefined
  /** The group and its figure alone. */
  readonly narrow?: boolean
}

const helper = createColumnHelper<typeof features, Group>()

/** The largest groups with their figures; a name leads to its requests. */
export function GroupTable({
  label,
  groupBy,
  metric,
  groups,
  total,
  range,
  filters,
  before,
  narrow = false
}: GroupTableProps) {
  const keyNames = useKeyNames({ enabled: groupBy === "key" })
  const columns = useMemo(
    () =>
      helper.columns([
        helper.accessor((group) => group.name ?? noValue, {
          id: "name",
          header: groupLabels[groupBy],
          cell: ({ row: { original } }) =>
            original.name === null ? (
              <span className="text-muted">{noValue}</span>
            ) : (
              <Link
                href={requestsOf(range, filters, { by: groupBy, name: original.name })}
                title={original.name}
                className="underline decoration-border-strong underline-offset-3 hover:decoration-foreground"
              >
                {groupBy === "key" ? (keyNames.get(original.name) ?? original.name) : original.name}
              </Link>
            )
        }),
        helper.accessor("value", {
          header: metric.label,
          meta: { align: "right", className: "w-40" },
          cell: ({ getValue }) => <Figure quantity={metric.format(getValue())} />
        }),
        ...(before === undefined
          ? []
          : [
              helper.display({
                id: "before",
                header: "Before",
                meta: { align: "right", className: "w-40" },
                cell: ({ row: { original } }) => {
                  const was = before.get(original.name) ?? (metric.adds ? 0 : null)
                  return (
                    <span className="inline-flex items-baseline gap-2">
                      <Change now={original.value} before={was} format={metric.format} />
                      <Figure quantity={metric.format(was)} />
                    </span>
                  )
                }
              })
            ]),
        ...(metric.adds
          ? [
              helper.display({
                id: "share",
                header: "Share",
                meta: { align: "right", className: "w-24" },
                cell: ({ row: { original } }) => <Figure quantity={share(ratio(original.value, total))} />
              })
            ]
          : []),
        ...(narrow
          ? []
          : [
              helper.accessor((group) => group.sums.requests, {
                id: "requests",
                header: "Requests",
                meta: { align: "right", className: "w-28" },
                cell: ({ getValue }) => <Figure quantity={count(getValue())} />
              }),
              helper.accessor((group) => ratio(group.sums.errors, group.sums.requests), {
                id: "failed",
                header: "Failed",
                meta: { align: "right", className: "w-24" },
                cell: ({ row: { original }, getValue }) =>
                  original.name === null || original.sums.errors === 0 || groupBy === "status" ? (
                    <Figure quantity={share(getValue())} />
                  ) : (
                    <Link
                      href={requestsOf(range, { ...filters, status: "error" }, { by: groupBy, name: original.name })}
                      className="rounded-sm underline-offset-2 hover:underline"
                    >
                      <Figure quantity={share(getValue())} />
                    </Link>
                  )
              }),
              helper.accessor((group) => ratio(group.sums.cacheHits, group.sums.requests), {
                id: "cached",
                header: "From cache",
                meta: { align: "right", className: "w-28" },
                cell: ({ getValue }) => <Figure quantity={share(getValue())} />
              }),
              helper.accessor((group) => group.sums.promptTokens + group.sums.completionTokens, {
                id: "tokens",
                header: "Tokens",
                meta: { align: "right", className: "w-28" },
                cell: ({ getValue }) => <Figure quantity={count(getValue())} />
              }),
              helper.accessor((group) => group.sums.costUsd, {
                id: "cost",
                header: "Cost",
                meta: { align: "right", className: "w-28" },
                cell: ({ getValue }) => <Figure quantity={usd(getValue())} />
              })
            ].filter(({ header }) => header !== metric.label))
      ]),
    [groupBy, metric, total, range, filters, before, keyNames, narrow]
  )
  return (
    <DataTable
      label={label}
      rows={groups.slice(0, tableRows)}
      columns={columns}
      rowId={(group) => group.name ?? noValue}
      minWidth={narrow ? "min-w-sm" : "min-w-4xl"}
    />
  )
}

export const groupLabels: Record<GroupBy, string> = {
  model: "Model",
  provider: "Provider",
  tenant: "Tenant",
  key: "Key",
  status: "Status",
  cache: "Cache"
}

/** `Top 25 of 487 models` */
export const cutText = (groupBy: GroupBy, groups: number) => {
  const name = groupLabels[groupBy].toLowerCase()
  const many = {
    model: "models",
    provider: "providers",
    tenant: "tenants",
    key: "keys",
    status: "statuses",
    cache: "kinds"
  }
  if (groups > tableRows) return `Top ${tableRows} of ${groups} ${many[groupBy]}`
  return groups === 1 ? `1 ${groupBy === "cache" ? "kind" : name}` : `${groups} ${many[groupBy]}`
}

/** What the table shows, with every digit. */
export const groupCsv = (groupBy: GroupBy): ReadonlyArray<CsvColumn<Group>> => [
  { header: groupBy, value: ({ name }) => name },
  { header: "requests", value: ({ sums }) => sums.requests },
  { header: "errors", value: ({ sums }) => sums.errors },
  { header: "cacheHits", value: ({ sums }) => sums.cacheHits },
  { header: "promptTokens", value: ({ sums }) => sums.promptTokens },
  { header: "completionTokens", value: ({ sums }) => sums.completionTokens },
  { header: "cachedTokens", value: ({ sums }) => sums.cachedTokens },
  { header: "reasoningTokens", value: ({ sums }) => sums.reasoningTokens },
  { header: "costUsd", value: ({ sums }) => sums.costUsd },
  { header: "savedUsd", value: ({ sums }) => sums.savedUsd },
  { header: "savedTokens", value: ({ sums }) => sums.savedTokens },
  { header: "latencyMsP50", value: ({ sums }) => sums.latencyMsP50 },
  { header: "latencyMsP95", value: ({ sums }) => sums.latencyMsP95 },
  { header: "ttftMsP50", value: ({ sums }) => sums.ttftMsP50 },
  { header: "ttftMsP95", value: ({ sums }) => sums.ttftMsP95 }
]
