"use client"

import { Trash2 } from "lucide-react"
import type { PurgeResult } from "millrace/admin-api"
import { useState } from "react"
import { Confirm } from "@/components/confirm"
import { Button } from "@/components/ui/button"
import { exactCount } from "@/lib/format"
import { useChange } from "@/lib/use-change"
import type { EntryFilters } from "./use-cache"

interface PurgeProps {
  readonly filters: EntryFilters
  /** Entries that match the filters. */
  readonly total: number
  readonly onPurged: (entries: number) => void
}

const entriesText = (entries: number) => `${exactCount(entries)} ${entries === 1 ? "entry" : "entries"}`

/** Removes the entries that match the filters of the list, after a question. */
export function Purge({ filters, total, onPurged }: PurgeProps) {
  const [open, setOpen] = useState(false)
  const change = useChange(["cache-entries", "cache-semantic"])
  const chosen = Object.entries(filters)

  const confirm = async () => {
    const result = await change.run<PurgeResult>({ method: "POST", path: "/api/cache/purge", body: filters })
    if (result === undefined) return
    setOpen(false)
    onPurged(result.purged)
  }

  return (
    <>
      <Button
        size="sm"
        variant="danger"
        disabled={total === 0}
        onClick={() => {
          change.reset()
          setOpen(true)
        }}
      >
        <Trash2 />
        {chosen.length === 0 ? "Purge everything" : "Purge these"}
      </Button>
      <Confirm
        open={open}
        onOpenChange={setOpen}
        title={chosen.length === 0 ? "Purge the whole cache?" : "Purge what fits the filters?"}
        description={
          <p>
            {entriesText(total)}{" "}
            {chosen.length === 0
              ? "of all providers, models and tenants"
              : `with ${chosen.map(([name, value]) => `${name} ${value}`).join(", ")}`}{" "}
            will be removed, from memory and from the store. That can’t be undone.
          </p>
        }
        action={`Purge ${entriesText(total)}`}
        danger
        pending={change.pending}
        failure={change.failure}
        onConfirm={confirm}
      />
    </>
  )
}
