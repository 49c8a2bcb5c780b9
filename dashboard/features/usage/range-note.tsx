"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { Age } from "@/components/age"
import { HeldNote } from "@/components/answer"
import { duration, text } from "@/lib/format"
import { formatDayTime, formatSpan } from "@/lib/time"
import { useLive } from "@/features/live/provider"
import { spanOf, type Range } from "./range"
import type { UsageAnswer } from "./use-usage"

interface RangeNoteProps {
  readonly range: Range
  readonly usage: UseQueryResult<UsageAnswer>
}

/** What the figures of the page cover, and how old they are. */
export function RangeNote({ range, usage }: RangeNoteProps) {
  const { status } = useLive()
  const span = spanOf(range)
  const covered =
    span !== null
      ? formatSpan(span.fromMs, span.toMs)
      : range === "start"
        ? status === null
          ? null
          : `Since the gateway started, ${text(duration(status.uptimeSeconds * 1000))} ago`
        : usage.data === undefined
          ? null
          : `Since ${formatDayTime(usage.data.window.fromMs)}`
  if (usage.isPlaceholderData) return <HeldNote />
  if (covered === null || usage.dataUpdatedAt === 0) return <>{covered ?? "\u00a0"}</>
  return (
    <>
      {covered} · <Age atMs={usage.dataUpdatedAt} />
    </>
  )
}
