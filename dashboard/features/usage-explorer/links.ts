import type { GroupBy } from "millrace/admin-api"
import type { Range } from "@/features/usage/range"
import type { UsageFilters } from "@/features/usage/use-usage"

/** The requests behind a figure: those of a range that fit the filters, and of one group where one is given. */
export const requestsOf = (
  range: Range,
  filters: UsageFilters,
  group?: { readonly by: GroupBy; readonly name: string }
): string => {
  const query = new URLSearchParams({ ...filters, range })
  if (group !== undefined) query.set(group.by, group.name)
  return `/requests?${query}`
}
