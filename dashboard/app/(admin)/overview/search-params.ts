import { cacheKinds, requestStatuses } from "@/features/requests/filter-values"
import { rangeParam } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const overviewParams = {
  range: rangeParam("start"),
  compare: oneOf(["previous"], null),
  status: oneOf(requestStatuses, null),
  cache: oneOf(cacheKinds, null),
  provider: anyText,
  model: anyText,
  tenant: anyText,
  key: anyText
}
