"use client"

import { DatabaseZap, SearchX } from "lucide-react"
import { useState } from "react"
import { Answer } from "@/components/answer"
import { CsvButton } from "@/components/csv-button"
import { LoadMore } from "@/components/load-more"
import { EmptyState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { Segmented } from "@/components/ui/segmented"
import { Skeleton } from "@/components/ui/skeleton"
import { ClearFilters } from "@/features/requests/filters"
import { exactCount } from "@/lib/format"
import { EntrySheet } from "./entry-sheet"
import { entryCsv, EntryTable } from "./entry-table"
import { Purge } from "./purge"
import { TextFilter } from "./text-filter"
import { entrySorts, useCacheEntries, type EntryFilters, type EntrySort } from "./use-cache"

const sortLabels: Record<EntrySort, string> = {
  recent: "Last used",
  hits: "Hits",
  saved: "Saved",
  size: "Size"
}
const sortOptions = entrySorts.map((value) => ({ value, label: sortLabels[value] }))
const noFilters = { provider: null, model: null, tenant: null, namespace: null }

/** The part of the page's address that the list has. */
export interface EntriesState {
  readonly sort: EntrySort
  readonly provider: string | null
  readonly model: string | null
  readonly tenant: string | null
  readonly namespace: string | null
  readonly key: string | null
}

interface EntriesProps {
  readonly state: EntriesState
  readonly enabled: boolean
  readonly onChange: (changes: Partial<EntriesState>, options?: { readonly push: boolean }) => void
  readonly onCompare: (key: string) => void
}

/** Entries of the exact cache: sorted, filtered, inspected, evicted and purged. */
export function Entries({ state, enabled, onChange, onCompare }: EntriesProps) {
  const { key, model, namespace, provider, sort, tenant } = state
  const [purged, setPurged] = useState<number | null>(null)
  const filters: EntryFilters = {
    ...(provider === null ? {} : { provider }),
    ...(model === null ? {} : { model }),
    ...(tenant === null ? {} : { tenant }),
    ...(namespace === null ? {} : { namespace })
  }
  const filtered = Object.keys(filters).length > 0
  const entries = useCacheEntries(sort, filters)
  const shown = entries.data
  return (
    <Card aria-labelledby="entries" className="overflow-hidden">
      <CardHeader
        id="entries"
        title="Entries"
        note={
          shown === undefined
            ? undefined
            : shown.items.length < shown.total
              ? `top ${exactCount(shown.items.length)} of ${exactCount(shown.total)}`
              : `${exactCount(shown.total)} in all`
        }
      >
        <span role="status" className="text-xs text-muted">
          {purged === null ? null : `${exactCount(purged)} purged`}
        </span>
        <CsvButton of="the entries" name="cache-entries" columns={entryCsv} rows={shown?.items ?? []} />
        <Purge filters={filters} total={shown?.total ?? 0} onPurged={setPurged} />
      </CardHeader>
      <div role="group" aria-label="Filters" className="flex flex-wrap items-center gap-2 px-5 pb-3">
        <Segmented label="Sort by" value={sort} options={sortOptions} onChange={(next) => onChange({ sort: next })} />
        <TextFilter label="Namespace" value={namespace} onChange={(next) => onChange({ namespace: next })} />
        {namespace === null ? null : <ClearFilters onClear={() => onChange({ namespace: null })} />}
      </div>
      <Answer query={entries} what="The list of entries" skeleton={<Skeleton className="mx-5 mb-5 h-64" />}>
        {({ items }) =>
          items.length > 0 ? (
            <>
              <EntryTable rows={items} openKey={key} onOpen={(next) => onChange({ key: next }, { push: true })} />
              <LoadMore query={entries}>Load more</LoadMore>
            </>
          ) : filtered ? (
            <EmptyState icon={SearchX} title="No entry fits these filters">
              <Button size="sm" onClick={() => onChange(noFilters)}>
                Clear the filters
              </Button>
            </EmptyState>
          ) : (
            <EmptyState icon={DatabaseZap} title={enabled ? "The cache is empty" : "The cache is off"}>
              <p>
                {enabled
                  ? "Every answer that ends normally is kept here for its time to live."
                  : "Set cache.enabled in the config file to keep answers."}
              </p>
            </EmptyState>
          )
        }
      </Answer>
      <EntrySheet
        entryKey={key}
        entry={shown?.items.find((entry) => entry.key === key)}
        onClose={() => onChange({ key: null })}
        onCompare={onCompare}
      />
    </Card>
  )
}
