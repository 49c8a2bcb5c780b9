"use client"

import { LoaderCircle } from "lucide-react"
import { AlertDialog } from "radix-ui"
import type { ReactNode } from "react"
import { Button, buttonVariants } from "@/components/ui/button"
import { Question } from "@/components/ui/dialog"
import type { Failure } from "@/features/gateway/failure"

interface ConfirmProps {
  readonly open: boolean
  readonly onOpenChange: (open: boolean) => void
  readonly title: ReactNode
  /** What happens then, and whether it can be undone. */
  readonly description: ReactNode
  /** The verb of what is done: `Delete the key`. */
  readonly action: string
  readonly danger?: boolean
  readonly pending: boolean
  readonly failure: Failure | null
  /** Choices that the action takes. */
  readonly children?: ReactNode
  readonly onConfirm: () => void
}

/** Asks before something is changed that is not easily undone; stays open while it runs and when it fails. */
export function Confirm({
  open,
  onOpenChange,
  title,
  description,
  action,
  danger = false,
  pending,
  failure,
  children,
  onConfirm
}: ConfirmProps) {
  return (
    <Question open={open} onOpenChange={onOpenChange} title={title} description={description}>
      {children}
      {failure === null ? null : (
        <p role="alert" className="mt-3 text-[13px] text-bad-text">
          {failure.message}
        </p>
      )}
      <div className="mt-5 flex flex-wrap justify-end gap-2">
        <AlertDialog.Cancel className={buttonVariants({ size: "sm" })}>Cancel</AlertDialog.Cancel>
        <Button variant={danger ? "danger" : "primary"} size="sm" disabled={pending} onClick={onConfirm}>
          {pending ? <LoaderCircle className="animate-spin" /> : null}
          {action}
        </Button>
      </div>
    </Question>
  )
}
