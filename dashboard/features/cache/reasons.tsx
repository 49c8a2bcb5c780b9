"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { CircleHelp } from "lucide-react"
import { DataTable, type features } from "@/components/data-table"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { exactCount } from "@/lib/format"

interface ReasonsProps {
  readonly id: string
  readonly title: string
  readonly note?: string
  readonly counts: Readonly<Record<string, number>>
}

const reasonHelper = createColumnHelper<typeof features, readonly [string, number]>()
const reasonColumns = reasonHelper.columns([
  reasonHelper.accessor(([reason]) => reason, { id: "reason", header: "Reason" }),
  reasonHelper.accessor(([, lookups]) => lookups, {
    id: "lookups",
    header: "Requests",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) => exactCount(getValue())
  })
])

/** Requests by the reason why a cache did not serve them, the most frequent first. */
export function Reasons({ id, title, note, counts }: ReasonsProps) {
  const rows = Object.entries(counts)
    .filter(([, requests]) => requests > 0)
    .sort((a, b) => b[1] - a[1])
  return (
    <Card aria-labelledby={id} className="overflow-hidden">
      <CardHeader id={id} title={title} note={note} />
      {rows.length === 0 ? (
        <EmptyState icon={CircleHelp} title="None yet" />
      ) : (
        <DataTable
          label={title}
          rows={rows}
          columns={reasonColumns}
          rowId={([reason]) => reason}
          minWidth="min-w-64"
          height="max-h-72"
        />
      )}
    </Card>
  )
}
