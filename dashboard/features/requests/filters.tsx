"use client"

import { X } from "lucide-react"
import type { UsageSeries } from "millrace/admin-api"
import { useState } from "react"
import { Button } from "@/components/ui/button"
import { Input } from "@/components/ui/input"
import { Select } from "@/components/ui/select"
import { useKeyNames } from "@/features/keys/use-keys"
import { useLive } from "@/features/live/provider"
import type { Range } from "@/features/usage/range"
import { useUsage } from "@/features/usage/use-usage"

interface FilterProps<Value extends string> {
  readonly label: string
  readonly value: Value | null
  readonly options: ReadonlyArray<{ readonly value: Value; readonly label: string }>
  readonly onChange: (value: Value | null) => void
}

/** A choice of one value, or of any. */
export function Filter<Value extends string>({ label, value, options, onChange }: FilterProps<Value>) {
  return (
    <Select
      aria-label={label}
      value={value ?? ""}
      onChange={(event) => onChange(event.target.value === "" ? null : (event.target.value as Value))}
      compact
    >
      <option value="">Any {label.toLowerCase()}</option>
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </Select>
  )
}

interface ProviderFilterProps {
  readonly value: string | null
  readonly onChange: (value: string | null) => void
}

/** A choice among the providers that the gateway has now. */
export function ProviderFilter({ value, onChange }: ProviderFilterProps) {
  const { status } = useLive()
  const names = new Set([...(status?.providers ?? []).map(({ name }) => name), ...(value === null ? [] : [value])])
  const options = Array.from(names, (name) => ({ value: name, label: name }))
  return <Filter label="Provider" value={value} options={options} onChange={onChange} />
}

interface UsedFilterProps {
  readonly label: string
  /** The field of the admin API, and what the values are read by. */
  readonly field: "model" | "tenant" | "key"
  readonly range: Range
  readonly value: string | null
  readonly onChange: (value: string | null) => void
}

/** A choice among the values that requests of the range have, the most used first; they are read when it is first used. */
export function UsedFilter({ label, field, range, value, onChange }: UsedFilterProps) {
  const [wanted, setWanted] = useState(false)
  const keyNames = useKeyNames({ enabled: field === "key" && (wanted || value !== null) })
  const usage = useUsage(range, { groupBy: field, sumsOnly: true, enabled: wanted })
  const names = new Set([
    ...(usage.data === undefined ? [] : namesOf(usage.data.report.series)),
    ...(value === null ? [] : [value])
  ])
  const want = () => setWanted(true)
  return (
    <span onPointerEnter={want} onFocus={want} className="min-w-0 max-w-48">
      <Filter
        label={label}
        value={value}
        options={Array.from(names, (name) => ({ value: name, label: keyNames.get(name) ?? name }))}
        onChange={onChange}
      />
    </span>
  )
}

const namesOf = (series: UsageSeries): ReadonlyArray<string> => {
  const requests = new Map<string, number>()
  for (const { group, requests: more } of series) {
    if (group !== null) requests.set(group, (requests.get(group) ?? 0) + more)
  }
  return [...requests].sort(([, a], [, b]) => b - a).map(([name]) => name)
}

interface SearchFilterProps {
  readonly value: string | null
  readonly onChange: (value: string | null) => void
}

/** Looks for requests whose id begins with a text; takes effect on Enter and when the field is left. */
export function SearchFilter({ value, onChange }: SearchFilterProps) {
  const take = (text: string) => {
    const next = text.trim() === "" ? null : text.trim()
    if (next !== value) onChange(next)
  }
  return (
    <Input
      key={value}
      type="search"
      aria-label="Beginning of the id"
      placeholder="Id begins with …"
      defaultValue={value ?? ""}
      className="h-8! w-44!"
      onBlur={(event) => take(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") take(event.currentTarget.value)
      }}
    />
  )
}

interface LinkedFilterProps {
  readonly label: string
  readonly value: string | null
  readonly onClear: () => void
}

/** A filter that came with a link: shown while it is set, and taken away by its button. */
export function LinkedFilter({ label, value, onClear }: LinkedFilterProps) {
  if (value === null) return null
  return (
    <span
      data-filter={label}
      className="inline-flex h-8 max-w-full items-center gap-1.5 rounded-md border bg-subtle pl-2.5 text-xs"
    >
      <span className="text-muted">{label}</span>
      <span className="min-w-0 truncate font-medium">{value}</span>
      <Button
        variant="ghost"
        size="icon"
        className="size-7"
        aria-label={`Clear ${label.toLowerCase()}`}
        onClick={onClear}
      >
        <X className="size-3.5!" />
      </Button>
    </span>
  )
}

export function ClearFilters({ onClear }: { readonly onClear: () => void }) {
  return (
    <Button variant="ghost" size="sm" onClick={onClear}>
      <X />
      Clear
    </Button>
  )
}
