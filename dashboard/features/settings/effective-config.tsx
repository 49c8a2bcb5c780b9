"use client"

import { useQuery } from "@tanstack/react-query"
import { createColumnHelper } from "@tanstack/react-table"
import { SearchX } from "lucide-react"
import type { ConfigSources, ConfigValueSource, RedactedConfig } from "millrace/admin-api"
import { useMemo } from "react"
import { Answer } from "@/components/answer"
import { CsvButton } from "@/components/csv-button"
import { DataTable, type features } from "@/components/data-table"
import { EmptyState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { Input } from "@/components/ui/input"
import { Skeleton } from "@/components/ui/skeleton"
import { Filter } from "@/features/requests/filters"
import { getJson } from "@/lib/api"
import type { CsvColumn } from "@/lib/csv"
import { searchSettings, settingsOf, type Setting } from "./flatten"

/** A setting with where it came from; undefined where that is not told. */
interface SourcedSetting extends Setting {
  readonly origin: ConfigValueSource | undefined
}

const helper = createColumnHelper<typeof features, SourcedSetting>()

const columns = helper.columns([
  helper.accessor("path", {
    header: "Setting",
    meta: { className: "w-5/12" },
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
  }),
  helper.accessor("origin", {
    id: "source",
    header: "Comes from",
    meta: { className: "w-3/12" },
    cell: ({ getValue }) => <Origin origin={getValue()} />
  })
])

const csv: ReadonlyArray<CsvColumn<SourcedSetting>> = [
  { header: "setting", value: ({ path }) => path },
  { header: "value", value: ({ value, unset }) => (unset ? null : value) },
  { header: "source", value: ({ origin }) => origin?.source ?? null },
  { header: "detail", value: ({ origin }) => origin?.detail ?? null },
  { header: "generation", value: ({ origin }) => origin?.generation ?? null }
]

const refreshMs = 10_000

export const settingSources = ["default", "file", "environment", "flag", "reload"] as const

export type SettingSource = (typeof settingSources)[number]

const sourceLabels: Record<SettingSource, string> = {
  default: "Default",
  file: "File",
  environment: "Environment",
  flag: "Flag",
  reload: "A reload"
}
const sourceOptions = settingSources.map((value) => ({ value, label: sourceLabels[value] }))

const isFrom = (origin: ConfigValueSource | undefined, source: SettingSource): boolean =>
  source === "reload" ? (origin?.generation ?? 1) > 1 : origin?.source === source

/** Default, file, variable or flag, and whether a reload brought it. */
function Origin({ origin }: { readonly origin: ConfigValueSource | undefined }) {
  if (origin === undefined) return <span className="text-muted">–</span>
  const { source, detail, generation } = origin
  return (
    <span data-source={source} className={source === "default" ? "text-muted" : ""}>
      {sourceLabels[source]}
      {detail === null ? null : <code className="ml-1.5 font-mono text-xs">{detail}</code>}
      {generation > 1 ? <span className="text-muted">, by reload {generation - 1}</span> : null}
    </span>
  )
}

interface EffectiveConfigProps {
  readonly search: string | null
  readonly source: SettingSource | null
  readonly onChange: (changes: { readonly search?: string | null; readonly source?: SettingSource | null }) => void
}

/** Every setting that is in force, secrets left out, and where it came from. */
export function EffectiveConfig({ search, source, onChange }: EffectiveConfigProps) {
  const config = useQuery({
    queryKey: ["config"],
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => getJson<RedactedConfig>("/api/config", signal)
  })
  const sources = useQuery({
    queryKey: ["config", "sources"],
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => getJson<ConfigSources>("/api/config/sources", signal)
  })
  const all = useMemo(() => {
    const origins = new Map(sources.data?.values.map((value) => [value.path, value]))
    return config.data === undefined
      ? []
      : settingsOf(config.data).map((setting): SourcedSetting => ({ ...setting, origin: origins.get(setting.path) }))
  }, [config.data, sources.data])
  const shown = useMemo(
    () => searchSettings(all, search ?? "").filter(({ origin }) => source === null || isFrom(origin, source)),
    [all, search, source]
  )
  return (
    <Card aria-labelledby="effective" className="overflow-hidden">
      <CardHeader
        id="effective"
        title="Configuration in force"
        note={
          config.data === undefined ? null : (
            <>
              {shown.length} of {all.length} settings, secrets left out
              {sources.data === undefined
                ? null
                : ` · ${sources.data.file ?? "no file"}, generation ${sources.data.generation}`}
            </>
          )
        }
      >
        <Filter label="Source" value={source} options={sourceOptions} onChange={(next) => onChange({ source: next })} />
        <Input
          type="search"
          aria-label="Search the settings"
          placeholder="Search"
          value={search ?? ""}
          onChange={(event) => onChange({ search: event.target.value === "" ? null : event.target.value })}
          className="h-8! w-52!"
        />
        <CsvButton name="millrace-config" columns={csv} rows={shown} />
      </CardHeader>
      <Answer query={config} what="The configuration" skeleton={<Skeleton className="mx-5 mb-5 h-64" />}>
        {() =>
          shown.length === 0 ? (
            <EmptyState icon={SearchX} title="No setting fits">
              <Button size="sm" onClick={() => onChange({ search: null, source: null })}>
                Show all
              </Button>
            </EmptyState>
          ) : (
            <DataTable
              label="Configuration in force"
              rows={shown}
              columns={columns}
              rowId={({ path }) => path}
              minWidth="min-w-2xl"
              height="max-h-128"
            />
          )
        }
      </Answer>
    </Card>
  )
}
