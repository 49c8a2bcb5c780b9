"use client"

import { keepPreviousData, useInfiniteQuery, useQuery, type InfiniteData } from "@tanstack/react-query"
import type { RequestDetail, RequestItem, RequestPage } from "millrace/admin-api"
import { useLivePart, useLiveStatus } from "@/features/live/provider"
import { windowOf, type Range } from "@/features/usage/range"
import type { UsageFilters } from "@/features/usage/use-usage"
import { failureOf, getJson } from "@/lib/api"

const pageSize = 100
/** Whoever wants older ones wants many. */
const olderPageSize = 500
const refreshMs = 3000

/** Requests of a range, newest first, page by page; while only the first page is shown it is read again by itself. */
export const useRequests = (range: Range, filters: UsageFilters) => {
  const live = useLiveStatus()
  const known = useLivePart(({ status }) => status !== null)
  return useInfiniteQuery({
    queryKey: ["requests", range, filters],
    enabled: range !== "start" || known,
    placeholderData: keepPreviousData,
    initialPageParam: null as string | null,
    getNextPageParam: (page: RequestPage) => page.nextCursor,
    select: rowsOf,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 1) === 1 ? refreshMs : false),
    queryFn: ({ pageParam, signal }) => {
      const { fromMs, toMs } = windowOf(range, Date.now(), live.uptimeMs())
      const query = new URLSearchParams({
        ...filters,
        limit: String(pageParam === null ? pageSize : olderPageSize),
        from: String(fromMs)
      })
      if (toMs !== null) query.set("to", String(toMs))
      if (pageParam !== null) query.set("cursor", pageParam)
      return getJson<RequestPage>(`/api/requests?${query}`, signal)
    }
  })
}

const rowsOf = ({ pages }: InfiniteData<RequestPage, string | null>): ReadonlyArray<RequestItem> =>
  pages.flatMap((page) => page.items)

/** Rows are written a moment after the answer ends, so a request that has just ended is asked for a few times. */
const notYetRetries = 12
const notYetDelayMs = 300

/** One request with its attempts and its price. */
export const useRequest = (id: string | null) =>
  useQuery({
    queryKey: ["request", id],
    enabled: id !== null,
    staleTime: Infinity,
    retry: (count, error) => failureOf(error).kind === "not-found" && count < notYetRetries,
    retryDelay: notYetDelayMs,
    queryFn: ({ signal }) => getJson<RequestDetail>(`/api/requests/${encodeURIComponent(id!)}`, signal)
  })
