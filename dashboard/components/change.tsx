import { clsx } from "clsx"
import { text, type Quantity } from "@/lib/format"

interface ChangeProps {
  readonly now: number | null | undefined
  readonly before: number | null | undefined
  readonly format: (figure: number | null | undefined) => Quantity
  /** Which way is the better one; neither by default. */
  readonly better?: "up" | "down"
}

const percent = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1, signDisplay: "exceptZero" })

/** A figure against that of the time before, in per cent; a gap on either side is no change. */
export function Change({ now, before, format, better }: ChangeProps) {
  if (now === null || now === undefined || before === null || before === undefined) return null
  const was = text(format(before))
  const share = before === 0 ? null : (now - before) / Math.abs(before)
  const tone =
    share === null || better === undefined || Math.abs(share) < 0.0005
      ? "text-muted"
      : share > 0 === (better === "up")
        ? "text-good-text"
        : "text-bad-text"
  return (
    <span
      data-before={before}
      title={`Before: ${was}`}
      className={clsx("text-xs leading-none font-medium tracking-normal tabular-nums", tone)}
    >
      {share === null ? (now === 0 ? "±0 %" : "new") : `${percent.format(share * 100).replace("-", "−")} %`}
      <span className="sr-only">, before: {was}</span>
    </span>
  )
}
