"use client"

import Link from "next/link"
import type { ReactNode } from "react"
import { Answer, type Asked } from "./answer"
import { Swatch } from "./chart/swatch"
import { Card, CardHeader } from "./ui/card"

/** One entry of a legend; the figure is its sum over the range. */
export interface LegendEntry {
  readonly key: string
  readonly label: string
  readonly color: string
  readonly figure?: string | undefined
  /** Where the figure leads to. */
  readonly href?: string | undefined
}

interface ChartCardProps<Data> {
  readonly id: string
  readonly title: string
  readonly note?: ReactNode
  readonly legend?: ReadonlyArray<LegendEntry>
  /** Beside the legend. */
  readonly actions?: ReactNode
  readonly query: Asked<Data>
  /** What could not be read; the title by default. */
  readonly what?: string
  /** In the place of the chart where there is nothing to draw; null where there is. */
  readonly empty: (data: Data) => ReactNode
  readonly className?: string | undefined
  readonly children: (data: Data) => ReactNode
}

const noLegend: ReadonlyArray<LegendEntry> = []

/** The frame of every chart: title, legend, and the chart or what stands in its place. */
export function ChartCard<Data>({
  id,
  title,
  note,
  legend = noLegend,
  actions,
  query,
  what = title,
  empty,
  className,
  children
}: ChartCardProps<Data>) {
  return (
    <Card className={className} aria-labelledby={id}>
      <CardHeader id={id} title={title} note={note}>
        <Legend entries={legend} />
        {actions}
      </CardHeader>
      <div className="px-3 pb-4">
        <Answer query={query} what={what}>
          {(data) => empty(data) ?? children(data)}
        </Answer>
      </div>
    </Card>
  )
}

/** What the colours of a chart mean. */
export function Legend({ entries }: { readonly entries: ReadonlyArray<LegendEntry> }) {
  return entries.length === 0 ? null : (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted sm:justify-end">
      {entries.map(({ key, label, color, figure, href }) => (
        <li key={key} className="flex min-w-0 items-center gap-1.5" data-legend={key}>
          <Swatch color={color} />
          <span className="truncate">{label}</span>
          {figure === undefined ? null : href === undefined ? (
            <span className="font-medium text-foreground tabular-nums">{figure}</span>
          ) : (
            <Link
              href={href}
              prefetch={false}
              aria-label={`${label}: ${figure}, the requests behind it`}
              className="inline-flex min-h-6 min-w-6 items-center justify-center rounded-sm font-medium text-foreground tabular-nums underline decoration-border-strong underline-offset-3 hover:decoration-foreground"
            >
              {figure}
            </Link>
          )}
        </li>
      ))}
    </ul>
  )
}
