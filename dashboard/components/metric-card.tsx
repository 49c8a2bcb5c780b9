import type { ReactNode } from "react"
import type { Quantity } from "@/lib/format"
import { Figure } from "./figure"

interface MetricCardProps {
  readonly id: string
  readonly label: string
  /** The main figure, or several that belong together, each with a short name. */
  readonly figures: ReadonlyArray<{ readonly name?: string; readonly quantity: Quantity }>
  readonly note?: ReactNode
}

/** One metric: a label, its figure and a line that puts it into context. */
export function MetricCard({ id, label, figures, note }: MetricCardProps) {
  return (
    <div className="bg-surface px-5 py-4" data-metric={id}>
      <h3 className="text-[13px] text-muted">{label}</h3>
      <p className="mt-1.5 flex flex-wrap items-baseline gap-x-4 gap-y-1 text-2xl leading-8 font-semibold tracking-tight">
        {figures.map(({ name, quantity }, index) => (
          <span key={name ?? index} className="inline-flex items-baseline gap-1.5">
            {name === undefined ? null : <span className="text-xs font-medium tracking-normal text-muted">{name}</span>}
            <Figure quantity={quantity} />
          </span>
        ))}
      </p>
      <p className="mt-1 min-h-4.5 text-xs text-muted tabular-nums">{note}</p>
    </div>
  )
}

/** Metric cards side by side with hairlines between them. */
export function MetricGrid({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <section
      aria-label={label}
      className="grid grid-cols-1 gap-px overflow-hidden rounded-xl border bg-border min-[420px]:grid-cols-2 xl:grid-cols-4"
    >
      {children}
    </section>
  )
}
