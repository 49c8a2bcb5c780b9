"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { CircleCheck } from "lucide-react"
import Link from "next/link"
import { useMemo } from "react"
import { DataTable, type features } from "@/components/data-table"
import { EmptyState, ErrorState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { byKind, groupsMax, useErrors, type KindCount } from "@/features/errors/use-errors"
import { requestsHref } from "@/features/requests/link"
import type { Range } from "@/features/usage/range"
import { failureOf } from "@/lib/api"
import { exactCount } from "@/lib/format"
import { formatAge, formatFull } from "@/lib/time"

const helper = createColumnHelper<typeof features, KindCount>()

const faults = {
  caller: "the caller",
  policy: "a limit of ours",
  provider: "the provider",
  engine: "the gateway"
}

interface ErrorsByKindProps {
  readonly provider: string
  readonly range: Range
}

/** Requests that failed at a provider, by the kind of failure; a kind leads to its requests. */
export function ErrorsByKind({ provider, range }: ErrorsByKindProps) {
  const errors = useErrors(range, { provider })
  const columns = useMemo(
    () =>
      helper.columns([
        helper.accessor("kind", {
          header: "Error",
          cell: ({ getValue }) => (
            <Link
              href={requestsHref({ range, provider, status: "error", errorKind: getValue() })}
              className="rounded-sm underline-offset-2 hover:underline"
            >
              {getValue()}
            </Link>
          )
        }),
        helper.accessor("fault", {
          header: "Fault of",
          meta: { className: "w-32" },
          cell: ({ getValue }) => {
            const fault = getValue()
            return fault === null ? <span className="text-muted">–</span> : faults[fault]
          }
        }),
        helper.accessor("lastSeenMs", {
          header: "Last seen",
          meta: { align: "right", className: "w-28" },
          cell: ({ getValue }) => <span title={formatFull(getValue())}>{formatAge(Date.now() - getValue())}</span>
        }),
        helper.accessor("count", {
          header: "Requests",
          meta: { align: "right", className: "w-24" },
          cell: ({ getValue }) => exactCount(getValue())
        })
      ]),
    [provider, range]
  )
  const kinds = useMemo(() => byKind(errors.data?.groups ?? []), [errors.data])
  const cut = (errors.data?.groups.length ?? 0) >= groupsMax
  return (
    <Card aria-labelledby="errors-by-kind" className="overflow-hidden">
      <CardHeader
        id="errors-by-kind"
        title="Errors by kind"
        note={cut ? `of the ${groupsMax} most frequent groups` : "of requests that ended here"}
      />
      {errors.data === undefined ? (
        errors.isError ? (
          <ErrorState
            what="The list of errors"
            failure={failureOf(errors.error)}
            retrying={errors.isFetching}
            onRetry={() => errors.refetch()}
          />
        ) : (
          <Skeleton className="mx-5 mb-5 h-32" />
        )
      ) : kinds.length === 0 ? (
        <EmptyState icon={CircleCheck} title="No request failed here in this time" />
      ) : (
        <DataTable
          label={`Errors at ${provider} by kind`}
          rows={kinds}
          columns={columns}
          rowId={(row) => row.kind}
          minWidth="min-w-lg"
        />
      )}
    </Card>
  )
}
