import { ranges } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const requestStatuses = ["success", "error", "cancelled"] as const
export const cacheKinds = ["hit", "semantic", "coalesced", "miss", "bypass"] as const

export const requestParams = {
  range: oneOf(ranges, "24h"),
  status: oneOf(requestStatuses, null),
  cache: oneOf(cacheKinds, null),
  provider: anyText,
  model: anyText,
  tenant: anyText,
  key: anyText,
  errorKind: anyText,
  fingerprint: anyText,
  id: anyText
}

/** Parameters that come with links from other pages, and how they are called. */
export const linkedFilters = [
  { name: "model", label: "Model" },
  { name: "tenant", label: "Tenant" },
  { name: "key", label: "Key" },
  { name: "errorKind", label: "Error" },
  { name: "fingerprint", label: "Failures like" }
] as const
