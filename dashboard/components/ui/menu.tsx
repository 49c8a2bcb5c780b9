"use client"

import { clsx } from "clsx"
import type { LucideIcon } from "lucide-react"
import { DropdownMenu } from "radix-ui"
import type { ReactNode } from "react"

export interface MenuItem {
  readonly label: string
  readonly icon: LucideIcon
  readonly onSelect: () => void
  readonly danger?: boolean
}

/** Actions behind a button. */
export function Menu({ items, children }: { readonly items: ReadonlyArray<MenuItem>; readonly children: ReactNode }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{children}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          sideOffset={4}
          className="z-50 min-w-40 rounded-lg border bg-raised p-1 shadow-lg shadow-black/8 data-[state=open]:animate-enter"
        >
          {items.map(({ label, icon: Icon, onSelect, danger }) => (
            <DropdownMenu.Item
              key={label}
              onSelect={onSelect}
              className={clsx(
                "flex h-8 cursor-pointer items-center gap-2 rounded-md px-2 text-[13px] outline-none select-none data-highlighted:bg-subtle",
                danger && "text-bad-text"
              )}
            >
              <Icon className="size-4" />
              {label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}
