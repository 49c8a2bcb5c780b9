"use client"

import { FileDown } from "lucide-react"
import { Button } from "@/components/ui/button"
import { useLiveStatus } from "@/features/live/provider"
import { windowOf, type Range } from "@/features/usage/range"
import type { UsageFilters } from "@/features/usage/use-usage"

interface ExportButtonProps {
  readonly range: Range
  readonly filters: UsageFilters
}

/** Saves every request of the range that fits the filters, as the gateway's own export; not only those shown. */
export function ExportButton({ range, filters }: ExportButtonProps) {
  const live = useLiveStatus()
  const start = () => {
    const { fromMs, toMs } = windowOf(range, Date.now(), live.uptimeMs())
    const query = new URLSearchParams({
      ...filters,
      from: String(fromMs),
      ...(toMs === null ? {} : { to: String(toMs) })
    })
    const link = document.createElement("a")
    link.href = `/api/usage/export?${query}`
    link.download = ""
    link.click()
  }
  return (
    <Button size="sm" title="Save every request of this selection as a CSV file" onClick={start}>
      <FileDown />
      Export all
    </Button>
  )
}
