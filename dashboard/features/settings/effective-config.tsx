"use client"

import { useQuery } from "@tanstack/react-query"
import { createColumnHelper } from "@tanstack/react-table"
import { SearchX } from "lucide-react"
import type { RedactedConfig } from "millrace/admin-api"
import { useMemo } from "react"
import { CsvButton } from "@/components/csv-button"
import { DataTable, type features } from "@/components/data-table"
import { EmptyState, ErrorState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Input } from "@/components/ui/input"
import { Skeleton } from "@/components/ui/skeleton"
import { failureOf, getJson } from "@/lib/api"
import type { CsvColumn } from "@/lib/csv"
import { searchSettings, settingsOf, type Setting } from "./flatten"

const helper = createColumnHelper<typeof features, Setting>()

const columns = helper.columns([
  helper.accessor("path", {
    header: "Setting",
    meta: { className: "w-1/2" },
    cell: ({ getValue }) => (
      <code className="font-mono text-xs" title={getValue()}>
        {getValue()}
      </code>
    )
  }),
  helper.accessor("value", {
    header: "Value in force",
    cell: ({ row: { original } }) =>
      original.unset ? (
        <span className="text-muted">{original.value}</span>
      ) : (
        <code className="font-mono text-xs" title={original.value}>
          {original.value}
        </code>
      )
  })
])

const csv: ReadonlyArray<CsvColumn<Setting>> = [
  { header: "setting", value: ({ path }) => path },
  { header: "value", value: ({ value, unset }) => (unset ? null : value) }
]

interface EffectiveConfigProps {
  readonly search: string | null
  readonly onSearch: (text: string | null) => void
}

/** Every setting that is in force, secrets left out, with a search. */
export function EffectiveConfig({ search, onSearch }: EffectiveConfigProps) {
  const config = useQuery({
    queryKey: ["config"],
    queryFn: ({ signal }) => getJson<RedactedConfig>("/api/config", signal)
  })
  const all = useMemo(() => (config.data === undefined ? [] : settingsOf(config.data)), [config.data])
  const shown = useMemo(() => searchSettings(all, search ?? ""), [all, search])
  return (
    <Card aria-labelledby="effective" className="overflow-hidden">
      <CardHeader
        id="effective"
        title="Configuration in force"
        note={config.data === undefined ? null : `${shown.length} of ${all.length} settings, secrets left out`}
      >
        <Input
          type="search"
          aria-label="Search the settings"
          placeholder="Search"
          value={search ?? ""}
          onChange={(event) => onSearch(event.target.value === "" ? null : event.target.value)}
          className="h-8! w-52!"
        />
        <CsvButton name="millrace-config" columns={csv} rows={shown} />
      </CardHeader>
      {config.data !== undefined ? (
        shown.length === 0 ? (
          <EmptyState icon={SearchX} title="No setting has these words" />
        ) : (
          <DataTable
            label="Configuration in force"
            rows={shown}
            columns={columns}
            rowId={({ path }) => path}
            minWidth="min-w-md"
            height="max-h-128"
          />
        )
      ) : config.isError ? (
        <ErrorState
          what="The configuration"
          failure={failureOf(config.error)}
          retrying={config.isFetching}
          onRetry={() => config.refetch()}
        />
      ) : (
        <Skeleton className="mx-5 mb-5 h-64" />
      )}
    </Card>
  )
}
