"use client"

import dynamic from "next/dynamic"
import { useState, type ReactNode } from "react"

const Panel = dynamic(() => import("./ui/popover").then((module) => module.Popover), { ssr: false })

interface PopoverProps {
  readonly label: string
  /** The button that opens it; gets the handler and what screen readers need. */
  readonly trigger: (props: { readonly onClick?: () => void; readonly "aria-haspopup": "dialog" }) => ReactNode
  readonly children: (close: () => void) => ReactNode
}

/** A small panel beside a button; its code is loaded when it is first opened. */
export function Popover({ label, trigger, children }: PopoverProps) {
  const [used, setUsed] = useState(false)
  const [open, setOpen] = useState(false)
  const start = () => {
    setUsed(true)
    setOpen(true)
  }
  const idle = trigger({ onClick: start, "aria-haspopup": "dialog" })
  if (!used) return idle
  return (
    <Panel open={open} onOpenChange={setOpen} label={label} trigger={trigger({ "aria-haspopup": "dialog" })}>
      {children(() => setOpen(false))}
    </Panel>
  )
}
