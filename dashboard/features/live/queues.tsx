"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { Hourglass } from "lucide-react"
import type { ProviderQueue, Status } from "millrace/admin-api"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { count, duration, exactCount } from "@/lib/format"

type Group = ProviderQueue["groups"][number] & {
  readonly provider: string
  /** null where none of its calls is among the longest waits. */
  readonly longestMs: number | null
}
type Waiter = ProviderQueue["waiters"][number] & { readonly provider: string }

const priorities: Readonly<Record<number, string>> = { 3: "interactive", 7: "batch" }

const priorityText = (priority: number) =>
  priorities[priority] === undefined ? String(priority) : `${priority}, ${priorities[priority]}`

const groupHelper = createColumnHelper<typeof features, Group>()
const groupColumns = groupHelper.columns([
  groupHelper.accessor("provider", { header: "Provider" }),
  groupHelper.accessor("tenant", { header: "Tenant" }),
  groupHelper.accessor("priority", {
    header: "Priority",
    meta: { className: "w-32" },
    cell: ({ getValue }) => priorityText(getValue())
  }),
  groupHelper.accessor("waiting", {
    header: "Waiting",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  groupHelper.accessor("longestMs", {
    header: "Longest",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  })
])

const waiterHelper = createColumnHelper<typeof features, Waiter>()
const waiterColumns = waiterHelper.columns([
  waiterHelper.accessor("id", {
    header: "Request",
    cell: ({ getValue }) => (
      <span className="font-mono text-xs" title={getValue()}>
        {getValue()}
      </span>
    )
  }),
  waiterHelper.accessor((waiter) => `${waiter.provider}/${waiter.model}`, {
    id: "target",
    header: "Waits for",
    cell: ({ getValue }) => <span title={getValue()}>{getValue()}</span>
  }),
  waiterHelper.accessor("tenant", { header: "Tenant", meta: { className: "w-28" } }),
  waiterHelper.accessor("priority", {
    header: "Priority",
    meta: { className: "w-32" },
    cell: ({ getValue }) => priorityText(getValue())
  }),
  waiterHelper.accessor("waitedMs", {
    header: "Waited",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  }),
  waiterHelper.accessor("position", {
    header: "Before it",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  waiterHelper.accessor("expectedWaitMs", {
    header: "Served in",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  })
])

/** The longest wait of a group, as far as it is among the longest of the provider. */
const longestOf = (
  { priority, tenant }: ProviderQueue["groups"][number],
  queue: ProviderQueue | undefined
): number | null => {
  const waits = (queue?.waiters ?? []).flatMap((waiter) =>
    waiter.priority === priority && waiter.tenant === tenant ? waiter.waitedMs : []
  )
  return waits.length === 0 ? null : Math.max(...waits)
}

/** Who waits: the largest groups, and the longest waits with what they have before them. */
export function Queues({ status }: { readonly status: Status | null }) {
  const groups = (status?.providers ?? [])
    .flatMap(({ name, queue }) =>
      (queue?.groups ?? []).map((group): Group => ({ ...group, provider: name, longestMs: longestOf(group, queue) }))
    )
    .sort((a, b) => b.waiting - a.waiting)
  const waiters = (status?.providers ?? [])
    .flatMap(({ name, queue }) => (queue?.waiters ?? []).map((waiter) => ({ ...waiter, provider: name })))
    .sort((a, b) => b.waitedMs - a.waitedMs)
  const waiting = status?.queue.waiting ?? 0
  const grouped = groups.reduce((sum, group) => sum + group.waiting, 0)
  return (
    <div className="grid gap-6 xl:grid-cols-3">
      <Card aria-labelledby="queue-groups" className="overflow-hidden">
        <CardHeader
          id="queue-groups"
          title="Who waits"
          note={
            grouped < waiting
              ? `the largest groups, ${exactCount(grouped)} of ${exactCount(waiting)}`
              : "by tenant and priority"
          }
        />
        {status === null ? (
          <Skeleton className="mx-5 mb-5 h-32" />
        ) : groups.length === 0 ? (
          <EmptyState icon={Hourglass} title="Nobody waits">
            <p>A call waits when its provider, model or tenant has no room within its limits.</p>
          </EmptyState>
        ) : (
          <DataTable
            label="Groups that wait"
            rows={groups}
            columns={groupColumns}
            rowId={(group) => `${group.provider} ${group.tenant} ${group.priority}`}
            minWidth="min-w-md"
            height="max-h-96"
          />
        )}
      </Card>
      <Card aria-labelledby="queue-waiters" className="overflow-hidden xl:col-span-2">
        <CardHeader
          id="queue-waiters"
          title="Longest waits"
          note={waiters.length < waiting ? `top ${exactCount(waiters.length)} of ${exactCount(waiting)}` : undefined}
        />
        {status === null ? (
          <Skeleton className="mx-5 mb-5 h-32" />
        ) : waiters.length === 0 ? (
          <EmptyState icon={Hourglass} title="No call is in a queue" />
        ) : (
          <DataTable
            label="Calls that wait"
            rows={waiters}
            columns={waiterColumns}
            rowId={(waiter) => `${waiter.provider} ${waiter.id}`}
            minWidth="min-w-[56rem]"
            height="max-h-96"
          />
        )}
      </Card>
    </div>
  )
}
