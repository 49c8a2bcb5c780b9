"use client"

import { KeyRound } from "lucide-react"
import type { KeyStatus } from "millrace/admin-api"
import { EmptyState } from "@/components/states"
import { Badge } from "@/components/ui/badge"
import { TimeLeft } from "./time-left"

const reasons: Record<NonNullable<KeyStatus["reason"]>, string> = {
  rejected: "the provider rejected it",
  quota: "its quota is used up",
  "rate-limited": "it is rate limited"
}

interface KeysProps {
  readonly keys: ReadonlyArray<KeyStatus>
  readonly readAtMs: number
}

/** The API keys of a provider by their place in the configuration, and why one rests. */
export function Keys({ keys, readAtMs }: KeysProps) {
  if (keys.length === 0) {
    return (
      <EmptyState icon={KeyRound} title="No API keys">
        <p>This provider is called without one.</p>
      </EmptyState>
    )
  }
  return (
    <ul className="divide-y border-t">
      {keys.map((key) => (
        <li key={key.index} className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 px-5 py-2 text-[13px]">
          <span>Key {key.index + 1}</span>
          <Badge tone={key.state === "ready" ? "good" : "warn"}>{key.state === "ready" ? "Ready" : "Resting"}</Badge>
          {key.reason === null ? null : (
            <span className="text-muted">
              {reasons[key.reason]}
              {key.restMs === null ? null : (
                <>
                  , used again in <TimeLeft ms={key.restMs} readAtMs={readAtMs} />
                </>
              )}
            </span>
          )}
        </li>
      ))}
    </ul>
  )
}
