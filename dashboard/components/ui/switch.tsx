import { clsx } from "clsx"
import type { ComponentProps } from "react"

/** A checkbox that looks and is read out as a switch. */
export function Switch({ className, ...props }: Omit<ComponentProps<"input">, "type">) {
  return (
    <input
      type="checkbox"
      role="switch"
      className={clsx(
        "relative h-5 w-9 shrink-0 cursor-pointer appearance-none rounded-full bg-border-strong transition-colors before:absolute before:top-0.5 before:left-0.5 before:size-4 before:rounded-full before:bg-surface before:shadow-sm before:transition-transform checked:bg-foreground checked:before:translate-x-4 disabled:opacity-50",
        className
      )}
      {...props}
    />
  )
}
