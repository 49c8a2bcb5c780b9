"use client"

import { keepPreviousData, useInfiniteQuery, useQuery, type InfiniteData } from "@tanstack/react-query"
import type { CacheEntries, CacheEntry, SemanticStatus } from "millrace/admin-api"
import { getJson } from "@/lib/api"

const pageSize = 100
const refreshMs = 5000

export const entrySorts = ["recent", "hits", "saved", "size"] as const

export type EntrySort = (typeof entrySorts)[number]

/** Fields that choose entries, by the names of the admin API. */
export type EntryFilters = Readonly<Partial<Record<"provider" | "model" | "tenant" | "namespace", string>>>

/** Entries page by page; while only the first page is shown it is read again by itself. */
export const useCacheEntries = (sort: EntrySort, filters: EntryFilters) =>
  useInfiniteQuery({
    queryKey: ["cache-entries", sort, filters],
    placeholderData: keepPreviousData,
    initialPageParam: null as string | null,
    getNextPageParam: (page: CacheEntries) => page.nextCursor,
    select: entriesOf,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 1) === 1 ? refreshMs : false),
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ ...filters, sort, limit: String(pageSize) })
      if (pageParam !== null) query.set("cursor", pageParam)
      return getJson<CacheEntries>(`/api/cache/entries?${query}`, signal)
    }
  })

interface ShownEntries {
  readonly items: ReadonlyArray<CacheEntry>
  readonly total: number
}

/** Entries move while they are used, so one can come on two pages; it is shown once. */
const entriesOf = ({ pages }: InfiniteData<CacheEntries, string | null>): ShownEntries => ({
  items: [...new Map(pages.flatMap((page) => page.items.map((item) => [item.key, item] as const))).values()],
  total: pages.at(-1)?.total ?? 0
})

/** The semantic cache, read again while the page is open. */
export const useSemantic = () =>
  useQuery({
    queryKey: ["cache-semantic"],
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => getJson<SemanticStatus>("/api/cache/semantic", signal)
  })
