import { clsx } from "clsx"
import type { ComponentProps } from "react"

export function Label({ className, ...props }: ComponentProps<"label"> & { htmlFor: string }) {
  return <label className={clsx("text-[13px] font-medium select-none", className)} {...props} />
}
