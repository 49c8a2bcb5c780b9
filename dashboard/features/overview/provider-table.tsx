"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { ServerOff } from "lucide-react"
import type { BreakerState, Limit, ProviderStatus, Status } from "millrace/admin-api"
import { DataTable, features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { Meter } from "@/components/meter"
import { EmptyState } from "@/components/states"
import { Badge, type Tone } from "@/components/ui/badge"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { count, ratio, roughCount, share, text } from "@/lib/format"
import { RetryNote } from "./retry-note"

interface ProviderRow extends ProviderStatus {
  readonly requests: number | null
  readonly errors: number | null
}

interface ProviderTableProps {
  readonly status: Status | null
  readonly byProvider: UsageAnswer | undefined
}

const breakers: Record<BreakerState, { readonly tone: Tone; readonly label: string; readonly dot: string }> = {
  closed: { tone: "good", label: "Closed", dot: "bg-good" },
  "half-open": { tone: "warn", label: "Half open", dot: "bg-warn" },
  open: { tone: "bad", label: "Open", dot: "bg-bad" }
}

const helper = createColumnHelper<typeof features, ProviderRow>()

const columns = helper.columns([
  helper.accessor("name", {
    header: "Provider",
    meta: { className: "w-[17%]" },
    cell: ({ row: { original } }) => (
      <div className="py-2 leading-4.5">
        <p className="truncate font-medium">{original.name}</p>
        <p className="truncate text-xs text-muted">
          {original.kind === original.name ? null : `${original.kind} · `}
          {original.model ?? "any model"}
        </p>
      </div>
    )
  }),
  helper.accessor("breaker", {
    header: "Breaker",
    meta: { className: "w-[11%]" },
    cell: ({ getValue }) => {
      const { tone, label, dot } = breakers[getValue()]
      return (
        <Badge tone={tone}>
          <span aria-hidden className={`size-1.5 rounded-full ${dot}`} />
          {label}
        </Badge>
      )
    }
  }),
  helper.accessor("requests", {
    header: "Requests",
    meta: { align: "right", className: "w-[8%]" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor((row) => ratio(row.errors, row.requests), {
    id: "errors",
    header: "Failed",
    meta: { align: "right", className: "w-[8%]" },
    cell: ({ getValue }) => <Figure quantity={share(getValue())} />
  }),
  helper.accessor("active", {
    header: "Active",
    meta: { align: "right", className: "w-[7%]" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor("queued", {
    header: "Waiting",
    meta: { align: "right", className: "w-[7%]" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor("limits.requestsPerMinute", {
    header: "Requests per minute",
    meta: { className: "pl-8" },
    cell: ({ getValue, row }) => <LimitFill name={`${row.original.name}, requests per minute`} limit={getValue()} />
  }),
  helper.accessor("limits.tokensPerMinute", {
    header: "Tokens per minute",
    cell: ({ getValue, row }) => <LimitFill name={`${row.original.name}, tokens per minute`} limit={getValue()} />
  }),
  helper.accessor("limits.concurrent", {
    header: "Concurrent",
    cell: ({ getValue, row }) => <LimitFill name={`${row.original.name}, concurrent calls`} limit={getValue()} />
  })
])

/** Every provider as it is now: breaker, calls, and how full its limits are. */
export function ProviderTable({ status, byProvider }: ProviderTableProps) {
  const rows = status?.providers.map((provider) => withUsage(provider, byProvider))
  return (
    <Card aria-labelledby="providers">
      <CardHeader id="providers" title="Providers">
        <RetryNote />
      </CardHeader>
      {rows === undefined ? (
        <div className="space-y-3 px-5 pb-5">
          <Skeleton className="h-9" />
          <Skeleton className="h-9" />
        </div>
      ) : rows.length === 0 ? (
        <EmptyState icon={ServerOff} title="No provider is configured">
          <p>Add one under “providers” in the config file, then start the gateway again.</p>
        </EmptyState>
      ) : (
        <DataTable
          label="Providers"
          rows={rows}
          columns={columns}
          rowId={(row) => row.name}
          minWidth="min-w-[72rem]"
        />
      )}
    </Card>
  )
}

const withUsage = (provider: ProviderStatus, usage: UsageAnswer | undefined): ProviderRow => {
  if (usage === undefined) return { ...provider, requests: null, errors: null }
  const points = usage.report.series.filter((point) => point.group === provider.name)
  return {
    ...provider,
    requests: points.reduce((sum, point) => sum + point.requests, 0),
    errors: points.reduce((sum, point) => sum + point.errors, 0)
  }
}

/** What is free of a limit; the learned limit counts where it is the lower one. */
function LimitFill({ name, limit }: { readonly name: string; readonly limit: Limit }) {
  const bound = limit.learned === null ? limit.configured : Math.min(limit.learned, limit.configured ?? limit.learned)
  if (bound === null) return <span className="text-xs text-muted">No limit</span>
  const available = limit.available ?? bound
  const learned = limit.learned !== null && limit.learned !== limit.configured
  const free = `${text(roughCount(available))} of ${text(roughCount(bound))} free${learned ? ", learned" : ""}`
  return (
    <div className="space-y-1.5 py-2">
      <Meter label={`${name}: ${free}`} share={bound === 0 ? 1 : 1 - available / bound} />
      <p className="truncate text-xs leading-4 text-muted tabular-nums">{free}</p>
    </div>
  )
}
