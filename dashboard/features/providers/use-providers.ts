"use client"

import { useQuery } from "@tanstack/react-query"
import type { ProviderList } from "millrace/admin-api"
import { getJson } from "@/lib/api"

const refreshMs = 2000

/** Every provider with its circuits, read again while the page is open. */
export const useProviders = ({ enabled = true }: { readonly enabled?: boolean } = {}) =>
  useQuery({
    queryKey: ["providers"],
    enabled,
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => getJson<ProviderList>("/api/providers", signal)
  })
