"use client"

import type { MadeVirtualKey } from "millrace/admin-api"
import { Sheet } from "@/components/sheet"
import { useChange } from "@/lib/use-change"
import { creationOf, newDraft, type KeySettings } from "./draft"
import { KeyForm } from "./key-form"

interface CreateKeyProps {
  readonly open: boolean
  readonly onClose: () => void
  readonly onMade: (made: MadeVirtualKey) => void
}

/** The form of a new key beside the list. */
export function CreateKey({ open, onClose, onMade }: CreateKeyProps) {
  const { run, pending, failure, reset } = useChange(["keys"])
  const create = async (settings: KeySettings) => {
    const made = await run<MadeVirtualKey>({ method: "POST", path: "/api/keys", body: creationOf(settings) })
    if (made !== undefined) onMade(made)
  }
  const close = () => {
    reset()
    onClose()
  }
  return (
    <Sheet
      open={open}
      onOpenChange={(next) => {
        if (!next) close()
      }}
      title="Create a key"
      description="Its secret is shown once, when it is made."
    >
      <KeyForm
        first={newDraft}
        submitLabel="Create the key"
        pending={pending}
        failure={failure}
        onSubmit={create}
        onCancel={close}
      />
    </Sheet>
  )
}
