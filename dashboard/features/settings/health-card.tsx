"use client"

import { useQuery } from "@tanstack/react-query"
import { createColumnHelper } from "@tanstack/react-table"
import { Age } from "@/components/age"
import { DataTable, type features } from "@/components/data-table"
import { ErrorState } from "@/components/states"
import { Badge } from "@/components/ui/badge"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { useLive } from "@/features/live/provider"
import { failureOf, getJson } from "@/lib/api"
import { duration, text } from "@/lib/format"
import { dependenciesOf, type Dependency } from "./dependencies"
import type { Health } from "./health"

const refreshMs = 3000
const helper = createColumnHelper<typeof features, Dependency>()

const columns = helper.columns([
  helper.accessor("name", { header: "What", meta: { className: "w-56" } }),
  helper.accessor("kind", { header: "Kind", meta: { className: "w-32" } }),
  helper.accessor("state", {
    header: "State",
    meta: { className: "w-44" },
    cell: ({ row: { original } }) => <Badge tone={original.tone}>{original.state}</Badge>
  }),
  helper.accessor("note", {
    header: "Note",
    cell: ({ getValue }) => <span title={getValue()}>{getValue()}</span>
  })
])

/** Whether the gateway is ready, and how everything is that it depends on. */
export function HealthCard({ gateway }: { readonly gateway: string }) {
  const { status } = useLive()
  const health = useQuery({
    queryKey: ["health"],
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => getJson<Health>("/api/health", signal)
  })
  return (
    <Card aria-labelledby="health" className="overflow-hidden">
      <CardHeader id="health" title="Health" note={<Age atMs={health.dataUpdatedAt} />}>
        {health.data === undefined ? null : (
          <Badge tone={health.data.status === "ready" ? "good" : "bad"} data-health={health.data.status}>
            {health.data.status === "ready" ? "Ready for calls" : "Not ready for calls"}
          </Badge>
        )}
      </CardHeader>
      {health.data === undefined && health.isError ? (
        <ErrorState
          what="The gateway’s health"
          failure={failureOf(health.error)}
          retrying={health.isFetching}
          onRetry={() => health.refetch()}
        />
      ) : (
        <div className="px-5 pb-4 text-[13px]">
          {status === null ? (
            <Skeleton className="h-10" />
          ) : (
            <dl className="grid grid-cols-[7rem_1fr] gap-x-4 gap-y-1">
              <dt className="text-muted">Version</dt>
              <dd data-version>{status.version}</dd>
              <dt className="text-muted">Running for</dt>
              <dd>{text(duration(status.uptimeSeconds * 1000))}</dd>
              <dt className="text-muted">Address</dt>
              <dd className="truncate font-mono text-xs leading-5">{gateway}</dd>
            </dl>
          )}
          {health.data === undefined || health.data.reasons.length === 0 ? null : (
            <ul className="mt-3 space-y-1 text-warn-text">
              {health.data.reasons.map((reason) => (
                <li key={reason}>{reason}</li>
              ))}
            </ul>
          )}
        </div>
      )}
      {status === null ? null : (
        <DataTable
          label="What the gateway depends on"
          rows={dependenciesOf(status, health.data)}
          columns={columns}
          rowId={({ name }) => name}
          minWidth="min-w-2xl"
        />
      )}
    </Card>
  )
}
