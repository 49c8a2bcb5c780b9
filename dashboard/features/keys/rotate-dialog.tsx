"use client"

import { LoaderCircle } from "lucide-react"
import type { MadeVirtualKey, VirtualKey } from "millrace/admin-api"
import { useState, type SubmitEvent } from "react"
import { Button } from "@/components/ui/button"
import { Dialog } from "@/components/ui/dialog"
import { Field } from "@/components/ui/field"
import { Select } from "@/components/ui/select"
import { issueAt } from "@/features/keys/draft"
import { useChange } from "@/lib/use-change"

interface RotateDialogProps {
  readonly keyToRotate: VirtualKey
  readonly onClose: () => void
  readonly onMade: (made: MadeVirtualKey) => void
}

const hourMs = 3_600_000

const overlaps = [
  { ms: 0, label: "Not at all: it ends at once" },
  { ms: hourMs, label: "1 hour" },
  { ms: 12 * hourMs, label: "12 hours" },
  { ms: 24 * hourMs, label: "1 day" },
  { ms: 7 * 24 * hourMs, label: "7 days" },
  { ms: 30 * 24 * hourMs, label: "30 days" }
]

/** Gives a key a new secret beside those it has, for as long as is chosen. */
export function RotateDialog({ keyToRotate: { id, name, last4 }, onClose, onMade }: RotateDialogProps) {
  const [overlapMs, setOverlapMs] = useState(hourMs)
  const { run, pending, failure } = useChange(["keys", "key"])
  const rotate = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const made = await run<MadeVirtualKey>({
      method: "POST",
      path: `/api/keys/${encodeURIComponent(id)}/rotate`,
      body: { overlapMs }
    })
    if (made !== undefined) onMade(made)
  }
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`Rotate ${name}`}
      description="The key gets a new secret. Its id, settings, limits and budgets stay as they are."
    >
      <form onSubmit={rotate} className="mt-4 space-y-5">
        <Field
          label={`The secret that ends in ${last4} stays valid for`}
          hint="Time for callers to take the new one. At most five secrets of a key are valid at a time."
          error={failure === null ? null : (issueAt(failure.issues ?? [], "overlapMs") ?? failure.message)}
        >
          {(control) => (
            <Select {...control} value={overlapMs} onChange={(event) => setOverlapMs(Number(event.target.value))}>
              {overlaps.map(({ ms, label }) => (
                <option key={ms} value={ms}>
                  {label}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <div className="flex flex-wrap justify-end gap-2">
          <Button size="sm" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" variant="primary" size="sm" disabled={pending}>
            {pending ? <LoaderCircle className="animate-spin" /> : null}
            Make a new secret
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
