"use client"

import { Input } from "@/components/ui/input"

interface TextFilterProps {
  readonly label: string
  readonly value: string | null
  readonly onChange: (value: string | null) => void
}

/** An exact text to filter by, taken when the field is left or Enter is pressed. */
export function TextFilter({ label, value, onChange }: TextFilterProps) {
  const take = (field: HTMLInputElement) => {
    const next = field.value.trim() === "" ? null : field.value.trim()
    if (next !== value) onChange(next)
  }
  return (
    <Input
      key={value ?? ""}
      aria-label={label}
      placeholder={`Any ${label.toLowerCase()}`}
      defaultValue={value ?? ""}
      spellCheck={false}
      autoComplete="off"
      className="h-8! w-36!"
      onBlur={(event) => take(event.currentTarget)}
      onKeyDown={(event) => {
        if (event.key === "Enter") take(event.currentTarget)
      }}
    />
  )
}
