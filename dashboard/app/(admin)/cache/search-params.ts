import { entrySorts } from "@/features/cache/use-cache"
import { rangeParam } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const cacheParams = {
  range: rangeParam("start"),
  compare: oneOf(["previous"], null),
  sort: oneOf(entrySorts, "hits"),
  provider: anyText,
  model: anyText,
  tenant: anyText,
  namespace: anyText,
  key: anyText,
  a: anyText,
  b: anyText
}
