"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { DataTable, type Columns, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { Card, CardHeader } from "@/components/ui/card"
import type { RunFigure } from "./figures"
import { useFigures } from "./use-figures"
import type { RunState } from "./use-run"

interface ComparisonProps {
  readonly first: RunState
  readonly second: RunState
}

interface Row {
  readonly first: RunFigure
  readonly second: RunFigure
}

const helper = createColumnHelper<typeof features, Row>()

/** Two runs of the same call, figure by figure. */
export function Comparison({ first, second }: ComparisonProps) {
  const left = useFigures(first).figures
  const right = useFigures(second).figures
  const rows = left.map((figure, place) => ({ first: figure, second: right[place]! }))
  return (
    <Card aria-labelledby="comparison">
      <CardHeader id="comparison" title="Side by side" note="sent at the same time" />
      <DataTable
        label="Figures of both"
        rows={rows}
        columns={columnsOf(first.input?.model ?? "", second.input?.model ?? "")}
        rowId={(row) => row.first.id}
        minWidth="min-w-md"
      />
    </Card>
  )
}

const columnsOf = (first: string, second: string): Columns<Row> =>
  helper.columns([
    helper.accessor((row) => row.first.label, {
      id: "figure",
      header: "Figure",
      meta: { className: "w-[24%]" },
      cell: ({ row: { original } }) =>
        original.first.label === original.second.label
          ? original.first.label
          : `${original.first.label} / ${original.second.label}`
    }),
    helper.display({
      id: "first",
      header: first,
      meta: { align: "right" },
      cell: ({ row: { original } }) => <Side figure={original.first} side="first" />
    }),
    helper.display({
      id: "second",
      header: second,
      meta: { align: "right" },
      cell: ({ row: { original } }) => <Side figure={original.second} side="second" />
    })
  ])

function Side({ figure, side }: { readonly figure: RunFigure; readonly side: string }) {
  return (
    <span data-figure={`${side}-${figure.id}`} title={figure.note ?? undefined}>
      <Figure quantity={figure.quantity} />
    </span>
  )
}
