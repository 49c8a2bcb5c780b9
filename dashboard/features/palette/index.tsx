"use client"

import { Search } from "lucide-react"
import dynamic from "next/dynamic"
import { useEffect, useState } from "react"
import { Button } from "@/components/ui/button"

const Palette = dynamic(() => import("./palette").then((module) => module.Palette), { ssr: false })

/** The command palette of the page, and a way to open it; Ctrl or ⌘ with K opens it from anywhere. */
export const usePalette = () => {
  const [open, setOpen] = useState(false)
  const [used, setUsed] = useState(false)
  if (open && !used) setUsed(true)
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return
      event.preventDefault()
      setOpen((before) => !before)
    }
    window.addEventListener("keydown", press)
    return () => window.removeEventListener("keydown", press)
  }, [])
  return {
    start: () => setOpen(true),
    /** Loaded when it is first opened. */
    dialog: used ? <Palette open={open} onOpenChange={setOpen} /> : null
  }
}

interface PaletteButtonProps {
  readonly onClick: () => void
  /** An icon alone. */
  readonly compact?: boolean
}

export function PaletteButton({ onClick, compact = false }: PaletteButtonProps) {
  if (compact) {
    return (
      <Button variant="ghost" size="icon" aria-label="Search or go to" aria-haspopup="dialog" onClick={onClick}>
        <Search />
      </Button>
    )
  }
  return (
    <Button
      size="sm"
      className="w-full justify-start font-normal text-muted"
      aria-haspopup="dialog"
      aria-keyshortcuts="Control+K Meta+K"
      onClick={onClick}
    >
      <Search />
      Search
      <kbd aria-hidden className="ml-auto rounded border bg-subtle px-1.5 font-mono text-[11px] leading-4.5">
        Ctrl K
      </kbd>
    </Button>
  )
}
