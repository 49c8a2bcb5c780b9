"use client"

import { Tooltip as TooltipPrimitive } from "radix-ui"
import type { ReactNode } from "react"

export const TooltipProvider = TooltipPrimitive.Provider

interface TooltipProps {
  readonly content: ReactNode
  readonly children: ReactNode
}

/** Wraps one element that can take the focus. */
export function Tooltip({ content, children }: TooltipProps) {
  return (
    <TooltipPrimitive.Root>
      <TooltipPrimitive.Trigger asChild>{children}</TooltipPrimitive.Trigger>
      <TooltipPrimitive.Portal>
        <TooltipPrimitive.Content
          sideOffset={6}
          collisionPadding={8}
          className="z-50 max-w-72 rounded-md border bg-raised px-2.5 py-1.5 text-xs shadow-md shadow-black/8 data-[state=delayed-open]:animate-enter"
        >
          {content}
        </TooltipPrimitive.Content>
      </TooltipPrimitive.Portal>
    </TooltipPrimitive.Root>
  )
}
