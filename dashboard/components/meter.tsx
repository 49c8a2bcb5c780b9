interface MeterProps {
  readonly label: string
  /** From 0 to 1. */
  readonly share: number
  /** What is held beside that, from 0 to 1; drawn paler. */
  readonly heldShare?: number
  /** The figures behind it, for screen readers. */
  readonly text: string
}

const colorOf = (share: number) => (share >= 1 ? "var(--bad)" : share >= 0.8 ? "var(--warn)" : "var(--foreground)")

const percentOf = (share: number) => Math.round(Math.min(Math.max(share, 0), 1) * 100)

/** How full something is. */
export function Meter({ label, share, heldShare = 0, text }: MeterProps) {
  const percent = percentOf(share)
  const color = colorOf(share + heldShare)
  return (
    <svg
      role="meter"
      aria-label={label}
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuetext={text}
      viewBox="0 0 100 4"
      preserveAspectRatio="none"
      className="block h-1 w-full overflow-hidden rounded-full bg-border"
    >
      {heldShare > 0 ? <rect width={percentOf(share + heldShare)} height="4" fill={color} opacity="0.4" /> : null}
      <rect width={percent} height="4" fill={color} />
    </svg>
  )
}
