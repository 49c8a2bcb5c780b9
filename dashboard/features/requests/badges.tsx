import type { CacheKind, RequestItem } from "millrace/admin-api"
import { Badge, type Tone } from "@/components/ui/badge"

const outcomes: Record<RequestItem["status"], { readonly tone: Tone; readonly label: string }> = {
  success: { tone: "good", label: "Success" },
  error: { tone: "bad", label: "Failed" },
  cancelled: { tone: "neutral", label: "Cancelled" }
}

/** How a request ended; a failure with its kind. */
export function StatusBadge({ status, errorKind }: Pick<RequestItem, "status" | "errorKind">) {
  const { tone, label } = outcomes[status]
  return <Badge tone={tone}>{status === "error" && errorKind !== null ? errorKind : label}</Badge>
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
