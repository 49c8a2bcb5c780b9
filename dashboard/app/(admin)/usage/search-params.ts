import { groupings, tops } from "@/features/usage-explorer/controls"
import { metricNames } from "@/features/usage-explorer/metrics"
import { cacheKinds, requestStatuses } from "@/features/requests/filter-row"
import { rangeParam } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const buckets = ["minute", "hour", "day"] as const

export const usageParams = {
  range: rangeParam("24h"),
  metric: oneOf(metricNames, "requests"),
  groupBy: oneOf(groupings, "model"),
  bucket: oneOf(buckets, null),
  top: oneOf(tops, "5"),
  cumulative: oneOf(["yes"], null),
  compare: oneOf(["previous"], null),
  model: anyText,
  provider: anyText,
  tenant: anyText,
  key: anyText,
  status: oneOf(requestStatuses, null),
  cache: oneOf(cacheKinds, null)
}
