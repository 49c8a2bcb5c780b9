"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { AttemptDetail } from "millrace/admin-api"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { Badge } from "@/components/ui/badge"
import { duration, usd } from "@/lib/format"
import { errorText, reasons } from "./waterfall"

const helper = createColumnHelper<typeof features, AttemptDetail>()

const columns = helper.columns([
  helper.accessor((attempt) => `${attempt.provider}/${attempt.model}`, {
    id: "target",
    header: "Attempt at",
    meta: { className: "w-[30%]" },
    cell: ({ getValue, row: { original } }) => (
      <span title={`${getValue()}, ${reasons[original.reason]}`}>
        {getValue()}
        {original.reason === "first" ? null : (
          <span className="ml-1.5 text-xs text-muted">{reasons[original.reason]}</span>
        )}
      </span>
    )
  }),
  helper.accessor("error", {
    header: "Result",
    cell: ({ row: { original } }) => <Result attempt={original} />
  }),
  helper.accessor("queueMs", {
    header: "Queued",
    meta: { align: "right", className: "w-18" },
    cell: ({ getValue }) => (getValue() === 0 ? "0" : <Figure quantity={duration(getValue())} />)
  }),
  helper.accessor("firstPartMs", {
    header: "First part",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  }),
  helper.accessor("durationMs", {
    header: "Duration",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  }),
  helper.accessor("costUsd", {
    header: "Cost",
    meta: { align: "right", className: "w-28" },
    cell: ({ row: { original } }) => <Figure quantity={usd(original.lost ? original.lostUsd : original.costUsd)} />
  })
])

/** Every attempt of a request in its order. */
export function AttemptTable({ attempts }: { readonly attempts: ReadonlyArray<AttemptDetail> }) {
  return (
    <DataTable
      label="Attempts"
      rows={attempts}
      columns={columns}
      rowId={(attempt) => `${attempts.indexOf(attempt)}`}
      minWidth="min-w-3xl"
    />
  )
}

function Result({ attempt: { error, lost } }: { readonly attempt: AttemptDetail }) {
  if (error !== null) {
    return (
      <span className="text-bad-text" title={errorText(error)}>
        {errorText(error)}
      </span>
    )
  }
  return lost ? <Badge>Overtaken</Badge> : <Badge tone="good">Success</Badge>
}
