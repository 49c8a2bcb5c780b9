import { ranges } from "@/features/usage/range"
import { anyText, oneOf } from "@/lib/url-state"

export const providerParams = { range: oneOf(ranges, "start"), provider: anyText }
