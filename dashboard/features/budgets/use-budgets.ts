"use client"

import { keepPreviousData, useInfiniteQuery, useQuery, type InfiniteData } from "@tanstack/react-query"
import type { BudgetPage } from "millrace/admin-api"
import { getJson } from "@/lib/api"

const pageSize = 100
const refreshMs = 5000

/** Query fields of `GET budgets`. */
export type BudgetFilters = Readonly<Record<string, string>>

/** Accounts by name, page by page; while only the first page is shown it is read again by itself. */
export const useBudgets = (filters: BudgetFilters) =>
  useInfiniteQuery({
    queryKey: ["budgets", filters],
    placeholderData: keepPreviousData,
    initialPageParam: null as string | null,
    getNextPageParam: (page: BudgetPage) => page.nextCursor,
    select: joined,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 1) === 1 ? refreshMs : false),
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ ...filters, limit: String(pageSize) })
      if (pageParam !== null) query.set("cursor", pageParam)
      return getJson<BudgetPage>(`/api/budgets?${query}`, signal)
    }
  })

const joined = ({ pages }: InfiniteData<BudgetPage, string | null>) => ({
  items: pages.flatMap((page) => page.items),
  store: pages[0]?.store ?? null
})

/** The accounts of one key, or of all keys up to 500; undefined until they are read. */
export const useKeyBudgets = (keyId?: string) =>
  useQuery({
    queryKey: ["budgets", "of keys", keyId ?? null],
    refetchInterval: refreshMs,
    queryFn: async ({ signal }) => {
      const query = new URLSearchParams({ scope: "key", limit: "500", ...(keyId === undefined ? {} : { of: keyId }) })
      return (await getJson<BudgetPage>(`/api/budgets?${query}`, signal)).items
    }
  }).data
