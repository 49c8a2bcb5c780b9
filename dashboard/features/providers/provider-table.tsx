"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { Provider, UsageRow } from "millrace/admin-api"
import { useMemo } from "react"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { Meter } from "@/components/meter"
import type { Range } from "@/features/usage/range"
import { useUsage } from "@/features/usage/use-usage"
import { count, duration, ratio, share, text, type Quantity } from "@/lib/format"
import { BreakerBadge } from "./breaker-badge"
import { fillOf, limitNames } from "./limit-fill"

interface ProviderTableProps {
  readonly providers: ReadonlyArray<Provider>
  readonly range: Range
  readonly openName: string | null
  readonly onOpen: (name: string) => void
}

const helper = createColumnHelper<typeof features, Provider>()

/** Every provider in one row, to compare them; a row shows the provider below. */
export function ProviderTable({ providers, range, openName, onOpen }: ProviderTableProps) {
  const columns = useMemo(
    () =>
      helper.columns([
        helper.accessor("name", {
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
        helper.accessor("breaker", {
          header: "Breaker",
          meta: { className: "w-32" },
          cell: ({ getValue }) => <BreakerBadge state={getValue()} />
        }),
        helper.accessor("active", {
          header: "In flight",
          meta: { align: "right", className: "w-20" },
          cell: ({ getValue }) => <Figure quantity={count(getValue())} />
        }),
        helper.accessor("queued", {
          header: "Waiting",
          meta: { align: "right", className: "w-20" },
          cell: ({ getValue }) => <Figure quantity={count(getValue())} />
        }),
        helper.accessor((provider) => leastHeadroom(provider), {
          id: "headroom",
          header: "Least headroom",
          meta: { className: "w-40" },
          cell: ({ row: { original }, getValue }) => <Headroom provider={original.name} headroom={getValue()} />
        }),
        usageColumn("requests", "Requests", "w-24", range, (row) => count(row.requests)),
        usageColumn("failed", "Failed", "w-20", range, (row) => share(ratio(row.errors, row.requests))),
        usageColumn("p50", "Latency p50", "w-28", range, (row) => duration(row.latencyMsP50)),
        usageColumn("p95", "Latency p95", "w-28", range, (row) => duration(row.latencyMsP95)),
        usageColumn("ttft", "TTFT p95", "w-24", range, (row) => duration(row.ttftMsP95))
      ]),
    [range, openName]
  )
  return (
    <DataTable
      label="Providers"
      rows={providers}
      columns={columns}
      rowId={(provider) => provider.name}
      onOpen={(provider) => onOpen(provider.name)}
      openId={openName}
      minWidth="min-w-[68rem]"
    />
  )
}

const usageColumn = (id: string, header: string, className: string, range: Range, pick: (row: UsageRow) => Quantity) =>
  helper.display({
    id,
    header,
    meta: { align: "right", className },
    cell: ({ row: { original } }) => <UsageFigure provider={original.name} range={range} pick={pick} />
  })

interface UsageFigureProps {
  readonly provider: string
  readonly range: Range
  readonly pick: (row: UsageRow) => Quantity
}

/** A figure over the range; rows of one provider share what is read for them. */
function UsageFigure({ provider, range, pick }: UsageFigureProps) {
  const usage = useUsage(range, { filters: { provider }, sumsOnly: true })
  return <Figure quantity={usage.data === undefined ? { value: "–", unit: "" } : pick(usage.data.report.totals)} />
}

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
