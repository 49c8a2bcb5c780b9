"use client"

import { useQuery } from "@tanstack/react-query"
import { ArrowRight, CircleAlert, CircleCheck, TriangleAlert } from "lucide-react"
import type { ErrorReport } from "millrace/admin-api"
import Link from "next/link"
import { useMemo } from "react"
import { Card, CardHeader } from "@/components/ui/card"
import { useLive } from "@/features/live/provider"
import { getJson } from "@/lib/api"
import { concernsOf } from "./attention"

const refreshMs = 15_000
const errorGroups = 20
const shownAtMost = 8

/** What needs attention now; one quiet line when nothing does. */
export function AttentionCard() {
  const { status, receivedAtMs } = useLive()
  const errors = useQuery({
    queryKey: ["errors", "attention"],
    refetchInterval: refreshMs,
    queryFn: ({ signal }) => getJson<ErrorReport>(`/api/errors?bucket=minute&limit=${errorGroups}`, signal)
  })
  const concerns = useMemo(
    () => (status === null || receivedAtMs === null ? [] : concernsOf(status, errors.data?.groups ?? [], receivedAtMs)),
    [status, receivedAtMs, errors.data]
  )
  if (status === null) return null
  if (concerns.length === 0) {
    return (
      <p data-attention={0} className="flex items-center gap-2 text-[13px] text-muted">
        <CircleCheck className="size-4 shrink-0 text-good-text" />
        {errors.isError ? "Nothing live needs attention; failures could not be read" : "Nothing needs attention"}
      </p>
    )
  }
  return (
    <Card aria-labelledby="attention" data-attention={concerns.length} className="overflow-hidden">
      <CardHeader
        id="attention"
        title="Needs attention now"
        note={concerns.length > shownAtMost ? `the first ${shownAtMost} of ${concerns.length}` : undefined}
      />
      <ul className="divide-y border-t">
        {concerns.slice(0, shownAtMost).map(({ id, severity, title, detail, href }) => (
          <li key={id} data-concern={id}>
            <Link
              href={href}
              prefetch={false}
              className="flex items-center gap-3 px-5 py-2.5 text-[13px] outline-offset-[-2px] hover:bg-subtle/60"
            >
              {severity === "bad" ? (
                <CircleAlert aria-label="Serious" className="size-4 shrink-0 text-bad-text" />
              ) : (
                <TriangleAlert aria-label="Warning" className="size-4 shrink-0 text-warn-text" />
              )}
              <span className="min-w-0">
                <span className="font-medium">{title}</span> <span className="text-muted">{detail}</span>
              </span>
              <ArrowRight aria-hidden className="ml-auto size-4 shrink-0 text-muted" />
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  )
}
