import { ranges } from "@/features/usage/range"
import { oneOf } from "@/lib/url-state"

export const overviewParams = { range: oneOf(ranges, "start") }
