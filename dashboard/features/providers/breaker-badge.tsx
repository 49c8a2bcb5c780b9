import type { BreakerState } from "millrace/admin-api"
import { Badge, type Tone } from "@/components/ui/badge"

const looks: Record<BreakerState, { readonly tone: Tone; readonly word: string; readonly dot: string }> = {
  closed: { tone: "good", word: "closed", dot: "bg-good" },
  "half-open": { tone: "warn", word: "half open", dot: "bg-warn" },
  open: { tone: "bad", word: "open", dot: "bg-bad" }
}

interface BreakerBadgeProps {
  readonly state: BreakerState
  /** What it is the state of, where that is not said beside it. */
  readonly of?: string
}

/** Whether calls are let through. */
export function BreakerBadge({ state, of }: BreakerBadgeProps) {
  const { tone, word, dot } = looks[state]
  return (
    <Badge tone={tone}>
      <span aria-hidden className={`size-1.5 rounded-full ${dot}`} />
      {of === undefined ? word.charAt(0).toUpperCase() + word.slice(1) : `${of} ${word}`}
    </Badge>
  )
}
