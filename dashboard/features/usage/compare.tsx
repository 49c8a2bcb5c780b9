"use client"

import { GitCompareArrows } from "lucide-react"
import { Button } from "@/components/ui/button"

interface CompareProps {
  readonly on: boolean
  readonly onChange: (on: boolean) => void
}

/** Sets the figures beside those of as much time right before. */
export function Compare({ on, onChange }: CompareProps) {
  return (
    <Button size="sm" aria-pressed={on} className="aria-pressed:border-foreground/60" onClick={() => onChange(!on)}>
      <GitCompareArrows />
      Compare with the time before
    </Button>
  )
}
