"use client"

import { formatAge } from "@/lib/time"
import { useNow } from "@/lib/use-now"

/** How long ago figures were read; nothing before the first ones are there. */
export function Age({ atMs }: { readonly atMs: number }) {
  const now = useNow()
  return now === null || atMs === 0 ? null : <span data-age={atMs}>updated {formatAge(now - atMs)}</span>
}
