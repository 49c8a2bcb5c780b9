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

export function ClearFilters({ onClear }: { readonly onClear: () => void }) {
  return (
    <Button variant="ghost" size="sm" onClick={onClear}>
      <X />
      Clear
    </Button>
  )
}
