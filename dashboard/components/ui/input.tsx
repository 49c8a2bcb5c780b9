import { clsx } from "clsx"
import type { ComponentProps } from "react"

const field =
  "w-full rounded-md border border-border-strong/70 bg-surface text-[13px] placeholder:text-muted disabled:opacity-50 aria-invalid:border-bad focus-visible:border-ring focus-visible:outline-3 focus-visible:outline-offset-0 focus-visible:outline-ring/35"

export function Input({ className, ...props }: ComponentProps<"input">) {
  return <input className={clsx(field, "h-9 px-3", className)} {...props} />
}

export function Textarea({ className, ...props }: ComponentProps<"textarea">) {
  return (
    <textarea
      className={clsx(field, "block field-sizing-content max-h-72 resize-none px-3 py-2", className)}
      {...props}
    />
  )
}
