"use client"

import { TriangleAlert } from "lucide-react"
import type { MadeVirtualKey } from "millrace/admin-api"
import { CommandLine } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Dialog } from "@/components/ui/dialog"
import { formatFull } from "@/lib/time"

interface SecretDialogProps {
  readonly made: MadeVirtualKey | null
  readonly gateway: string
  readonly onClose: () => void
}

/** A new secret, once: it is on no other page and in no other answer, so only its button closes this. */
export function SecretDialog({ made, gateway, onClose }: SecretDialogProps) {
  if (made === null) return null
  const before = made.secrets.filter(({ expiresAt }) => expiresAt !== null)
  return (
    <Dialog
      open
      onOpenChange={onClose}
      strict
      title={`The secret of ${made.name}`}
      description={
        <span className="flex items-start gap-2 text-warn-text">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          Copy it now. It is shown this once, and nobody can read it again: whoever loses it rotates the key.
        </span>
      }
    >
      <div className="mt-4 space-y-4">
        <div data-secret>
          <CommandLine command={made.key} what="the key" />
        </div>
        {before.map(({ last4, expiresAt }) => (
          <p key={last4} className="text-[13px] text-muted">
            The secret that ends in {last4} stays valid until {formatFull(Date.parse(expiresAt!))}.
          </p>
        ))}
        <div>
          <p className="mb-1.5 text-[13px] text-muted">Callers send it with every request:</p>
          <CommandLine command={`curl ${gateway}/v1/models \\\n  -H "authorization: Bearer $MILLRACE_KEY"`} />
        </div>
      </div>
      <div className="mt-5 flex justify-end">
        <Button variant="primary" size="sm" onClick={onClose}>
          I have saved it
        </Button>
      </div>
    </Dialog>
  )
}
