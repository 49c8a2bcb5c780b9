"use client"

import { timeTicks } from "d3-time"
import type { Bucket } from "millrace/admin-api"
import dynamic from "next/dynamic"
import { memo, useState } from "react"
import {
  Bar,
  BarChart,
  CartesianGrid,
  Line,
  LineChart,
  Rectangle,
  XAxis,
  YAxis,
  type BarShapeProps,
  type MouseHandlerDataParam
} from "recharts"
import { text, type Quantity } from "@/lib/format"
import { formatBucket } from "@/lib/time"
import { roundScale } from "./scale"

/** Loaded when a chart is first pointed at or has the focus. */
const TimeTooltip = dynamic(() => import("./time-tooltip").then((module) => module.TimeTooltip), { ssr: false })

/** One line or one layer of the bars. The colour is a token that means the same on every page. */
export interface Series {
  readonly key: string
  readonly label: string
  readonly color: string
}

/** The figures of one bucket. */
export interface Point {
  readonly startMs: number
  readonly endMs: number
  /** False while the bucket is still being filled. */
  readonly complete: boolean
  /** By series; null where there is no figure. */
  readonly values: Readonly<Record<string, number | null>>
}

interface TimeChartProps {
  readonly label: string
  readonly kind: "bars" | "lines"
  readonly points: ReadonlyArray<Point>
  readonly series: ReadonlyArray<Series>
  readonly format: (figure: number | null) => Quantity
  readonly bucket: Bucket
  readonly wholeNumbers?: boolean
  /** A click on a bucket. */
  readonly onOpen?: (point: Point) => void
}

const heightPx = 232
const axis = { fill: "var(--muted)", fontSize: 11 } as const

/** Figures over time: stacked bars or lines. A gap stays a gap; the unfinished last bucket is dotted. */
export const TimeChart = memo(function TimeChart({
  label,
  kind,
  points,
  series,
  format,
  bucket,
  wholeNumbers = false,
  onOpen
}: TimeChartProps) {
  const [touched, setTouched] = useState(false)
  const touch = () => setTouched(true)
  const last = points.length - 1
  const unfinished = points.length > 0 && !points[last]!.complete
  const scale = roundScale(Math.max(wholeNumbers ? 3 : 0, highest(points, series, kind === "bars")), 3)
  const Chart = kind === "bars" ? BarChart : LineChart
  return (
    <div onMouseEnter={touch} onTouchStart={touch} onFocus={touch}>
      <Chart
        responsive
        data={points as Array<Point>}
        style={{ width: "100%", height: heightPx }}
        margin={{ top: 8, right: 8, bottom: 0, left: 0 }}
        barCategoryGap="18%"
        aria-label={label}
        {...(onOpen === undefined
          ? {}
          : {
              className: "cursor-pointer",
              onClick: ({ activeTooltipIndex }: MouseHandlerDataParam) => {
                const point = points[Number(activeTooltipIndex)]
                if (point !== undefined) onOpen(point)
              }
            })}
      >
        <CartesianGrid vertical={false} stroke="var(--border)" />
        <XAxis
          dataKey="startMs"
          tickFormatter={(startMs: number) => formatBucket(startMs, bucket)}
          ticks={roundTicks(points)}
          interval="preserveStart"
          tick={axis}
          tickLine={false}
          axisLine={{ stroke: "var(--border-strong)" }}
          minTickGap={24}
          tickMargin={6}
          height={28}
        />
        <YAxis
          width={56}
          tick={axis}
          tickLine={false}
          axisLine={false}
          domain={[0, scale[scale.length - 1]!]}
          ticks={scale}
          niceTicks="none"
          tickFormatter={(figure: number) => (figure === 0 ? "0" : text(format(figure)))}
        />
        {touched ? <TimeTooltip kind={kind} series={series} format={format} /> : null}
        {series.map(({ key, label: name, color }) =>
          kind === "bars" ? (
            <Bar
              key={key}
              name={name}
              stackId="all"
              dataKey={(point: Point) => point.values[key] ?? null}
              fill={color}
              shape={bucketShape}
              maxBarSize={36}
              isAnimationActive={false}
            />
          ) : (
            <Line
              key={key}
              name={name}
              dataKey={(point: Point) => (point.complete ? point.values[key] : null)}
              stroke={color}
              strokeWidth={1.75}
              dot={isolatedDot(points, key, color)}
              activeDot={{ r: 3, strokeWidth: 0 }}
              connectNulls={false}
              isAnimationActive={false}
            />
          )
        )}
        {kind === "lines" && unfinished
          ? series.map(({ key, label: name, color }) => (
              <Line
                key={`${key} unfinished`}
                name={name}
                dataKey={(point: Point) => (points.indexOf(point) >= last - 1 ? point.values[key] : null)}
                stroke={color}
                strokeWidth={1.75}
                strokeDasharray="2 4"
                dot={isolatedDot(points, key, color)}
                activeDot={{ r: 3, strokeWidth: 0 }}
                isAnimationActive={false}
              />
            ))
          : null}
      </Chart>
    </div>
  )
})

/** The top of the highest bar or line. */
const highest = (points: ReadonlyArray<Point>, series: ReadonlyArray<Series>, stacked: boolean): number =>
  points.reduce((top, { values }) => {
    const figures = series.map(({ key }) => values[key] ?? 0)
    return Math.max(top, stacked ? figures.reduce((sum, figure) => sum + figure, 0) : Math.max(...figures))
  }, 0)

/** Bucket starts at round times of the reader's clock, at most about eight. */
const roundTicks = (points: ReadonlyArray<Point>): Array<number> => {
  const [first, last] = [points[0], points[points.length - 1]]
  if (first === undefined || last === undefined) return []
  const round = timeTicks(new Date(first.startMs), new Date(last.startMs), 8).map(Number)
  const starts = round.map((ms) => points.findLast((point) => point.startMs <= ms)?.startMs ?? first.startMs)
  return [...new Set(starts)]
}

const bucketShape = (props: BarShapeProps) =>
  (props.payload as Point | undefined)?.complete === false ? (
    <Rectangle {...props} fillOpacity={0.35} stroke={props.fill} strokeWidth={1} strokeDasharray="2 3" />
  ) : (
    <Rectangle {...props} />
  )

/** A figure between two gaps has no line to be on; it gets a dot. */
const isolatedDot = (points: ReadonlyArray<Point>, key: string, color: string) => {
  const has = (index: number) => (points[index]?.values[key] ?? null) !== null
  return ({ cx, cy, index }: { cx?: number; cy?: number; index?: number }) =>
    cx === undefined || cy === undefined || index === undefined || has(index - 1) || has(index + 1) ? (
      <g key={`${key} ${index}`} />
    ) : (
      <circle key={`${key} ${index}`} cx={cx} cy={cy} r={2.5} fill={color} />
    )
}
