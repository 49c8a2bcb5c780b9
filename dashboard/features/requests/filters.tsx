"use client"

import { X } from "lucide-react"
import { Button } from "@/components/ui/button"
import { Select } from "@/components/ui/select"
import { useLive } from "@/features/live/provider"

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
