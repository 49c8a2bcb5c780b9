"use client"

import type { ReactNode } from "react"
import type { Range } from "@/features/usage/range"
import { cacheLabels } from "./badges"
import { cacheKinds, filterNames, requestStatuses, type FilterName, type FilterValues } from "./filter-values"
import { ClearFilters, Filter, ProviderFilter, UsedFilter } from "./filters"

export {
  cacheKinds,
  filterNames,
  filtersOf,
  requestStatuses,
  type FilterName,
  type FilterValues
} from "./filter-values"

const statusLabels = { success: "Success", error: "Failed", cancelled: "Cancelled" }
const statusOptions = requestStatuses.map((value) => ({ value, label: statusLabels[value] }))
const cacheOptions = cacheKinds.map((value) => ({ value, label: cacheLabels[value] }))

interface FilterRowProps<Values extends FilterValues> {
  /** The filters that the page has, each with its value. */
  readonly values: Values
  /** The time whose models, tenants and keys can be chosen. */
  readonly range: Range
  readonly onChange: (changes: { readonly [Name in keyof Values]?: Values[Name] }) => void
  /** Whether anything is to be cleared; that one of the values is set, unless given. */
  readonly filtered?: boolean
  readonly onClear: () => void
  /** Before the filters. */
  readonly lead?: ReactNode
  /** Filters that only this page has. */
  readonly children?: ReactNode
  /** At the end of the row. */
  readonly actions?: ReactNode
}

/** The row of filters of every page about requests. */
export function FilterRow<Values extends FilterValues>({
  values,
  range,
  onChange,
  filtered = Object.values(values).some((value) => value !== null),
  onClear,
  lead,
  children,
  actions
}: FilterRowProps<Values>) {
  const change = (name: FilterName, value: string | null) => onChange({ [name]: value } as Partial<Values>)
  return (
    <div role="group" aria-label="Filters" className="flex flex-wrap items-center gap-2 px-5 py-3">
      {lead}
      {filterNames.map((name) => {
        const value = values[name]
        if (value === undefined) return null
        switch (name) {
          case "status":
            return (
              <Filter
                key={name}
                label="Status"
                value={value}
                options={statusOptions}
                onChange={(next) => change(name, next)}
              />
            )
          case "cache":
            return (
              <Filter
                key={name}
                label="Cache"
                value={value}
                options={cacheOptions}
                onChange={(next) => change(name, next)}
              />
            )
          case "provider":
            return <ProviderFilter key={name} value={value} onChange={(next) => change(name, next)} />
          default:
            return (
              <UsedFilter
                key={name}
                label={usedLabels[name]}
                field={name}
                range={range}
                value={value}
                onChange={(next) => change(name, next)}
              />
            )
        }
      })}
      {children}
      {filtered ? <ClearFilters onClear={onClear} /> : null}
      {actions === undefined ? null : <span className="flex gap-2 sm:ml-auto">{actions}</span>}
    </div>
  )
}

const usedLabels = { model: "Model", tenant: "Tenant", key: "Key" } as const
