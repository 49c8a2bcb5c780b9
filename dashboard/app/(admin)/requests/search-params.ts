import { rangeParam } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const requestStatuses = ["success", "error", "cancelled"] as const
export const cacheKinds = ["hit", "semantic", "coalesced", "miss", "bypass"] as const

export const requestParams = {
  range: rangeParam("24h"),
  status: oneOf(requestStatuses, null),
  cache: oneOf(cacheKinds, null),
  provider: anyText,
  model: anyText,
  tenant: anyText,
  key: anyText,
  errorKind: anyText,
  fault: oneOf(["caller", "policy", "provider", "engine"], null),
  fingerprint: anyText,
  search: anyText,
  id: anyText
}

/** Parameters that are chosen among what requests of the range have. */
export const usedFilters = [
  { name: "model", label: "Model" },
  { name: "tenant", label: "Tenant" },
  { name: "key", label: "Key" }
] as const

/** Parameters that come with links from other pages, and how they are called. */
export const linkedFilters = [
  { name: "errorKind", label: "Error" },
  { name: "fault", label: "Fault of" },
  { name: "fingerprint", label: "Failures like" }
] as const
