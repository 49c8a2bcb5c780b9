import { rangeParam } from "@/features/usage/range"
import { cacheKinds, requestStatuses } from "@/features/requests/filter-row"
import { faults } from "@/features/requests/faults"
import { anyText, oneOf } from "@/lib/url-state"

export const requestParams = {
  range: rangeParam("24h"),
  status: oneOf(requestStatuses, null),
  cache: oneOf(cacheKinds, null),
  provider: anyText,
  model: anyText,
  tenant: anyText,
  key: anyText,
  errorKind: anyText,
  fault: oneOf(faults, null),
  fingerprint: anyText,
  search: anyText,
  id: anyText
}

/** Parameters that come with links from other pages, and how they are called. */
export const linkedFilters = [
  { name: "errorKind", label: "Error" },
  { name: "fingerprint", label: "Failures like" }
] as const
