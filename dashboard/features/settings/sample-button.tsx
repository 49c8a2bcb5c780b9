"use client"

import { CirclePlay, Square } from "lucide-react"
import { Button } from "@/components/ui/button"
import { useLive } from "@/features/live/provider"
import { sampleCalls, useSampleTraffic } from "./sample-traffic"

/** Fills an empty dashboard: plays sample calls to the simulated providers; nothing where there are none. */
export function SampleButton() {
  const { status } = useLive()
  const { sent, done, start, stop } = useSampleTraffic()
  const models = (status?.providers ?? [])
    .filter(({ kind }) => kind === "simulated")
    .map(({ name, model }) => (model === null ? name : `${name}/${model}`))
  if (models.length === 0) return null
  return (
    <span className="inline-flex flex-wrap items-center gap-2">
      {sent === null ? (
        <Button size="sm" onClick={() => start(models)}>
          <CirclePlay />
          Play sample traffic
        </Button>
      ) : (
        <Button size="sm" onClick={stop}>
          <Square />
          Stop
        </Button>
      )}
      <span role="status" data-sample={sent ?? done ?? ""} className="text-xs text-muted tabular-nums">
        {sent !== null ? `${sent} of ${sampleCalls} calls` : done !== null ? `${done} calls were played` : null}
      </span>
    </span>
  )
}
