"use client"

import { useQuery } from "@tanstack/react-query"
import type { CacheEntries, CacheLookup, RequestPage } from "millrace/admin-api"
import { failureOf, getJson } from "@/lib/api"

/** How a request was looked up in the cache, with the earlier requests that are nearest to it. */
export const useLookup = (id: string, enabled: boolean) =>
  useQuery({
    queryKey: ["cache-lookup", id],
    enabled,
    staleTime: Infinity,
    retry: (count, error) => failureOf(error).kind !== "not-found" && count < 2,
    queryFn: ({ signal }) => getJson<CacheLookup>(`/api/cache/lookups/${encodeURIComponent(id)}`, signal)
  })

const choicesMax = 50

export interface Choice {
  readonly value: string
  readonly label: string
}

/** What a request can be compared with: the newest requests, and the entries of the cache that were used last. */
export const useChoices = (enabled: boolean): ReadonlyArray<Choice> =>
  useQuery({
    queryKey: ["cache-choices"],
    enabled,
    staleTime: 10_000,
    queryFn: async ({ signal }) => {
      const [requests, entries] = await Promise.all([
        getJson<RequestPage>(`/api/requests?limit=${choicesMax}&from=0`, signal),
        getJson<CacheEntries>(`/api/cache/entries?limit=${choicesMax}`, signal)
      ])
      return [
        ...requests.items
          .filter(({ cache }) => cache !== "bypass")
          .map(({ cache, id, model, time }) => ({ value: id, label: `request of ${time}: ${model ?? "–"}, ${cache}` })),
        ...entries.items.map(({ key, model, tenant }) => ({ value: key, label: `entry: ${model}, ${tenant}` }))
      ]
    }
  }).data ?? noChoices

const noChoices: ReadonlyArray<Choice> = []
