"use client"

import { useQuery } from "@tanstack/react-query"
import type { RequestPage } from "millrace/admin-api"
import { getJson } from "@/lib/api"
import { exactCount } from "@/lib/format"

const sample = 200
const refreshMs = 5000

/** How many of the latest requests needed more than one attempt. */
export function RetryNote() {
  const { data } = useQuery({
    queryKey: ["requests", "latest", sample],
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => getJson<RequestPage>(`/api/requests?limit=${sample}`, signal)
  })
  if (data === undefined || data.items.length === 0) return null
  const retried = data.items.filter((item) => item.attempts > 1)
  const rescued = retried.filter((item) => item.status === "success")
  return (
    <p className="text-xs text-muted tabular-nums" data-retried={retried.length}>
      {retried.length === 0
        ? `None of the last ${exactCount(data.items.length)} requests needed a retry`
        : `${exactCount(retried.length)} of the last ${exactCount(data.items.length)} requests needed a retry, ${exactCount(rescued.length)} of them succeeded`}
    </p>
  )
}
