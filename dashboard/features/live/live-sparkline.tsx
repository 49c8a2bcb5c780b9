"use client"

import { RecentChart } from "@/components/chart"
import { text, type Quantity } from "@/lib/format"
import { historyMs, type Reading } from "./history"

interface LiveSparklineProps {
  readonly name: string
  readonly points: ReadonlyArray<Reading>
  readonly nowMs: number
  readonly format: (figure: number | null) => Quantity
  readonly color?: string
}

/** A figure over the last two minutes. */
export function LiveSparkline({ name, points, nowMs, format, color }: LiveSparklineProps) {
  const figures = points.flatMap(({ value }) => value ?? [])
  const highest = figures.length === 0 ? null : Math.max(...figures)
  return (
    <RecentChart
      label={`${name} over the last 2 minutes, at most ${highest === null ? "unknown" : text(format(highest))}`}
      points={points}
      fromMs={nowMs - historyMs}
      toMs={nowMs}
      {...(color === undefined ? {} : { color })}
    />
  )
}
