import { metricNames } from "@/features/usage-explorer/metrics"
import { rangeParam } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const groupings = ["none", "model", "provider", "tenant", "key", "status", "cache"] as const
export const buckets = ["minute", "hour", "day"] as const
export const tops = ["3", "5", "8"] as const
export const requestStatuses = ["success", "error", "cancelled"] as const
export const cacheKinds = ["hit", "semantic", "coalesced", "miss", "bypass"] as const

export const usageParams = {
  range: rangeParam("24h"),
  metric: oneOf(metricNames, "requests"),
  groupBy: oneOf(groupings, "model"),
  bucket: oneOf(buckets, null),
  top: oneOf(tops, "5"),
  cumulative: oneOf(["yes"], null),
  model: anyText,
  provider: anyText,
  tenant: anyText,
  key: anyText,
  status: oneOf(requestStatuses, null),
  cache: oneOf(cacheKinds, null)
}
