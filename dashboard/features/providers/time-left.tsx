"use client"

import { Figure } from "@/components/figure"
import { timeLeft } from "@/lib/format"
import { useNow } from "@/lib/use-now"

interface TimeLeftProps {
  /** Milliseconds that were left; null where nothing is waited for. */
  readonly ms: number | null
  /** When that was read, in epoch milliseconds. */
  readonly readAtMs: number
}

/** Counts down between two readings. */
export function TimeLeft({ ms, readAtMs }: TimeLeftProps) {
  const now = useNow()
  return (
    <Figure quantity={timeLeft(ms === null ? null : Math.max(0, ms - Math.max(0, (now ?? readAtMs) - readAtMs)))} />
  )
}
