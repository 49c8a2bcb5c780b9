import { rangeParam } from "@/features/usage/range"
import { oneOf } from "@/lib/url-state"

export const overviewParams = { range: rangeParam("start"), compare: oneOf(["previous"], null) }
