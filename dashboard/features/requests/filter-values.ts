/** What requests are narrowed by: the filters, and the values of those that have a few. */

export const requestStatuses = ["success", "error", "cancelled"] as const
export const cacheKinds = ["hit", "semantic", "coalesced", "miss", "bypass"] as const

/** What requests, and sums of them, are narrowed by, in the order of the row. */
export const filterNames = ["status", "cache", "provider", "model", "tenant", "key"] as const

export type FilterName = (typeof filterNames)[number]

export type FilterValues = Readonly<Partial<Record<FilterName, string | null>>>

/** The filters that are set, by the names of the admin API. */
export const filtersOf = (values: Readonly<Record<string, string | null>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
