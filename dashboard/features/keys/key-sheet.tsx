"use client"

import { Ban, CircleCheck, Pencil, RotateCw, Trash2 } from "lucide-react"
import type { DeletedKey, MadeVirtualKey, VirtualKey, VirtualKeyDetail } from "millrace/admin-api"
import { useState } from "react"
import { Confirm } from "@/components/confirm"
import { Sheet } from "@/components/sheet"
import { ErrorState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Skeleton } from "@/components/ui/skeleton"
import { failureOf } from "@/lib/api"
import { useChange } from "@/lib/use-change"
import { changesOf, draftOf, settingsOf, type KeySettings } from "./draft"
import { KeyDetail } from "./key-detail"
import { KeyForm } from "./key-form"
import { KeyState } from "./key-table"
import { RotateDialog } from "./rotate-dialog"
import { useKey } from "./use-keys"

interface KeySheetProps {
  readonly id: string | null
  readonly onClose: () => void
  readonly onMade: (made: MadeVirtualKey) => void
}

/** One key beside the list, and everything that can be done with it. */
export function KeySheet({ id, onClose, onMade }: KeySheetProps) {
  const query = useKey(id)
  const [editing, setEditing] = useState<string | null>(null)
  const detail = query.data
  const close = () => {
    setEditing(null)
    onClose()
  }
  return (
    <Sheet
      open={id !== null}
      onOpenChange={(open) => {
        if (!open) close()
      }}
      title={
        <span className="flex flex-wrap items-center gap-2">
          {detail?.name ?? "Key"}
          {detail === undefined ? null : <KeyState status={detail.status} />}
        </span>
      }
      description={
        <>
          <span className="font-mono break-all">{id}</span>
          {detail === undefined ? null : <span> · secret …{detail.last4}</span>}
        </>
      }
    >
      {detail !== undefined && !query.isError ? (
        editing === detail.id ? (
          <EditKey key={detail.id} detail={detail} onDone={() => setEditing(null)} />
        ) : (
          <>
            <Actions detail={detail} onEdit={() => setEditing(detail.id)} onMade={onMade} onDeleted={close} />
            <KeyDetail detail={detail} />
          </>
        )
      ) : query.isError ? (
        <ErrorState
          what="The key"
          failure={failureOf(query.error)}
          retrying={query.isFetching}
          onRetry={() => query.refetch()}
        />
      ) : (
        <div className="space-y-3 p-5" role="status" aria-label="Loading the key">
          <Skeleton className="h-24" />
          <Skeleton className="h-40" />
        </div>
      )}
    </Sheet>
  )
}

const addressOf = (id: string) => `/api/keys/${encodeURIComponent(id)}`

/** The settings as a form; what was not changed is not sent. */
function EditKey({ detail, onDone }: { readonly detail: VirtualKeyDetail; readonly onDone: () => void }) {
  const [first] = useState(() => draftOf(detail))
  const { run, pending, failure } = useChange(["keys", "key", "budgets"])
  const save = async (settings: KeySettings) => {
    const changes = changesOf(settingsOf(first).settings, settings)
    if (Object.keys(changes).length === 0) return onDone()
    const changed = await run<VirtualKey>({ method: "PATCH", path: addressOf(detail.id), body: changes })
    if (changed !== undefined) onDone()
  }
  return (
    <KeyForm
      first={first}
      submitLabel="Save the changes"
      pending={pending}
      failure={failure}
      onSubmit={save}
      onCancel={onDone}
    />
  )
}

interface ActionsProps {
  readonly detail: VirtualKeyDetail
  readonly onEdit: () => void
  readonly onMade: (made: MadeVirtualKey) => void
  readonly onDeleted: () => void
}

function Actions({ detail, onEdit, onMade, onDeleted }: ActionsProps) {
  const [asked, setAsked] = useState<"rotate" | "disable" | "delete" | null>(null)
  const { run, pending, failure, reset } = useChange(["keys", "key"])
  // The key itself is not read again once it is gone.
  const deletion = useChange(["keys", "budgets"], { wait: false })
  const path = addressOf(detail.id)
  const ask = (question: typeof asked) => {
    reset()
    deletion.reset()
    setAsked(question)
  }
  const setDisabled = async (disabled: boolean) => {
    const changed = await run<VirtualKey>({ method: "PATCH", path, body: { disabled } })
    if (changed !== undefined) setAsked(null)
  }
  const remove = async () => {
    const deleted = await deletion.run<DeletedKey>({ method: "DELETE", path })
    if (deleted !== undefined) onDeleted()
  }
  return (
    <div role="group" aria-label="Actions" className="flex flex-wrap gap-2 border-b px-5 py-3">
      <Button size="sm" onClick={onEdit}>
        <Pencil />
        Edit
      </Button>
      <Button size="sm" onClick={() => ask("rotate")}>
        <RotateCw />
        Rotate
      </Button>
      {detail.disabled ? (
        <Button size="sm" disabled={pending} onClick={() => setDisabled(false)}>
          <CircleCheck />
          Enable
        </Button>
      ) : (
        <Button size="sm" onClick={() => ask("disable")}>
          <Ban />
          Disable
        </Button>
      )}
      <Button variant="danger" size="sm" onClick={() => ask("delete")}>
        <Trash2 />
        Delete
      </Button>
      {failure === null || asked !== null ? null : (
        <p role="alert" className="w-full text-[13px] text-bad-text">
          {failure.message}
        </p>
      )}
      {asked === "rotate" ? (
        <RotateDialog
          keyToRotate={detail}
          onClose={() => setAsked(null)}
          onMade={(made) => {
            setAsked(null)
            onMade(made)
          }}
        />
      ) : null}
      <Confirm
        open={asked === "disable"}
        onOpenChange={() => ask(null)}
        title={`Disable ${detail.name}?`}
        description="Its calls are refused at once where keys are required, until it is enabled again. Other instances follow within seconds."
        action="Disable the key"
        pending={pending}
        failure={failure}
        onConfirm={() => setDisabled(true)}
      />
      <Confirm
        open={asked === "delete"}
        onOpenChange={() => ask(null)}
        title={`Delete ${detail.name}?`}
        description="All of its secrets end at once, and this can’t be undone. What it has used stays in the usage records under its id."
        action="Delete the key"
        danger
        pending={deletion.pending}
        failure={deletion.failure}
        onConfirm={remove}
      />
    </div>
  )
}
