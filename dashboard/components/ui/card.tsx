import { clsx } from "clsx"
import type { ComponentProps, ReactNode } from "react"

export function Card({ className, ...props }: ComponentProps<"section">) {
  return <section className={clsx("min-w-0 rounded-xl border bg-surface", className)} {...props} />
}

interface CardHeaderProps {
  readonly title: string
  readonly id?: string
  readonly note?: ReactNode
  readonly children?: ReactNode
}

/** Title of a card with a note beside it and actions at the end. */
export function CardHeader({ title, id, note, children }: CardHeaderProps) {
  return (
    <header className="flex min-h-13 flex-wrap items-center gap-x-3 gap-y-1 px-5 py-3">
      <h2 id={id} className="text-sm font-semibold tracking-tight">
        {title}
      </h2>
      {note === undefined ? null : <p className="text-xs text-muted">{note}</p>}
      {children === undefined ? null : <div className="flex items-center gap-2 sm:ml-auto">{children}</div>}
    </header>
  )
}
