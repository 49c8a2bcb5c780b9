"use client"

import { FlaskConical } from "lucide-react"
import { useLive } from "./provider"

/** Says that no real model answers. */
export function SimulatedBanner() {
  const { status } = useLive()
  if (status === null || !status.simulated) return null
  return (
    <div className="flex flex-wrap items-center gap-x-2.5 gap-y-0.5 border-b border-warn/30 bg-warn/10 px-4 py-2 text-[13px] sm:px-6 lg:px-8">
      <FlaskConical className="size-4 shrink-0 text-warn-text" />
      <span className="font-medium text-warn-text">Simulated</span>
      <span className="text-foreground/80">
        No provider key is configured, so the simulated provider answers. Set{" "}
        <code className="font-mono">OPENAI_API_KEY</code> or add a provider to the config to serve real models.
      </span>
    </div>
  )
}
