import type { Quantity } from "@/lib/format"
import { cn } from "@/lib/cn"

/** A figure with its unit set smaller; a missing one is read out as such. */
export function Figure({ quantity, className }: { readonly quantity: Quantity; readonly className?: string }) {
  if (quantity.value === "–") {
    return (
      <span className={cn("text-muted", className)}>
        <span aria-hidden>–</span>
        <span className="sr-only">no data</span>
      </span>
    )
  }
  return (
    <span className={cn("whitespace-nowrap tabular-nums", className)}>
      {quantity.value}
      {quantity.unit === "" ? null : <span className="ml-[0.2em] text-[0.62em] font-medium text-muted">{quantity.unit}</span>}
    </span>
  )
}
