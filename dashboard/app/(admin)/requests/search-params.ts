import { ranges } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const requestStatuses = ["success", "error", "cancelled"] as const
export const cacheKinds = ["hit", "semantic", "coalesced", "miss", "bypass"] as const

export const requestParams = {
  range: oneOf(ranges, "24h"),
  status: oneOf(requestStatuses, null),
  cache: oneOf(cacheKinds, null),
  provider: anyText,
  id: anyText
}
