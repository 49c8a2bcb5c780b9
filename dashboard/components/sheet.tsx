"use client"

import dynamic from "next/dynamic"
import { useState } from "react"
import type { SheetProps } from "./ui/sheet"

const Panel = dynamic(() => import("./ui/sheet").then((module) => module.Sheet), { ssr: false })

/** A panel from the side; its code is loaded when it is first opened. */
export function Sheet(props: SheetProps) {
  const [used, setUsed] = useState(props.open)
  if (props.open && !used) setUsed(true)
  return used ? <Panel {...props} /> : null
}
