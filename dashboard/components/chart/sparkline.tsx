import { memo } from "react"
import type { Point } from "./time-chart"

interface SparklineProps {
  readonly label: string
  readonly points: ReadonlyArray<Point>
  readonly series: string
  readonly color: string
}

const width = 120
const height = 24

/** One series in a table's cell, without axes: its shape against its own highest bucket. The unfinished bucket is paler. */
export const Sparkline = memo(function Sparkline({ label, points, series, color }: SparklineProps) {
  const highest = Math.max(1, ...points.map(({ values }) => values[series] ?? 0))
  const step = width / Math.max(points.length, 1)
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      className="block h-6 w-full"
    >
      <rect y={height - 0.75} width={width} height="0.75" fill="var(--border-strong)" />
      {points.map(({ startMs, complete, values }, index) => {
        const figure = values[series] ?? 0
        if (figure === 0) return null
        const barHeight = Math.max((figure / highest) * height, 1.5)
        return (
          <rect
            key={startMs}
            x={index * step}
            y={height - barHeight}
            width={Math.max(step * 0.8, 0.75)}
            height={barHeight}
            fill={color}
            opacity={complete ? 1 : 0.5}
          />
        )
      })}
    </svg>
  )
})
