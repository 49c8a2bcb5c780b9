"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { Provider, UsageRow } from "millrace/admin-api"
import { useMemo } from "react"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { Meter } from "@/components/meter"
import type { CsvColumn } from "@/lib/csv"
import { count, duration, gap, ratio, share, text, type Quantity } from "@/lib/format"
import { BreakerBadge } from "./breaker-badge"
import { fillOf, limitNames } from "./limit-fill"

/** A provider with its figures over the range; null while they are read. */
export interface ProviderRow {
  readonly provider: Provider
  readonly usage: UsageRow | null
}

interface ProviderTableProps {
  readonly rows: ReadonlyArray<ProviderRow>
  readonly openName: string | null
  readonly onOpen: (name: string) => void
}

const helper = createColumnHelper<typeof features, ProviderRow>()

/** Every provider in one row, to compare them; a row shows the provider below. */
export function ProviderTable({ rows, openName, onOpen }: ProviderTableProps) {
  const columns = useMemo(
    () =>
      helper.columns([
        helper.accessor("provider.name", {
          id: "name",
          header: "Provider",
          cell: ({ getValue }) => (
            <button
              type="button"
              aria-pressed={getValue() === openName}
              className="max-w-full truncate rounded-sm font-medium hover:underline"
            >
              {getValue()}
            </button>
          )
        }),
        helper.accessor("provider.breaker", {
          id: "breaker",
          header: "Breaker",
          meta: { className: "w-32" },
          cell: ({ getValue }) => <BreakerBadge state={getValue()} />
        }),
        helper.accessor("provider.active", {
          id: "active",
          header: "In flight",
          meta: { align: "right", className: "w-20" },
          cell: ({ getValue }) => <Figure quantity={count(getValue())} />
        }),
        helper.accessor("provider.queued", {
          id: "queued",
          header: "Waiting",
          meta: { align: "right", className: "w-20" },
          cell: ({ getValue }) => <Figure quantity={count(getValue())} />
        }),
        helper.accessor(({ provider }) => leastHeadroom(provider), {
          id: "headroom",
          header: "Least headroom",
          meta: { className: "w-40" },
          cell: ({ row: { original }, getValue }) => (
            <Headroom provider={original.provider.name} headroom={getValue()} />
          )
        }),
        usageColumn("requests", "Requests", "w-24", (row) => count(row.requests)),
        usageColumn("failed", "Failed", "w-20", (row) => share(ratio(row.errors, row.requests))),
        usageColumn("p50", "Latency p50", "w-28", (row) => duration(row.latencyMsP50)),
        usageColumn("p95", "Latency p95", "w-28", (row) => duration(row.latencyMsP95)),
        usageColumn("ttft", "TTFT p95", "w-24", (row) => duration(row.ttftMsP95))
      ]),
    [openName]
  )
  return (
    <DataTable
      label="Providers"
      rows={rows}
      columns={columns}
      rowId={({ provider }) => provider.name}
      onOpen={({ provider }) => onOpen(provider.name)}
      openId={openName}
      minWidth="min-w-[68rem]"
    />
  )
}

const usageColumn = (id: string, header: string, className: string, pick: (row: UsageRow) => Quantity) =>
  helper.display({
    id,
    header,
    meta: { align: "right", className },
    cell: ({ row: { original } }) => <Figure quantity={original.usage === null ? gap : pick(original.usage)} />
  })

/** The table as a file, with every digit. */
export const providerCsv: ReadonlyArray<CsvColumn<ProviderRow>> = [
  { header: "provider", value: ({ provider }) => provider.name },
  { header: "breaker", value: ({ provider }) => provider.breaker },
  { header: "active", value: ({ provider }) => provider.active },
  { header: "queued", value: ({ provider }) => provider.queued },
  { header: "leastHeadroom", value: ({ provider }) => leastHeadroom(provider) },
  { header: "requests", value: ({ usage }) => usage?.requests ?? null },
  { header: "errors", value: ({ usage }) => usage?.errors ?? null },
  { header: "latencyMsP50", value: ({ usage }) => usage?.latencyMsP50 ?? null },
  { header: "latencyMsP95", value: ({ usage }) => usage?.latencyMsP95 ?? null },
  { header: "ttftMsP50", value: ({ usage }) => usage?.ttftMsP50 ?? null },
  { header: "ttftMsP95", value: ({ usage }) => usage?.ttftMsP95 ?? null },
  { header: "costUsd", value: ({ usage }) => usage?.costUsd ?? null },
  { header: "attempts", value: ({ provider }) => provider.attempts.attempts },
  { header: "retries", value: ({ provider }) => provider.attempts.retries },
  { header: "rescuedByRetry", value: ({ provider }) => provider.attempts.rescuedByRetry },
  { header: "rescuedByFallback", value: ({ provider }) => provider.attempts.rescuedByFallback }
]

/** What is free of the limit that is nearest to full; null where nothing bounds the provider. */
const leastHeadroom = ({ limits }: Provider): number | null => {
  const fills = limitNames.flatMap(([field]) => fillOf(limits[field]) ?? [])
  return fills.length === 0 ? null : 1 - Math.max(...fills)
}

function Headroom({ provider, headroom }: { readonly provider: string; readonly headroom: number | null }) {
  if (headroom === null) return <span className="text-muted">No limit</span>
  return (
    <span className="flex items-center gap-2.5">
      <span className="w-12 shrink-0 text-right tabular-nums">{text(share(headroom))}</span>
      <Meter label={`Fullest limit of ${provider}`} share={1 - headroom} text={`${text(share(headroom))} free`} />
    </span>
  )
}
