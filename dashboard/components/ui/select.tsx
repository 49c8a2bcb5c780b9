import { clsx } from "clsx"
import { ChevronsUpDown } from "lucide-react"
import type { ComponentProps } from "react"

/** The browser's own select: its keyboard, its screen reader support, its picker on a phone. */
export function Select({ className, compact = false, ...props }: ComponentProps<"select"> & { compact?: boolean }) {
  return (
    <span className="relative block min-w-0">
      <select
        className={clsx(
          "w-full min-w-0 cursor-pointer appearance-none truncate rounded-md border border-border-strong/70 bg-surface pr-8 pl-3 text-[13px] hover:bg-subtle focus-visible:outline-offset-0 disabled:opacity-50",
          compact ? "h-8" : "h-9",
          className
        )}
        {...props}
      />
      <ChevronsUpDown
        aria-hidden
        className="pointer-events-none absolute top-1/2 right-2.5 size-3.5 -translate-y-1/2 text-muted"
      />
    </span>
  )
}
