import { clsx } from "clsx"
import type { Quantity } from "@/lib/format"

interface FigureProps {
  readonly quantity: Quantity
  readonly unitClass?: string
}

/** A figure with its unit set back; a missing one is read out as such. */
export function Figure({ quantity: { value, unit }, unitClass }: FigureProps) {
  if (value === "–") {
    return (
      <span className="text-muted">
        <span aria-hidden>–</span>
        <span className="sr-only">no data</span>
      </span>
    )
  }
  return (
    <span className="whitespace-nowrap tabular-nums">
      {value}
      {unit === "" ? null : <span className={clsx("ml-[0.25em] text-muted", unitClass)}>{unit}</span>}
    </span>
  )
}
