import Link from "next/link"
import type { ReactNode } from "react"
import type { Quantity } from "@/lib/format"
import { Figure } from "./figure"

export interface MetricFigure {
  readonly name?: string
  readonly quantity: Quantity
  /** How it stands to the figure of the time before. */
  readonly change?: ReactNode
}

interface MetricCardProps {
  readonly id: string
  readonly label: string
  /** The main figure, or several that belong together, each with a short name. */
  readonly figures: ReadonlyArray<MetricFigure>
  readonly note?: ReactNode
  /** How it came to that, in a small chart. */
  readonly chart?: ReactNode
  /** What is behind the figures; the whole card leads there. */
  readonly href?: string
}

/** One metric: a label, its figure and a line that puts it into context. */
export function MetricCard({ id, label, figures, note, chart, href }: MetricCardProps) {
  return (
    <div className="relative min-w-0 bg-surface px-4 py-4 sm:px-5" data-metric={id}>
      <h2 className="text-[13px] leading-5 text-muted">
        {href === undefined ? (
          label
        ) : (
          <Link
            href={href}
            prefetch={false}
            className="underline decoration-border-strong underline-offset-3 outline-none after:absolute after:inset-0 hover:text-foreground hover:decoration-foreground focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-ring"
          >
            {label}
          </Link>
        )}
      </h2>
      <p className="mt-1 flex flex-wrap gap-x-4 text-[22px] font-semibold tracking-tight">
        {figures.map(({ name, quantity, change }, index) => (
          <span key={name ?? index} className="flex h-8 items-baseline gap-1.5 leading-8">
            {name === undefined ? null : (
              <span className="text-xs leading-none font-medium tracking-normal text-muted">{name}</span>
            )}
            <Figure quantity={quantity} unitClass="text-[13px] leading-none font-medium tracking-normal" />
            {change}
          </span>
        ))}
      </p>
      <p className="mt-0.5 min-h-4.5 text-xs leading-4.5 text-muted tabular-nums">{note}</p>
      {chart === undefined ? null : <div className="mt-2">{chart}</div>}
    </div>
  )
}

/** Metric cards side by side with hairlines between them. */
export function MetricGrid({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <section
      aria-label={label}
      className="grid grid-cols-2 gap-px overflow-hidden rounded-xl border bg-border xl:grid-cols-4"
    >
      {children}
    </section>
  )
}
