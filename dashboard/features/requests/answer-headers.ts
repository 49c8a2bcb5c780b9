/**
 * The headers that a caller of the gateway got with its answer, as far as the record of the request tells.
 *
 * A streamed answer sends its headers with the first part, when its cost is not known yet. What depended on the moment
 * (limits and budgets that were left, when to come back) is in no record.
 */
import type { RequestDetail } from "millrace/admin-api"

export interface AnswerHeader {
  readonly name: string
  readonly value: string
}

/** Headers of an answer that no record keeps. */
export const unkeptHeaders = [
  "retry-after",
  "x-millrace-omitted",
  "x-millrace-cache-stale",
  "x-millrace-budget-left-usd",
  "x-ratelimit-*"
] as const

export const answerHeaders = (request: RequestDetail): ReadonlyArray<AnswerHeader> => {
  const { cache, cacheAgeMs, cacheSimilarity, costUsd, fault, model, provider, savedUsd, status, stream } = request
  const served = cache === "hit" || cache === "semantic" || cache === "coalesced"
  const answered = served || request.attemptDetails.length > 0
  // What fails before its first part has no stream: its headers come with the error.
  const whole = !stream || request.ttftMs === null
  const headers: ReadonlyArray<readonly [string, string | null]> = [
    ["id", request.id],
    ["provider", answered ? provider : null],
    ["model", answered && model !== null ? model.replaceAll(/[^\x20-\x7e]/g, "?") : null],
    ["cache", cache],
    ["cache-age", cacheAgeMs === null ? null : String(Math.floor(cacheAgeMs / 1000))],
    ["cache-similarity", cacheSimilarity === null ? null : String(cacheSimilarity)],
    ["attempts", String(request.attempts)],
    ["saved-usd", whole && served && savedUsd !== null ? decimal(savedUsd) : null],
    ["cost-usd", whole && status === "success" && costUsd !== null ? decimal(costUsd) : null],
    ["fault", status === "error" ? fault : null]
  ]
  return headers.flatMap(([name, value]) =>
    value === null ? [] : [{ name: `x-millrace-${name === "id" ? "request-id" : name}`, value }]
  )
}

/** Dollars to the picodollar, without an exponent and trailing zeros. */
const decimal = (usd: number): string => usd.toFixed(12).replace(/\.?0+$/, "")
