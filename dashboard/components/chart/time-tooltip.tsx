"use client"

import { Tooltip } from "recharts"
import { text, type Quantity } from "@/lib/format"
import { formatSpan } from "@/lib/time"
import { Swatch } from "./swatch"
import type { Point, Series } from "./time-chart"

interface TimeTooltipProps {
  readonly kind: "bars" | "lines"
  readonly series: ReadonlyArray<Series>
  readonly format: (figure: number | null) => Quantity
}

/** The figures of the bucket that is pointed at. */
export function TimeTooltip({ kind, series, format }: TimeTooltipProps) {
  return (
    <Tooltip
      isAnimationActive={false}
      cursor={kind === "bars" ? { fill: "var(--foreground)", fillOpacity: 0.05 } : { stroke: "var(--border-strong)" }}
      content={({ active, payload }) => {
        const point = payload[0]?.payload as Point | undefined
        return active && point !== undefined ? <PointTooltip point={point} series={series} format={format} /> : null
      }}
    />
  )
}

function PointTooltip({
  point,
  series,
  format
}: {
  readonly point: Point
  readonly series: ReadonlyArray<Series>
  readonly format: (figure: number | null) => Quantity
}) {
  return (
    <div className="rounded-lg border bg-raised px-3 py-2 text-xs shadow-lg shadow-black/8">
      <p className="mb-1.5 font-medium">
        {formatSpan(point.startMs, point.endMs)}
        {point.complete ? null : <span className="font-normal text-muted"> (still filling)</span>}
      </p>
      <dl className="grid grid-cols-[1fr_auto] gap-x-6 gap-y-0.5">
        {series.toReversed().map(({ key, label, color }) => (
          <div key={key} className="contents">
            <dt className="flex items-center gap-2 text-muted">
              <Swatch color={color} />
              {label}
            </dt>
            <dd className="text-right font-medium tabular-nums">{text(format(point.values[key] ?? null))}</dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
