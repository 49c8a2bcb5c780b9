"use client"

import { CalendarRange } from "lucide-react"
import { useState } from "react"
import { Popover } from "@/components/popover"
import { Button } from "@/components/ui/button"
import { Input } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { Segmented } from "@/components/ui/segmented"
import { formatInput, formatSpan } from "@/lib/time"
import { makeSpan, rangeLabels, ranges, spanOf, type Preset, type Range } from "./range"

interface TimeRangeProps {
  readonly value: Range
  readonly onChange: (range: Range) => void
  /** The presets to choose from; all by default. */
  readonly presets?: ReadonlyArray<Preset>
}

/** The time that a page covers: a preset, or from one time to another. */
export function TimeRange({ value, onChange, presets = ranges }: TimeRangeProps) {
  const span = spanOf(value)
  return (
    <>
      <Segmented
        label="Time range"
        value={presets.find((preset) => preset === value) ?? null}
        options={presets.map((preset) => ({ value: preset, label: rangeLabels[preset] }))}
        onChange={onChange}
      />
      <Popover
        label="Custom time range"
        trigger={(props) => (
          <Button size="sm" aria-pressed={span !== null} className="aria-pressed:border-foreground/60" {...props}>
            <CalendarRange />
            {span === null ? "Custom" : formatSpan(span.fromMs, span.toMs)}
          </Button>
        )}
      >
        {(close) => (
          <SpanForm
            span={span}
            onChoose={(next) => {
              onChange(next)
              close()
            }}
          />
        )}
      </Popover>
    </>
  )
}

interface SpanFormProps {
  readonly span: ReturnType<typeof spanOf>
  readonly onChoose: (range: Range) => void
}

const dayMs = 86_400_000

function SpanForm({ span, onChoose }: SpanFormProps) {
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
