"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { CircleOff, CirclePlay, Ellipsis, Radar, RotateCcw, ZapOff } from "lucide-react"
import type { CircuitStatus } from "millrace/admin-api"
import { useMemo } from "react"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { EmptyState } from "@/components/states"
import { Badge } from "@/components/ui/badge"
import { Button } from "@/components/ui/button"
import { Menu } from "@/components/ui/menu"
import { count, ratio, share } from "@/lib/format"
import { BreakerBadge } from "./breaker-badge"
import type { Order } from "./breaker-order"
import { TimeLeft } from "./time-left"

interface CircuitsProps {
  readonly provider: string
  readonly circuits: ReadonlyArray<CircuitStatus>
  readonly readAtMs: number
  readonly onOrder: (order: Order) => void
  readonly onProbe: (model: string) => unknown
}

const helper = createColumnHelper<typeof features, CircuitStatus>()

/** One row for each model that was called: its circuit, why it is as it is, and orders for it. */
export function Circuits({ provider, circuits, readAtMs, onOrder, onProbe }: CircuitsProps) {
  const columns = useMemo(
    () =>
      helper.columns([
        helper.accessor("model", {
          header: "Model",
          cell: ({ getValue }) => <span title={getValue()}>{getValue()}</span>
        }),
        helper.accessor("state", {
          header: "Circuit",
          meta: { className: "w-48" },
          cell: ({ row: { original } }) => (
            <span className="flex items-center gap-1.5">
              <BreakerBadge state={original.state} />
              {original.manual ? <Badge>By hand</Badge> : null}
            </span>
          )
        }),
        helper.accessor("retryMs", {
          header: "Next probe in",
          meta: { align: "right", className: "w-32" },
          cell: ({ getValue }) => <TimeLeft ms={getValue()} readAtMs={readAtMs} />
        }),
        helper.accessor("calls", {
          header: "Calls, last minute",
          meta: { align: "right", className: "w-40" },
          cell: ({ getValue }) => <Figure quantity={count(getValue())} />
        }),
        helper.accessor((circuit) => ratio(circuit.failures, circuit.calls), {
          id: "rate",
          header: "Failed",
          meta: { align: "right", className: "w-24" },
          cell: ({ getValue }) => <Figure quantity={share(getValue())} />
        }),
        helper.accessor("consecutiveFailures", {
          header: "In a row",
          meta: { align: "right", className: "w-24" },
          cell: ({ getValue }) => <Figure quantity={count(getValue())} />
        }),
        helper.display({
          id: "orders",
          header: () => <span className="sr-only">Orders</span>,
          meta: { align: "right", className: "w-16" },
          cell: ({ row: { original } }) => (
            <Menu
              items={[
                { label: "Probe", icon: Radar, onSelect: () => onProbe(original.model) },
                {
                  label: "Open",
                  icon: CircleOff,
                  danger: true,
                  onSelect: () => onOrder({ provider, model: original.model, state: "open" })
                },
                {
                  label: "Close",
                  icon: CirclePlay,
                  onSelect: () => onOrder({ provider, model: original.model, state: "closed" })
                },
                {
                  label: "Leave to the outcomes",
                  icon: RotateCcw,
                  onSelect: () => onOrder({ provider, model: original.model, state: "auto" })
                }
              ]}
            >
              <Button variant="ghost" size="icon" aria-label={`Orders for the circuit of ${original.model}`}>
                <Ellipsis />
              </Button>
            </Menu>
          )
        })
      ]),
    [provider, readAtMs, onOrder, onProbe]
  )
  return circuits.length === 0 ? (
    <EmptyState icon={ZapOff} title="No model was called yet">
      <p>A model gets its circuit with its first call.</p>
    </EmptyState>
  ) : (
    <DataTable
      label={`Circuits of ${provider}`}
      rows={circuits}
      columns={columns}
      rowId={(circuit) => circuit.model}
      minWidth="min-w-3xl"
    />
  )
}
