import { parseAsStringLiteral } from "nuqs"
import { ranges } from "@/features/usage/range"

export const overviewParams = { range: parseAsStringLiteral(ranges).withDefault("start") }
