"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { CacheEntry } from "millrace/admin-api"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import type { CsvColumn } from "@/lib/csv"
import { bytes, count, duration, usd } from "@/lib/format"

const helper = createColumnHelper<typeof features, CacheEntry>()

const columns = helper.columns([
  helper.accessor("key", {
    header: "Key",
    meta: { className: "w-40" },
    cell: ({ getValue }) => (
      <button
        type="button"
        aria-label={`Open the entry ${getValue()}`}
        title={getValue()}
        className="max-w-full truncate rounded-sm font-mono text-xs hover:underline"
      >
        {getValue()}
      </button>
    )
  }),
  helper.accessor((entry) => `${entry.provider}/${entry.model}`, {
    id: "model",
    header: "Model",
    cell: ({ getValue }) => <span title={getValue()}>{getValue()}</span>
  }),
  helper.accessor("tenant", {
    header: "Shared by",
    meta: { className: "w-40" },
    cell: ({ row: { original } }) =>
      original.namespace === null ? original.tenant : <span>namespace {original.namespace}</span>
  }),
  helper.accessor("ageMs", {
    header: "Age",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  }),
  helper.accessor("ttlLeftMs", {
    header: "Fresh for",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) =>
      getValue() === 0 ? <span className="text-muted">Over</span> : <Figure quantity={duration(getValue())} />
  }),
  helper.accessor("hits", {
    header: "Hits",
    meta: { align: "right", className: "w-20" },
    cell: ({ getValue }) => <Figure quantity={count(getValue())} />
  }),
  helper.accessor("savedUsd", {
    header: "Saved",
    meta: { align: "right", className: "w-28" },
    cell: ({ getValue }) => <Figure quantity={usd(getValue())} />
  }),
  helper.accessor("bytes", {
    header: "Size",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={bytes(getValue())} />
  })
])

/** The list as a file: the figures of the admin API, and no content. */
export const entryCsv: ReadonlyArray<CsvColumn<CacheEntry>> = [
  { header: "key", value: ({ key }) => key },
  { header: "provider", value: ({ provider }) => provider },
  { header: "model", value: ({ model }) => model },
  { header: "tenant", value: ({ tenant }) => tenant },
  { header: "namespace", value: ({ namespace }) => namespace },
  { header: "storedAt", value: ({ storedAt }) => storedAt },
  { header: "ttlLeftMs", value: ({ ttlLeftMs }) => ttlLeftMs },
  { header: "hits", value: ({ hits }) => hits },
  { header: "savedUsd", value: ({ savedUsd }) => savedUsd },
  { header: "bytes", value: ({ bytes: size }) => size }
]

interface EntryTableProps {
  readonly rows: ReadonlyArray<CacheEntry>
  readonly openKey: string | null
  readonly onOpen: (key: string) => void
}

/** Entries of the exact cache; a row opens the entry. */
export function EntryTable({ rows, openKey, onOpen }: EntryTableProps) {
  return (
    <DataTable
      label="Entries of the cache"
      rows={rows}
      columns={columns}
      rowId={(entry) => entry.key}
      onOpen={(entry) => onOpen(entry.key)}
      openId={openKey}
      minWidth="min-w-[60rem]"
      height="max-h-[32rem]"
    />
  )
}
