import { rangeParam } from "@/features/usage/range"
import { anyText } from "@/lib/url-state"

export const errorParams = {
  range: rangeParam("24h"),
  kind: anyText,
  provider: anyText,
  model: anyText,
  tenant: anyText,
  key: anyText,
  /** The fingerprint of the group that is open beside the list. */
  group: anyText,
  /** The request that is open beside it. */
  id: anyText
}
