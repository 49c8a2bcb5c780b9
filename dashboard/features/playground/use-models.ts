"use client"

import { useQuery } from "@tanstack/react-query"
import { getJson } from "@/lib/api"

export interface Model {
  readonly id: string
  readonly owned_by?: string
}

/** What `GET /v1/models` offers: models as `provider/model`, and aliases. */
export const useModels = () =>
  useQuery({
    queryKey: ["models"],
    staleTime: 60_000,
    queryFn: async ({ signal }) => (await getJson<{ readonly data: ReadonlyArray<Model> }>("/api/models", signal)).data
  })
