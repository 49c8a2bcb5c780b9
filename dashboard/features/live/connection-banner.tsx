"use client"

import { Unplug } from "lucide-react"
import { Button } from "@/components/ui/button"
import { formatAge } from "@/lib/time"
import { useNow } from "@/lib/use-now"
import { useLive, useRefreshLive } from "./provider"

/** Says that the connection is lost, why, and how old the figures are; goes away when it is back. */
export function ConnectionBanner() {
  const { link, failure, receivedAtMs } = useLive()
  const refresh = useRefreshLive()
  const now = useNow()
  if (link !== "lost" || failure === null) return null
  return (
    <div
      role="alert"
      className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-bad/25 bg-bad/10 px-4 py-2 text-[13px] text-bad-text sm:px-6 lg:px-8"
    >
      <Unplug className="size-4 shrink-0" />
      <span className="font-medium">{failure.message}</span>
      <span className="text-foreground/80">
        {receivedAtMs === null || now === null
          ? "Trying again every second."
          : `Figures are from ${formatAge(now - receivedAtMs)}. Trying again every second.`}
      </span>
      <Button size="xs" className="ml-auto" onClick={refresh}>
        Retry now
      </Button>
    </div>
  )
}
