"use client"

import { Popover as Primitive } from "radix-ui"
import type { ReactNode } from "react"

interface PopoverProps {
  readonly open: boolean
  readonly onOpenChange: (open: boolean) => void
  readonly label: string
  /** The button that opens it. */
  readonly trigger: ReactNode
  readonly children: ReactNode
}

/** A small panel beside the button that opens it. */
export function Popover({ open, onOpenChange, label, trigger, children }: PopoverProps) {
  return (
    <Primitive.Root open={open} onOpenChange={onOpenChange}>
      <Primitive.Trigger asChild>{trigger}</Primitive.Trigger>
      <Primitive.Portal>
        <Primitive.Content
          align="end"
          sideOffset={6}
          collisionPadding={12}
          aria-label={label}
          className="z-50 max-w-[calc(100vw-1.5rem)] rounded-lg border bg-raised p-4 text-[13px] shadow-lg shadow-black/8 outline-none data-[state=open]:animate-enter"
        >
          {children}
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  )
}
