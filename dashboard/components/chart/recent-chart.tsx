"use client"

import { memo } from "react"
import { Line, LineChart, XAxis, YAxis } from "recharts"

interface RecentChartProps {
  /** What it shows and how high it was, for screen readers. */
  readonly label: string
  readonly points: ReadonlyArray<{ readonly atMs: number; readonly value: number | null }>
  readonly fromMs: number
  readonly toMs: number
  readonly color?: string
}

const heightPx = 36

/** A figure over a short time, from zero to its highest, without axes. A gap stays a gap. */
export const RecentChart = memo(function RecentChart({
  label,
  points,
  fromMs,
  toMs,
  color = "var(--foreground)"
}: RecentChartProps) {
  const highest = points.reduce((top, { value }) => Math.max(top, value ?? 0), 0)
  return (
    <div role="img" aria-label={label}>
      <LineChart
        responsive
        data={points as Array<RecentChartProps["points"][number]>}
        style={{ width: "100%", height: heightPx }}
        margin={{ top: 2, right: 0, bottom: 1, left: 0 }}
        accessibilityLayer={false}
      >
        <XAxis hide type="number" dataKey="atMs" domain={[fromMs, toMs]} allowDataOverflow />
        <YAxis hide domain={[0, highest === 0 ? 1 : highest]} />
        <Line
          dataKey="value"
          type="linear"
          stroke={color}
          strokeWidth={1.5}
          connectNulls={false}
          dot={false}
          isAnimationActive={false}
        />
      </LineChart>
    </div>
  )
})
