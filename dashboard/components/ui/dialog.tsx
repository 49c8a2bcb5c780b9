"use client"

import { clsx } from "clsx"
import { AlertDialog, Dialog as Primitive } from "radix-ui"
import type { ReactNode } from "react"

const overlay = "fixed inset-0 z-60 bg-black/40 backdrop-blur-[1px] data-[state=open]:animate-enter"
const content =
  "fixed inset-x-4 top-[8dvh] z-60 mx-auto flex max-h-[84dvh] max-w-lg flex-col overflow-y-auto rounded-xl border bg-surface p-5 shadow-2xl outline-none data-[state=open]:animate-enter"

interface DialogProps {
  readonly open: boolean
  readonly onOpenChange: (open: boolean) => void
  readonly title: ReactNode
  readonly description: ReactNode
  /** Keeps it open when the reader clicks beside it or presses Escape. */
  readonly strict?: boolean
  readonly children?: ReactNode
}

/** A window over the page that holds the focus until it is closed. */
export function Dialog({ open, onOpenChange, title, description, strict = false, children }: DialogProps) {
  const hold = strict ? (event: Event) => event.preventDefault() : undefined
  return (
    <Primitive.Root open={open} onOpenChange={onOpenChange}>
      <Primitive.Portal>
        <Primitive.Overlay className={overlay} />
        <Primitive.Content
          className={content}
          {...(hold === undefined ? {} : { onInteractOutside: hold, onEscapeKeyDown: hold })}
        >
          <Primitive.Title className="text-[15px] font-semibold tracking-tight">{title}</Primitive.Title>
          <Primitive.Description asChild>
            <div className="mt-1.5 text-[13px] text-muted">{description}</div>
          </Primitive.Description>
          {children}
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  )
}

interface QuestionProps {
  readonly open: boolean
  readonly onOpenChange: (open: boolean) => void
  readonly title: ReactNode
  readonly description: ReactNode
  /** The buttons, the one that leaves everything as it is first. */
  readonly children: ReactNode
  readonly className?: string
}

/** A question that must be answered: a click beside it does nothing, and the harmless answer has the focus. */
export function Question({ open, onOpenChange, title, description, children, className }: QuestionProps) {
  return (
    <AlertDialog.Root open={open} onOpenChange={onOpenChange}>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className={overlay} />
        <AlertDialog.Content className={clsx(content, className)}>
          <AlertDialog.Title className="text-[15px] font-semibold tracking-tight">{title}</AlertDialog.Title>
          <AlertDialog.Description asChild>
            <div className="mt-1.5 text-[13px] text-muted">{description}</div>
          </AlertDialog.Description>
          {children}
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}
