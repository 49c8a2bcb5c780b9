"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { Gauge } from "lucide-react"
import type { Limit, ScopeStatus } from "millrace/admin-api"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { Meter } from "@/components/meter"
import { EmptyState } from "@/components/states"
import { count, share, text } from "@/lib/format"
import { boundOf, fillOf, freeText, limitNames } from "./limit-fill"

interface LimitRow {
  readonly id: string
  /** The model or tenant that it bounds; null for all of them. */
  readonly of: string | null
  readonly name: string
  readonly limit: Limit
}

const helper = createColumnHelper<typeof features, LimitRow>()

const columns = helper.columns([
  helper.accessor("name", {
    header: "Limit",
    cell: ({ row: { original } }) => (
      <span title={original.of ?? undefined}>
        {original.name}
        {original.of === null ? null : <span className="ml-1.5 text-xs text-muted">{original.of}</span>}
      </span>
    )
  }),
  helper.accessor((row) => row.limit.configured, {
    id: "configured",
    header: "Configured",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor((row) => row.limit.learned, {
    id: "learned",
    header: "Learned",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor((row) => row.limit.available, {
    id: "available",
    header: "Available",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor((row) => fillOf(row.limit), {
    id: "headroom",
    header: "Headroom",
    meta: { className: "w-44" },
    cell: ({ row: { original }, getValue }) => {
      const fill = getValue()
      return fill === null ? (
        <span className="text-muted">No limit</span>
      ) : (
        <span className="flex items-center gap-2.5">
          <span className="w-14 shrink-0 text-right tabular-nums">{text(share(1 - fill))}</span>
          <Meter
            label={`${original.of ?? "All models"}, ${original.name.toLowerCase()}`}
            share={fill}
            text={freeText(original.limit) ?? "no limit"}
          />
        </span>
      )
    }
  })
])

interface LimitsProps {
  readonly label: string
  readonly limits: ScopeStatus["limits"]
  /** Models with limits of their own. */
  readonly scopes: ReadonlyArray<ScopeStatus>
}

/** What bounds a provider: as configured, as learned from it, and what is free now. */
export function Limits({ label, limits, scopes }: LimitsProps) {
  const rows = [rowsOf(null, limits), ...scopes.map((scope) => rowsOf(scope.name, scope.limits))].flat()
  return rows.length === 0 ? (
    <EmptyState icon={Gauge} title="No limits">
      <p>None is configured under “rateLimits”, and the provider has told of none.</p>
    </EmptyState>
  ) : (
    <DataTable label={label} rows={rows} columns={columns} rowId={(row) => row.id} minWidth="min-w-2xl" />
  )
}

const rowsOf = (of: string | null, limits: ScopeStatus["limits"]): ReadonlyArray<LimitRow> =>
  limitNames.flatMap(([field, name]) => {
    const limit = limits[field]
    return boundOf(limit) === null && limit.available === null ? [] : [{ id: `${of ?? ""} ${field}`, of, name, limit }]
  })
