import { parseAsString, parseAsStringLiteral } from "nuqs"
import { ranges } from "@/features/usage/range"

export const requestStatuses = ["success", "error", "cancelled"] as const
export const cacheKinds = ["hit", "semantic", "coalesced", "miss", "bypass"] as const

export const requestParams = {
  range: parseAsStringLiteral(ranges).withDefault("24h"),
  status: parseAsStringLiteral(requestStatuses),
  cache: parseAsStringLiteral(cacheKinds),
  provider: parseAsString,
  id: parseAsString
}
