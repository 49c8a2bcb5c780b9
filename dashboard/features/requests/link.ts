/** Addresses of the list of requests, for figures that lead to the requests behind them. */
import type { GroupBy } from "millrace/admin-api"
import type { Range } from "@/features/usage/range"

export interface RequestLink {
  readonly range?: Range | undefined
  readonly provider?: string | undefined
  readonly model?: string | undefined
  readonly tenant?: string | undefined
  readonly status?: "success" | "error" | "cancelled" | undefined
  readonly key?: string | undefined
  readonly fingerprint?: string | undefined
  readonly errorKind?: string | undefined
  readonly cache?: "hit" | "semantic" | "coalesced" | "miss" | "bypass" | undefined
  /** The request that is opened beside the list. */
  readonly id?: string | undefined
}

/** The page of requests, narrowed by what is given. */
export const requestsHref = (link: RequestLink): string => {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(link)) if (value !== undefined) query.set(name, value)
  return query.size === 0 ? "/requests" : `/requests?${query}`
}

/** The requests behind a figure: those of a range that fit the filters, and of one group where one is given. */
export const requestsOf = (
  range: Range,
  filters: Readonly<Record<string, string>>,
  group?: { readonly by: GroupBy; readonly name: string }
): string => {
  const query = new URLSearchParams({ ...filters, range })
  if (group !== undefined) query.set(group.by, group.name)
  return `/requests?${query}`
}
