"use client"

import { Field } from "@/components/ui/field"
import { Select } from "@/components/ui/select"
import { failureOf } from "@/lib/api"
import type { Model, useModels } from "./use-models"

interface ModelPickerProps {
  readonly label: string
  readonly value: string
  readonly models: ReturnType<typeof useModels>
  /** What stands for no model; a model is required without it. */
  readonly none?: string
  readonly onChange: (model: string) => void
}

/** A choice among the aliases and models that may be asked for, by provider. */
export function ModelPicker({ label, value, models, none, onChange }: ModelPickerProps) {
  const offered = models.data ?? []
  const groups = groupsOf(
    value === "" || offered.some(({ id }) => id === value) ? offered : [...offered, { id: value }]
  )
  return (
    <div className="min-w-0 space-y-1.5">
      <Field label={label}>
        {(control) => (
          <Select
            {...control}
            required={none === undefined}
            value={value}
            disabled={models.data === undefined}
            onChange={(event) => onChange(event.target.value)}
          >
            {models.data === undefined ? (
              <option value="">{models.isError ? "Not available" : "Loading"}</option>
            ) : none === undefined ? null : (
              <option value="">{none}</option>
            )}
            {groups.map(([group, ids]) => (
              <optgroup key={group} label={group}>
                {ids.map((id) => (
                  <option key={id} value={id}>
                    {id}
                  </option>
                ))}
              </optgroup>
            ))}
          </Select>
        )}
      </Field>
      {models.isError && none === undefined ? (
        <p role="alert" className="text-xs text-bad-text">
          The models could not be read. {failureOf(models.error).message}{" "}
          <button type="button" className="underline" onClick={() => models.refetch()}>
            Try again
          </button>
        </p>
      ) : null}
    </div>
  )
}

/** Aliases first, then the models of each provider. */
const groupsOf = (models: ReadonlyArray<Model>): ReadonlyArray<readonly [string, ReadonlyArray<string>]> => {
  const groups = new Map<string, Array<string>>([["Aliases", []]])
  for (const { id } of models) {
    const slash = id.indexOf("/")
    const group = slash === -1 ? "Aliases" : id.slice(0, slash)
    groups.set(group, [...(groups.get(group) ?? []), id])
  }
  return [...groups].filter(([, ids]) => ids.length > 0)
}
