"use client"

import { keepPreviousData, useInfiniteQuery, useQuery, type InfiniteData } from "@tanstack/react-query"
import type { KeyPage, VirtualKeyDetail } from "millrace/admin-api"
import { failureOf, getJson } from "@/lib/api"

const pageSize = 100
const refreshMs = 10_000
const namesMax = 500

/** Query fields of `GET keys`. */
export type KeyFilters = Readonly<Record<string, string>>

/** Keys, the newest first, page by page; while only the first page is shown it is read again by itself. */
export const useKeys = (filters: KeyFilters) =>
  useInfiniteQuery({
    queryKey: ["keys", filters],
    placeholderData: keepPreviousData,
    initialPageParam: null as string | null,
    getNextPageParam: (page: KeyPage) => page.nextCursor,
    select: joined,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 1) === 1 ? refreshMs : false),
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ ...filters, limit: String(pageSize) })
      if (pageParam !== null) query.set("cursor", pageParam)
      return getJson<KeyPage>(`/api/keys?${query}`, signal)
    }
  })

const joined = ({ pages }: InfiniteData<KeyPage, string | null>) => ({
  items: pages.flatMap((page) => page.items),
  total: pages[0]?.total ?? 0
})

/** One key with what is left of its limits. */
export const useKey = (id: string | null) =>
  useQuery<VirtualKeyDetail>({
    queryKey: ["key", id],
    enabled: id !== null,
    refetchInterval: (query) =>
      query.state.error !== null && failureOf(query.state.error).kind === "not-found" ? false : 2000,
    queryFn: ({ signal }) => getJson<VirtualKeyDetail>(`/api/keys/${encodeURIComponent(id!)}`, signal)
  })

/** The names of the newest 500 keys by id; who is not among them is called by the id. */
export const useKeyNames = ({ enabled = true }: { readonly enabled?: boolean } = {}): ReadonlyMap<string, string> =>
  useQuery({ ...namesQuery, enabled }).data ?? noNames

const noNames: ReadonlyMap<string, string> = new Map()

const namesQuery = {
  queryKey: ["keys", "names"],
  staleTime: 30_000,
  select: ({ items }: KeyPage): ReadonlyMap<string, string> => new Map(items.map(({ id, name }) => [id, name])),
  queryFn: ({ signal }: { readonly signal: AbortSignal }) => getJson<KeyPage>(`/api/keys?limit=${namesMax}`, signal)
}
