"use client"

import { memo } from "react"
import { Rectangle, Scatter, ScatterChart, Tooltip, XAxis, YAxis, usePlotArea, type ScatterShapeProps } from "recharts"
import { text, type Quantity } from "@/lib/format"

/** One field of a heat map. */
export interface Heat {
  readonly x: number
  readonly y: number
  /** null where there is no figure. */
  readonly value: number | null
  /** For the tooltip. */
  readonly label: string
}

interface HeatChartProps {
  readonly label: string
  readonly cells: ReadonlyArray<Heat>
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<string>
  readonly format: (figure: number | null) => Quantity
}

const rowHeightPx = 26
const axis = { fill: "var(--muted)", fontSize: 11 } as const

/** Figures over two dimensions: the stronger the colour, the higher. A gap has an outline alone. */
export const HeatChart = memo(function HeatChart({ label, cells, columns, rows, format }: HeatChartProps) {
  const top = Math.max(0, ...cells.map(({ value }) => value ?? 0))
  const shape = ({ cx, cy, payload }: ScatterShapeProps) => (
    <Field
      cx={cx ?? 0}
      cy={cy ?? 0}
      value={(payload as unknown as Heat).value}
      share={top === 0 ? 0 : ((payload as unknown as Heat).value ?? 0) / top}
      columns={columns.length}
      rows={rows.length}
    />
  )
  return (
    <ScatterChart
      responsive
      style={{ width: "100%", height: rows.length * rowHeightPx + 32 }}
      margin={{ top: 4, right: 8, bottom: 0, left: 0 }}
      aria-label={label}
    >
      <XAxis
        type="number"
        dataKey="x"
        domain={[-0.5, columns.length - 0.5]}
        ticks={columns.map((_, index) => index).filter((index) => index % 3 === 0)}
        tickFormatter={(index: number) => columns[index] ?? ""}
        tick={axis}
        tickLine={false}
        axisLine={false}
        height={24}
      />
      <YAxis
        type="number"
        dataKey="y"
        domain={[-0.5, rows.length - 0.5]}
        ticks={rows.map((_, index) => index)}
        tickFormatter={(index: number) => rows[index] ?? ""}
        reversed
        interval={0}
        tick={axis}
        tickLine={false}
        axisLine={false}
        width={40}
      />
      <Tooltip
        isAnimationActive={false}
        cursor={false}
        content={({ active, payload }) => {
          const cell = payload[0]?.payload as Heat | undefined
          return active && cell !== undefined ? (
            <div className="rounded-lg border bg-raised px-3 py-2 text-xs shadow-lg shadow-black/8">
              <p className="mb-1 font-medium">{cell.label}</p>
              <p className="text-muted tabular-nums">{cell.value === null ? "No data" : text(format(cell.value))}</p>
            </div>
          ) : null
        }}
      />
      <Scatter data={cells as Array<Heat>} shape={shape} isAnimationActive={false} />
    </ScatterChart>
  )
})

interface FieldProps {
  readonly cx: number
  readonly cy: number
  readonly value: number | null
  readonly share: number
  readonly columns: number
  readonly rows: number
}

const faintest = 0.06

function Field({ cx, cy, value, share, columns, rows }: FieldProps) {
  const area = usePlotArea()
  if (area === undefined) return null
  const width = Math.max(1, area.width / columns - 2)
  const height = Math.max(1, area.height / rows - 2)
  return (
    <Rectangle
      x={cx - width / 2}
      y={cy - height / 2}
      width={width}
      height={height}
      radius={3}
      fill={value === null ? "none" : "var(--answered)"}
      fillOpacity={faintest + (1 - faintest) * share}
      stroke={value === null ? "var(--border)" : "none"}
    />
  )
}
