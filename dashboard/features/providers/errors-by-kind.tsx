"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { CircleCheck } from "lucide-react"
import Link from "next/link"
import { useMemo } from "react"
import { Answer } from "@/components/answer"
import { CsvButton } from "@/components/csv-button"
import { DataTable, type features } from "@/components/data-table"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { byKind, groupsMax, useErrors, type KindCount } from "@/features/errors/use-errors"
import { requestsOf } from "@/features/requests/link"
import type { Range } from "@/features/usage/range"
import type { UsageFilters } from "@/features/usage/use-usage"
import type { CsvColumn } from "@/lib/csv"
import { exactCount } from "@/lib/format"
import { formatAge, formatFull } from "@/lib/time"

const helper = createColumnHelper<typeof features, KindCount>()

const faults = {
  caller: "the caller",
  policy: "a limit of ours",
  provider: "the provider",
  engine: "the gateway"
}

const kindCsv: ReadonlyArray<CsvColumn<KindCount>> = [
  { header: "kind", value: ({ kind }) => kind },
  { header: "fault", value: ({ fault }) => fault },
  { header: "count", value: ({ count }) => count },
  { header: "lastSeen", value: ({ lastSeenMs }) => new Date(lastSeenMs).toISOString() }
]

interface ErrorsByKindProps {
  /** The provider, and what its requests are narrowed by. */
  readonly filters: UsageFilters
  readonly range: Range
}

/** Requests that failed at a provider, by the kind of failure; a kind leads to its requests. */
export function ErrorsByKind({ filters, range }: ErrorsByKindProps) {
  const errors = useErrors(range, filters)
  const columns = useMemo(
    () =>
      helper.columns([
        helper.accessor("kind", {
          header: "Error",
          cell: ({ getValue }) => (
            <Link
              href={requestsOf(range, { ...filters, status: "error", errorKind: getValue() })}
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
    [filters, range]
  )
  const kinds = useMemo(() => byKind(errors.data?.groups ?? []), [errors.data])
  const cut = (errors.data?.groups.length ?? 0) >= groupsMax
  return (
    <Card aria-labelledby="errors-by-kind" className="overflow-hidden">
      <CardHeader
        id="errors-by-kind"
        title="Errors by kind"
        note={cut ? `of the ${groupsMax} most frequent groups` : "of requests that ended here"}
      >
        <CsvButton of="the errors" name="errors-by-kind" columns={kindCsv} rows={kinds} />
      </CardHeader>
      <Answer query={errors} what="The list of errors" skeleton={<Skeleton className="mx-5 mb-5 h-32" />}>
        {() =>
          kinds.length === 0 ? (
            <EmptyState icon={CircleCheck} title="No request failed here in this time" />
          ) : (
            <DataTable
              label={`Errors at ${filters["provider"]} by kind`}
              rows={kinds}
              columns={columns}
              rowId={(row) => row.kind}
              minWidth="min-w-lg"
            />
          )
        }
      </Answer>
    </Card>
  )
}
