"use client"

import { CalendarRange } from "lucide-react"
import dynamic from "next/dynamic"
import { Popover } from "@/components/popover"
import { Button } from "@/components/ui/button"
import { Segmented } from "@/components/ui/segmented"
import { formatSpan } from "@/lib/time"
import { rangeLabels, ranges, spanOf, type Preset, type Range } from "./range"

/** Loaded when it is first opened. */
const SpanForm = dynamic(() => import("./span-form").then((module) => module.SpanForm), {
  ssr: false,
  loading: () => <div className="h-52 w-60" />
})

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
