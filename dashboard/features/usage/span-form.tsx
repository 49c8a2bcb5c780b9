"use client"

import { useState } from "react"
import { Button } from "@/components/ui/button"
import { Input } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { formatInput } from "@/lib/time"
import { makeSpan, type Range, type spanOf } from "./range"

interface SpanFormProps {
  readonly span: ReturnType<typeof spanOf>
  readonly onChoose: (range: Range) => void
}

const dayMs = 86_400_000

/** A range of the reader’s own, from one time to another. */
export function SpanForm({ span, onChoose }: SpanFormProps) {
  const [nowMs] = useState(() => Date.now())
  const [from, setFrom] = useState(() => formatInput(span?.fromMs ?? nowMs - dayMs))
  const [to, setTo] = useState(() => formatInput(span?.toMs ?? nowMs))
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)]
  const wrong =
    Number.isNaN(fromMs) || Number.isNaN(toMs)
      ? "Give both times."
      : fromMs >= toMs
        ? "The end must be after the beginning."
        : fromMs > nowMs
          ? "The beginning lies in the future."
          : null
  return (
    <form
      className="w-60 space-y-3"
      onSubmit={(event) => {
        event.preventDefault()
        if (wrong === null) onChoose(makeSpan(fromMs, toMs))
      }}
    >
      <div className="space-y-1.5">
        <Label htmlFor="span-from">From</Label>
        <Input
          id="span-from"
          type="datetime-local"
          value={from}
          max={formatInput(nowMs)}
          onChange={(event) => setFrom(event.target.value)}
        />
      </div>
      <div className="space-y-1.5">
        <Label htmlFor="span-to">To, not included</Label>
        <Input id="span-to" type="datetime-local" value={to} onChange={(event) => setTo(event.target.value)} />
      </div>
      <p role="status" className="min-h-4.5 text-xs text-muted">
        {wrong ?? "In your time zone."}
      </p>
      <Button type="submit" variant="primary" size="sm" className="w-full" disabled={wrong !== null}>
        Show this time
      </Button>
    </form>
  )
}
