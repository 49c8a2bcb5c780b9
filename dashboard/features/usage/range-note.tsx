"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { duration, text } from "@/lib/format"
import { formatAge, formatDayTime } from "@/lib/time"
import { useNow } from "@/lib/use-now"
import { useLive } from "@/features/live/provider"
import type { Range } from "./range"
import type { UsageAnswer } from "./use-usage"

interface RangeNoteProps {
  readonly range: Range
  readonly usage: UseQueryResult<UsageAnswer>
}

/** What the figures of the page cover, and how old they are. */
export function RangeNote({ range, usage }: RangeNoteProps) {
  const { status } = useLive()
  const now = useNow()
  const covered =
    range === "start"
      ? status === null
        ? null
        : `Since the gateway started, ${text(duration(status.uptimeSeconds * 1000))} ago`
      : usage.data === undefined
        ? null
        : `Since ${formatDayTime(usage.data.window.fromMs)}`
  if (covered === null || now === null || usage.dataUpdatedAt === 0) return <>{covered ?? "\u00a0"}</>
  return (
    <>
      {covered} · updated {formatAge(now - usage.dataUpdatedAt)}
    </>
  )
}
