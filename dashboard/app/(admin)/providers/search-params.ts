import { rangeParam } from "@/features/usage/range"
import { anyText } from "@/lib/url-state"

export const providerParams = { range: rangeParam("start"), provider: anyText }
