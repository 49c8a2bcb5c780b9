"use client"

import { Bar, BarChart, CartesianGrid, Rectangle, Tooltip, XAxis, YAxis, type BarShapeProps } from "recharts"
import { duration, text } from "@/lib/format"
import { roundScale } from "./scale"

/** One row of a waterfall: when it began, and how long it waited before and worked after its first result. */
export interface WaterfallRow {
  readonly label: string
  readonly startMs: number
  readonly waitMs: number
  readonly workMs: number
  readonly color: string
  /** Sentences for the tooltip. */
  readonly notes: ReadonlyArray<string>
}

const rowHeightPx = 30
const axis = { fill: "var(--muted)", fontSize: 11 } as const

/** What happened when, from the top to the bottom. */
export function WaterfallChart({
  label,
  rows
}: {
  readonly label: string
  readonly rows: ReadonlyArray<WaterfallRow>
}) {
  const scale = roundScale(Math.max(0, ...rows.map((row) => row.startMs + row.waitMs + row.workMs)), 5)
  return (
    <BarChart
      responsive
      layout="vertical"
      data={rows as Array<WaterfallRow>}
      style={{ width: "100%", height: rows.length * rowHeightPx + 36 }}
      margin={{ top: 4, right: 16, bottom: 0, left: 0 }}
      barSize={12}
      aria-label={label}
    >
      <CartesianGrid horizontal={false} stroke="var(--border)" />
      <XAxis
        type="number"
        tick={axis}
        tickLine={false}
        axisLine={false}
        domain={[0, scale[scale.length - 1]!]}
        ticks={scale}
        niceTicks="none"
        tickFormatter={(ms: number) => (ms === 0 ? "0" : text(duration(ms)))}
      />
      <YAxis type="category" dataKey="label" width={112} tick={axis} tickLine={false} axisLine={false} interval={0} />
      <Tooltip
        isAnimationActive={false}
        cursor={{ fill: "var(--foreground)", fillOpacity: 0.05 }}
        content={({ active, payload }) => {
          const row = payload[0]?.payload as WaterfallRow | undefined
          return active && row !== undefined ? (
            <div className="max-w-72 rounded-lg border bg-raised px-3 py-2 text-xs shadow-lg shadow-black/8">
              <p className="mb-1 font-medium">{row.label}</p>
              {row.notes.map((note) => (
                <p key={note} className="text-muted tabular-nums">
                  {note}
                </p>
              ))}
            </div>
          ) : null
        }}
      />
      <Bar dataKey="startMs" stackId="row" fill="none" isAnimationActive={false} />
      <Bar dataKey="waitMs" stackId="row" shape={pale} isAnimationActive={false} />
      <Bar dataKey="workMs" stackId="row" shape={solid} isAnimationActive={false} />
    </BarChart>
  )
}

const colorOf = (props: BarShapeProps) => (props.payload as WaterfallRow).color
const pale = (props: BarShapeProps) => <Rectangle {...props} fill={colorOf(props)} fillOpacity={0.4} />
const solid = (props: BarShapeProps) => <Rectangle {...props} fill={colorOf(props)} />
