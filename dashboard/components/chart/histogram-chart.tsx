"use client"

import { Bar, BarChart, CartesianGrid, ReferenceLine, Tooltip, XAxis, YAxis } from "recharts"
import { exactCount } from "@/lib/format"
import { roundScale } from "./scale"
import { Swatch } from "./swatch"
import type { Series } from "./time-chart"

/** Counts of the range that begins here. */
export interface HistogramBin {
  readonly label: string
  readonly values: Readonly<Record<string, number>>
}

interface HistogramChartProps {
  readonly label: string
  readonly bins: ReadonlyArray<HistogramBin>
  readonly series: ReadonlyArray<Series>
  /** The bin from which on counts matter. */
  readonly markAt?: string | undefined
}

const heightPx = 208
const axis = { fill: "var(--muted)", fontSize: 11 } as const

/** How often a figure was in each range, in stacked bars. */
export function HistogramChart({ label, bins, series, markAt }: HistogramChartProps) {
  const highest = Math.max(3, ...bins.map(({ values }) => series.reduce((sum, { key }) => sum + (values[key] ?? 0), 0)))
  const scale = roundScale(highest, 3)
  return (
    <BarChart
      responsive
      data={bins as Array<HistogramBin>}
      style={{ width: "100%", height: heightPx }}
      margin={{ top: 8, right: 8, bottom: 0, left: 0 }}
      barCategoryGap="12%"
      aria-label={label}
    >
      <CartesianGrid vertical={false} stroke="var(--border)" />
      <XAxis
        dataKey="label"
        tick={axis}
        tickLine={false}
        axisLine={{ stroke: "var(--border-strong)" }}
        interval="preserveStart"
        minTickGap={12}
        tickMargin={6}
        height={28}
      />
      <YAxis
        width={48}
        tick={axis}
        tickLine={false}
        axisLine={false}
        domain={[0, scale[scale.length - 1]!]}
        ticks={scale}
        niceTicks="none"
      />
      <Tooltip
        isAnimationActive={false}
        cursor={{ fill: "var(--foreground)", fillOpacity: 0.05 }}
        content={({ active, payload }) => {
          const bin = payload[0]?.payload as HistogramBin | undefined
          return active && bin !== undefined ? (
            <div className="rounded-lg border bg-raised px-3 py-2 text-xs shadow-lg shadow-black/8">
              <p className="mb-1.5 font-medium tabular-nums">From {bin.label}</p>
              <dl className="grid grid-cols-[1fr_auto] gap-x-6 gap-y-0.5">
                {series.toReversed().map(({ key, label: name, color }) => (
                  <div key={key} className="contents">
                    <dt className="flex items-center gap-2 text-muted">
                      <Swatch color={color} />
                      {name}
                    </dt>
                    <dd className="text-right font-medium tabular-nums">{exactCount(bin.values[key] ?? 0)}</dd>
                  </div>
                ))}
              </dl>
            </div>
          ) : null
        }}
      />
      {markAt === undefined ? null : <ReferenceLine x={markAt} stroke="var(--foreground)" strokeDasharray="3 3" />}
      {series.map(({ key, label: name, color }) => (
        <Bar
          key={key}
          name={name}
          stackId="all"
          dataKey={(bin: HistogramBin) => bin.values[key] ?? 0}
          fill={color}
          maxBarSize={36}
          isAnimationActive={false}
        />
      ))}
    </BarChart>
  )
}
