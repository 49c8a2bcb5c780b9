import { ChevronsUpDown } from "lucide-react"
import type { ComponentProps } from "react"
import { cn } from "@/lib/cn"

/** The browser's own select: its keyboard, its screen reader support, its picker on a phone. */
export function Select({ className, ...props }: ComponentProps<"select">) {
  return (
    <span className="relative block min-w-0">
      <select
        className={cn(
          "h-9 w-full min-w-0 cursor-pointer appearance-none truncate rounded-md border border-border-strong/70 bg-surface pr-8 pl-3 text-[13px] hover:bg-subtle focus-visible:outline-offset-0 disabled:opacity-50",
          className
        )}
        {...props}
      />
      <ChevronsUpDown aria-hidden className="pointer-events-none absolute top-1/2 right-2.5 size-3.5 -translate-y-1/2 text-muted" />
    </span>
  )
}
