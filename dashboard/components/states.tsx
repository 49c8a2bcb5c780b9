"use client"

import { Check, CircleAlert, Copy, LoaderCircle, RotateCw, type LucideIcon } from "lucide-react"
import { useState, type ReactNode } from "react"
import { Button } from "@/components/ui/button"
import type { Failure } from "@/features/gateway/failure"

interface EmptyStateProps {
  readonly icon: LucideIcon
  readonly title: string
  readonly children?: ReactNode
}

/** Nothing is here yet; the children say what to do about it. */
export function EmptyState({ icon: Icon, title, children }: EmptyStateProps) {
  return (
    <div className="flex flex-col items-center gap-3 px-5 py-12 text-center">
      <span className="flex size-10 items-center justify-center rounded-lg border bg-subtle text-muted">
        <Icon className="size-5" />
      </span>
      <p className="font-medium">{title}</p>
      {children === undefined ? null : <div className="max-w-full space-y-3 text-[13px] text-muted">{children}</div>}
    </div>
  )
}

interface ErrorStateProps {
  readonly what: string
  readonly failure: Failure
  readonly retrying: boolean
  readonly onRetry: () => void
}

/** What could not be read, why, and a way to try again. */
export function ErrorState({ what, failure, retrying, onRetry }: ErrorStateProps) {
  return (
    <div role="alert" className="flex flex-col items-center gap-3 px-5 py-12 text-center">
      <span className="flex size-10 items-center justify-center rounded-lg border border-bad/25 bg-bad/10 text-bad-text">
        <CircleAlert className="size-5" />
      </span>
      <p className="font-medium">{what} could not be read</p>
      <p className="max-w-md text-[13px] text-muted">{failure.message}</p>
      <Button size="sm" onClick={onRetry} disabled={retrying}>
        {retrying ? <LoaderCircle className="animate-spin" /> : <RotateCw />}
        Try again
      </Button>
    </div>
  )
}

interface CommandLineProps {
  readonly command: string
  /** What it is, as in `Copy the command`. */
  readonly what?: string
}

/** A line for the terminal, or another text to be copied, with a button that does. */
export function CommandLine({ command, what = "the command" }: CommandLineProps) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(command)
    setCopied(true)
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <div className="flex max-w-full items-start gap-2 rounded-lg border bg-subtle py-1.5 pr-1.5 pl-3 text-left">
      <pre tabIndex={0} className="min-w-0 grow overflow-x-auto py-1.5 font-mono text-xs leading-5 text-foreground">
        {command}
      </pre>
      <Button variant="ghost" size="icon" aria-label={copied ? "Copied" : `Copy ${what}`} onClick={copy}>
        {copied ? <Check className="text-good-text" /> : <Copy />}
      </Button>
    </div>
  )
}
