"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { ErrorGroup } from "millrace/admin-api"
import { useMemo } from "react"
import { Sparkline } from "@/components/chart/sparkline"
import type { Point } from "@/components/chart/time-chart"
import { DataTable, type features } from "@/components/data-table"
import { Badge } from "@/components/ui/badge"
import { Button } from "@/components/ui/button"
import type { Window } from "@/features/usage/range"
import { exactCount } from "@/lib/format"
import { formatAge, formatFull } from "@/lib/time"
import { useNow } from "@/lib/use-now"
import { failurePoints, faultLabels, placeOf } from "./series"

/** A group with its points, and how often it was seen in the time before. */
export interface ErrorRow {
  readonly group: ErrorGroup
  readonly points: ReadonlyArray<Point>
  /** null where that is not known. */
  readonly before: number | null
}

export const rowsOf = (
  groups: ReadonlyArray<ErrorGroup>,
  window: Window,
  before: ReadonlyMap<string, number> | null
): ReadonlyArray<ErrorRow> =>
  groups.map((group) => ({
    group,
    points: failurePoints([group], window),
    before: before === null ? null : (before.get(group.fingerprint) ?? 0)
  }))

interface ErrorTableProps {
  readonly rows: ReadonlyArray<ErrorRow>
  readonly openId: string | null
  readonly onOpen: (fingerprint: string) => void
  readonly onSample: (requestId: string) => void
}

const helper = createColumnHelper<typeof features, ErrorRow>()

/** Groups of failures, the most frequent first; a row opens the group, its button the newest request of it. */
export function ErrorTable({ rows, openId, onOpen, onSample }: ErrorTableProps) {
  const columns = useMemo(() => columnsOf(onSample), [onSample])
  return (
    <DataTable
      label="Groups of failures"
      rows={rows}
      columns={columns}
      rowId={(row) => row.group.fingerprint}
      onOpen={(row) => onOpen(row.group.fingerprint)}
      openId={openId}
      minWidth="min-w-[80rem]"
      height="max-h-[calc(100dvh-12rem)] min-h-64"
    />
  )
}

/** The kind of a failure as a badge; quieter where it was not the fault of a provider or of ours. */
export function KindBadge({ kind, fault }: Pick<ErrorGroup, "kind" | "fault">) {
  return <Badge tone={fault === "caller" || fault === "policy" ? "neutral" : "bad"}>{kind ?? "Unknown"}</Badge>
}

const columnsOf = (onSample: (requestId: string) => void) =>
  helper.columns([
    helper.accessor("group.message", {
      id: "message",
      header: "Failure",
      cell: ({ row: { original } }) => (
        <span className="flex min-w-0 items-center gap-2.5">
          <KindBadge {...original.group} />
          <button
            type="button"
            className="min-w-0 truncate rounded-sm hover:underline"
            title={original.group.message ?? undefined}
          >
            {original.group.message ?? <span className="text-muted">No message was kept</span>}
          </button>
        </span>
      )
    }),
    helper.accessor("group.fault", {
      id: "fault",
      header: "Fault of",
      meta: { className: "w-28" },
      cell: ({ getValue }) => {
        const fault = getValue()
        return fault === null ? <span className="text-muted">–</span> : faultLabels[fault]
      }
    }),
    helper.accessor((row) => placeOf(row.group), {
      id: "model",
      header: "Model",
      meta: { className: "w-48" },
      cell: ({ getValue }) => getValue() ?? <span className="text-muted">–</span>
    }),
    helper.accessor("points", {
      header: "Over time",
      meta: { className: "w-40" },
      cell: ({ row: { original } }) => (
        <Sparkline
          label={`${original.group.kind ?? "Failures"} over time, ${exactCount(original.group.count)} in all`}
          points={original.points}
          series="failed"
          color="var(--failed)"
        />
      )
    }),
    helper.accessor("group.count", {
      id: "count",
      header: "Requests",
      meta: { align: "right", className: "w-24" },
      cell: ({ getValue }) => exactCount(getValue())
    }),
    helper.accessor("before", {
      header: "Before",
      meta: { align: "right", className: "w-20" },
      cell: ({ getValue }) => <Before count={getValue()} />
    }),
    helper.accessor("group.firstSeen", {
      id: "firstSeen",
      header: "First seen",
      meta: { className: "w-26" },
      cell: ({ getValue }) => <Age time={getValue()} />
    }),
    helper.accessor("group.lastSeen", {
      id: "lastSeen",
      header: "Last seen",
      meta: { className: "w-26" },
      cell: ({ getValue }) => <Age time={getValue()} />
    }),
    helper.accessor("group.sampleId", {
      id: "sample",
      header: "Sample",
      meta: { className: "w-24" },
      cell: ({ getValue }) => (
        <Button
          size="xs"
          aria-label={`Open the newest request, ${getValue()}`}
          onClick={(event) => {
            event.stopPropagation()
            onSample(getValue())
          }}
        >
          Open
        </Button>
      )
    })
  ])

/** How often it was seen in the time before; what was not is new. */
function Before({ count }: { readonly count: number | null }) {
  if (count === null) return <span className="text-muted">–</span>
  return count === 0 ? <Badge tone="warn">New</Badge> : <span className="text-muted">{exactCount(count)}</span>
}

function Age({ time }: { readonly time: string }) {
  const now = useNow()
  const atMs = Date.parse(time)
  return <span title={formatFull(atMs)}>{now === null ? "" : formatAge(now - atMs)}</span>
}
