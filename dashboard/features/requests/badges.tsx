import type { CacheKind, RequestItem } from "millrace/admin-api"
import { Badge } from "@/components/ui/badge"

/** How a request ended: quiet when all is well, a failure with its kind. */
export function StatusBadge({ status, errorKind }: Pick<RequestItem, "status" | "errorKind">) {
  if (status === "error") return <Badge tone="bad">{errorKind ?? "Failed"}</Badge>
  if (status === "cancelled") return <Badge tone="neutral">Cancelled</Badge>
  return (
    <span className="inline-flex items-center gap-2">
      <span aria-hidden className="size-1.5 rounded-full bg-good" />
      Success
    </span>
  )
}

export const cacheLabels: Record<CacheKind, string> = {
  hit: "Hit",
  semantic: "Semantic hit",
  coalesced: "Coalesced",
  miss: "Miss",
  bypass: "Bypassed"
}

/** What the cache did. */
export function CacheBadge({ cache }: { readonly cache: CacheKind }) {
  if (cache === "miss" || cache === "bypass") return <span className="text-muted">{cacheLabels[cache]}</span>
  return <Badge tone="cached">{cacheLabels[cache]}</Badge>
}
