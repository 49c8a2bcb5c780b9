"use client"

import { clsx } from "clsx"
import { formatAge } from "@/lib/time"
import { useNow } from "@/lib/use-now"
import { useLive } from "./provider"

const labels = { connecting: "Connecting", live: "Live", polling: "Polling", lost: "No connection" }
const dots = { connecting: "bg-cancelled", live: "bg-good", polling: "bg-warn", lost: "bg-bad" }

/** Whether the figures are fresh, and how old they are when they are not. */
export function ConnectionState() {
  const { link, receivedAtMs } = useLive()
  const now = useNow()
  const age = now === null || receivedAtMs === null ? null : now - receivedAtMs
  return (
    <span className="flex items-center gap-2 text-xs font-medium" data-link={link}>
      <span aria-hidden className={clsx("size-2 rounded-full", dots[link])} />
      <span role="status">{labels[link]}</span>
      {age === null || age < 3000 ? null : <span className="font-normal text-muted">{formatAge(age)}</span>}
    </span>
  )
}
