"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { BudgetStatus, VirtualKey } from "millrace/admin-api"
import { DataTable, type features } from "@/components/data-table"
import { Badge, type Tone } from "@/components/ui/badge"
import { settingText } from "@/features/budgets/budget"
import { BudgetMeter } from "@/features/budgets/budget-meter"
import { roughCount, text } from "@/lib/format"
import { formatAge, formatDay, formatFull } from "@/lib/time"
import { useNow } from "@/lib/use-now"

/** A key with its fullest budget, as far as that is known. */
export interface KeyRow {
  readonly record: VirtualKey
  readonly account: BudgetStatus | undefined
}

interface KeyTableProps {
  readonly rows: ReadonlyArray<KeyRow>
  readonly openId: string | null
  readonly onOpen: (id: string) => void
}

const tones: Record<VirtualKey["status"], Tone> = { active: "good", disabled: "neutral", expired: "warn" }
const states: Record<VirtualKey["status"], string> = { active: "Active", disabled: "Disabled", expired: "Expired" }

export function KeyState({ status }: Pick<VirtualKey, "status">) {
  return <Badge tone={tones[status]}>{states[status]}</Badge>
}

const helper = createColumnHelper<typeof features, KeyRow>()

const columns = helper.columns([
  helper.accessor("record.name", {
    id: "name",
    header: "Name",
    meta: { className: "w-52" },
    cell: ({ row: { original } }) => (
      <>
        <button type="button" className="max-w-full truncate rounded-sm align-bottom font-medium hover:underline">
          {original.record.name}
        </button>
        <span className="ml-2 font-mono text-xs text-muted">…{original.record.last4}</span>
      </>
    )
  }),
  helper.accessor("record.status", {
    id: "status",
    header: "State",
    meta: { className: "w-26" },
    cell: ({ getValue }) => <KeyState status={getValue()} />
  }),
  helper.accessor("record.tenant", { id: "tenant", header: "Tenant", meta: { className: "w-32" } }),
  helper.accessor("record.models", {
    id: "models",
    header: "Models",
    cell: ({ row: { original } }) => <Allowed {...original.record} />
  }),
  helper.accessor("record.rateLimits", {
    id: "limits",
    header: "Limits",
    meta: { className: "w-44" },
    cell: ({ getValue }) => <Limits limits={getValue()} />
  }),
  helper.accessor("record.budget", {
    id: "budget",
    header: "Budget",
    meta: { className: "w-48" },
    cell: ({ row: { original } }) => <Budget {...original} />
  }),
  helper.accessor("record.lastUsedAt", {
    id: "lastUsed",
    header: "Last used",
    meta: { className: "w-28" },
    cell: ({ getValue }) => <Age time={getValue()} never="Never" />
  }),
  helper.accessor("record.createdAt", {
    id: "created",
    header: "Created",
    meta: { className: "w-30" },
    cell: ({ getValue }) => <Day time={getValue()} never="–" />
  }),
  helper.accessor("record.expiresAt", {
    id: "expires",
    header: "Expires",
    meta: { className: "w-30" },
    cell: ({ getValue }) => <Day time={getValue()} never="Never" />
  })
])

/** Keys, the newest first; a row opens the key. */
export function KeyTable({ rows, openId, onOpen }: KeyTableProps) {
  return (
    <DataTable
      label="Keys"
      rows={rows}
      columns={columns}
      rowId={(row) => row.record.id}
      onOpen={(row) => onOpen(row.record.id)}
      openId={openId}
      minWidth="min-w-[82rem]"
      height="max-h-[calc(100dvh-17rem)] min-h-64"
    />
  )
}

function Allowed({ models, providers }: Pick<VirtualKey, "models" | "providers">) {
  const all = [
    ...(models === null ? [] : [models.join(", ")]),
    ...(providers === null ? [] : [`at ${providers.join(", ")}`])
  ].join(" ")
  return all === "" ? <span className="text-muted">Any</span> : <span title={all}>{all}</span>
}

/** Limits in one line: `60 req/min, 100k tok/min, 4 at once`. */
export const limitsText = (limits: VirtualKey["rateLimits"]): string => {
  if (limits === null) return ""
  const { requestsPerMinute, tokensPerMinute, concurrent } = limits
  return [
    ...(requestsPerMinute === undefined ? [] : [`${text(roughCount(requestsPerMinute))} req/min`]),
    ...(tokensPerMinute === undefined ? [] : [`${text(roughCount(tokensPerMinute))} tok/min`]),
    ...(concurrent === undefined ? [] : [`${text(roughCount(concurrent))} at once`])
  ].join(", ")
}

function Limits({ limits }: { readonly limits: VirtualKey["rateLimits"] }) {
  const all = limitsText(limits)
  return all === "" ? <span className="text-muted">None</span> : <span title={all}>{all}</span>
}

function Budget({ record: { name, budget }, account }: KeyRow) {
  if (account !== undefined) return <BudgetMeter account={account} label={`Budget of ${name}`} />
  if (budget === null) return <span className="text-muted">None</span>
  const all = budget.map(settingText).join(", ")
  return <span title={all}>{all}</span>
}

interface TimeProps {
  readonly time: string | null
  readonly never: string
}

function Age({ time, never }: TimeProps) {
  const now = useNow()
  if (time === null) return <span className="text-muted">{never}</span>
  const atMs = Date.parse(time)
  return <span title={formatFull(atMs)}>{now === null ? formatDay(atMs) : formatAge(now - atMs)}</span>
}

function Day({ time, never }: TimeProps) {
  if (time === null) return <span className="text-muted">{never}</span>
  return <span title={formatFull(Date.parse(time))}>{formatDay(Date.parse(time))}</span>
}
