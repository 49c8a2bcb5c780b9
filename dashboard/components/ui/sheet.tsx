"use client"

import { clsx } from "clsx"
import { X } from "lucide-react"
import { Dialog } from "radix-ui"
import type { ReactNode } from "react"
import { Button } from "./button"

export interface SheetProps {
  readonly open: boolean
  readonly onOpenChange: (open: boolean) => void
  readonly title: ReactNode
  readonly description: ReactNode
  readonly side?: "left" | "right"
  /** Its widest, as a class. */
  readonly width?: string
  readonly children: ReactNode
}

/** A panel that slides in from the side and holds the focus until it is closed. */
export function Sheet({
  open,
  onOpenChange,
  title,
  description,
  side = "right",
  width = "max-w-2xl",
  children
}: SheetProps) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/30 backdrop-blur-[1px] data-[state=open]:animate-enter" />
        <Dialog.Content
          className={clsx(
            "fixed inset-y-0 z-50 flex w-full flex-col bg-surface shadow-2xl outline-none data-[state=open]:animate-slide",
            side === "right" ? "right-0 border-l" : "left-0 border-r",
            width
          )}
        >
          <header className="flex items-start gap-4 border-b px-5 py-4">
            <div className="min-w-0 grow">
              <Dialog.Title className="text-sm font-semibold tracking-tight">{title}</Dialog.Title>
              <Dialog.Description asChild>
                <div className="mt-0.5 text-xs text-muted">{description}</div>
              </Dialog.Description>
            </div>
            <Dialog.Close asChild>
              <Button variant="ghost" size="icon" aria-label="Close">
                <X />
              </Button>
            </Dialog.Close>
          </header>
          <div className="min-h-0 grow overflow-y-auto">{children}</div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
