"use client"

import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { getJson } from "@/lib/api"

export interface Model {
  readonly id: string
  readonly owned_by?: string
}

/** What may be asked for in the name of a key, or of none: models as `provider/model`, and aliases. */
export const useModels = (keyId: string | null = null) =>
  useQuery({
    queryKey: ["models", keyId],
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const query = keyId === null ? "" : `?${new URLSearchParams({ keyId })}`
      return (await getJson<{ readonly data: ReadonlyArray<Model> }>(`/api/models${query}`, signal)).data
    }
  })
