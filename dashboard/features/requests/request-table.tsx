"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { RequestItem } from "millrace/admin-api"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { useKeyNames } from "@/features/keys/use-keys"
import { count, duration, exactCount, usd } from "@/lib/format"
import { formatClock, formatDayTime, formatFull } from "@/lib/time"
import { CacheBadge, StatusBadge } from "./badges"

interface RequestTableProps {
  readonly rows: ReadonlyArray<RequestItem>
  readonly openId: string | null
  readonly onOpen: (id: string) => void
}

const helper = createColumnHelper<typeof features, RequestItem>()

const isToday = (time: string) => new Date(time).toDateString() === new Date().toDateString()

const columns = helper.columns([
  helper.accessor("time", {
    header: "Time",
    meta: { className: "w-28" },
    cell: ({ getValue }) => (
      <button
        type="button"
        title={formatFull(Date.parse(getValue()))}
        aria-label={`Open the request of ${formatFull(Date.parse(getValue()))}`}
        className="rounded-sm tabular-nums hover:underline"
      >
        {isToday(getValue()) ? formatClock(Date.parse(getValue())) : formatDayTime(Date.parse(getValue()))}
      </button>
    )
  }),
  helper.accessor("model", {
    header: "Model",
    cell: ({ row: { original } }) => <ModelName item={original} />
  }),
  helper.accessor("tenant", {
    header: "Caller",
    meta: { className: "w-36" },
    cell: ({ row: { original } }) => <CallerName item={original} />
  }),
  helper.accessor("status", {
    header: "Status",
    meta: { className: "w-44" },
    cell: ({ row: { original } }) => <StatusBadge status={original.status} errorKind={original.errorKind} />
  }),
  helper.accessor("cache", {
    header: "Cache",
    meta: { className: "w-28" },
    cell: ({ getValue }) => <CacheBadge cache={getValue()} />
  }),
  helper.accessor("attempts", {
    header: "Attempts",
    meta: { align: "right", className: "w-20" },
    cell: ({ getValue }) => exactCount(getValue())
  }),
  helper.accessor("promptTokens", {
    header: "Prompt",
    meta: { align: "right", className: "w-20" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor("completionTokens", {
    header: "Completion",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor("costUsd", {
    header: "Cost",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) => <Figure quantity={usd(getValue())} />
  }),
  helper.accessor("ttftMs", {
    header: "First token",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  }),
  helper.accessor("latencyMs", {
    header: "Latency",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  })
])

/** Requests, newest first; a row opens the request. */
export function RequestTable({ rows, openId, onOpen }: RequestTableProps) {
  return (
    <DataTable
      label="Requests"
      rows={rows}
      columns={columns}
      rowId={(row) => row.id}
      onOpen={(row) => onOpen(row.id)}
      openId={openId}
      minWidth="min-w-[80rem]"
      height="max-h-[calc(100dvh-17rem)] min-h-64"
    />
  )
}

/** The model that answered, and what was asked for where that differs. */
function ModelName({ item }: { readonly item: RequestItem }) {
  const answered = item.model === null ? null : item.provider === null ? item.model : `${item.provider}/${item.model}`
  const asked = item.modelRequested
  return (
    <span title={answered ?? asked ?? undefined}>
      {answered ?? <span className="text-muted">{asked ?? "–"}</span>}
      {answered !== null && asked !== null && asked !== answered && asked !== item.model ? (
        <span className="ml-1.5 text-xs text-muted">as {asked}</span>
      ) : null}
    </span>
  )
}

/** The key by its name, with its tenant; where no key came with the request, the tenant alone. */
function CallerName({ item: { keyId, tenant } }: { readonly item: RequestItem }) {
  const names = useKeyNames({ enabled: keyId !== null })
  if (keyId === null) return <span className="text-muted">{tenant}</span>
  const name = names.get(keyId) ?? keyId
  return (
    <span title={`${name} (${keyId}), tenant ${tenant}`}>
      {name} <span className="text-xs text-muted">{tenant}</span>
    </span>
  )
}
