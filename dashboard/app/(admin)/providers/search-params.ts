import { rangeParam } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const providerParams = {
  range: rangeParam("start"),
  compare: oneOf(["previous"], null),
  /** The one that is shown below the table. */
  provider: anyText,
  model: anyText,
  tenant: anyText,
  key: anyText
}
