/**
 * How long a provider asks to wait, from the headers and the body of its answer.
 *
 * The order is `retry-after-ms`, `retry-after` (seconds or an HTTP date, RFC 9110 section 10.2.3), then Google's
 * `RetryInfo` in the body. A date is counted from the answer's own `date` header, so that the clocks of two machines
 * need not agree. Nonsense gives nothing; this never throws and never guesses from rate-limit headers.
 */
import { Predicate } from "effect"
import { isObject } from "./Json.ts"
import type { HttpHeaders } from "./Protocol.ts"

/** Milliseconds, 0 or more; `payload` is the parsed body, `nowMs` (epoch) stands in for a missing `date` header. */
export const retryAfterMs = (headers: HttpHeaders, payload: unknown, nowMs?: number): number | undefined =>
  numberIn(headers["retry-after-ms"], 1) ??
  numberIn(headers["retry-after"], 1000) ??
  untilDate(headers["retry-after"], headers["date"], nowMs) ??
  retryInfoMs(payload)

/** The first number of a header (a repeated header is joined with commas), times `factor`. */
const numberIn = (header: string | undefined, factor: number): number | undefined => {
  if (header === undefined) return undefined
  const match = /^\s*(\d{1,15}(?:\.\d{1,9})?)\s*(?:,|$)/.exec(header)
  return match === null ? undefined : Math.ceil(Number(match[1]) * factor)
}

const untilDate = (
  header: string | undefined,
  date: string | undefined,
  nowMs: number | undefined
): number | undefined => {
  const until = epochOf(header)
  const from = epochOf(date) ?? nowMs
  return until === undefined || from === undefined ? undefined : Math.max(0, until - from)
}

/** `Date.parse` reads almost anything as a date; an HTTP date has the name of a month in it. */
const epochOf = (header: string | undefined): number | undefined => {
  if (header === undefined || !/[A-Za-z]{3}/.test(header)) return undefined
  const epochMs = Date.parse(header)
  return Number.isNaN(epochMs) ? undefined : epochMs
}

/** `google.rpc.RetryInfo`: `{ "@type": "…RetryInfo", "retryDelay": "12.5s" }` among the details of the error. */
const retryInfoMs = (payload: unknown): number | undefined => {
  const root: unknown = Array.isArray(payload) ? payload[0] : payload
  if (!isObject(root)) return undefined
  const error = root["error"]
  const details = isObject(error) ? error["details"] : undefined
  if (!Array.isArray(details)) return undefined
  for (const detail of details as ReadonlyArray<unknown>) {
    if (!isObject(detail)) continue
    const delay = detail["retryDelay"]
    if (Predicate.isString(delay)) {
      const match = /^(\d{1,12}(?:\.\d{1,9})?)s$/.exec(delay)
      if (match !== null) return Math.ceil(Number(match[1]) * 1000)
    } else if (isObject(delay)) {
      const seconds = Number(delay["seconds"] ?? 0)
      const nanos = Number(delay["nanos"] ?? 0)
      if (seconds >= 0 && nanos >= 0 && seconds + nanos > 0) return Math.ceil(seconds * 1000 + nanos / 1e6)
    }
  }
  return undefined
}
