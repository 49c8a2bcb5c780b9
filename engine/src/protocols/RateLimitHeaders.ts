/**
 * What a provider says about its limits, read into one shape.
 *
 * Headers: OpenAI, Azure, Groq, xAI (`x-ratelimit-limit-requests`), Cerebras and Mistral with the window in the name
 * (`…-tokens-minute`, `…-req-10-second`, `ratelimitbysize-…`), Fireworks (`…-tokens-prompt`), Together (`x-tokenlimit-…`),
 * Anthropic (`anthropic-ratelimit-…-reset` in RFC 3339), OpenRouter (reset as epoch milliseconds) and the drafts of the
 * IETF (draft-ietf-httpapi-ratelimit-headers-05 and -10). Bodies: Google's `google.rpc.QuotaFailure`. Sources are the
 * providers' pages on rate limits and recorded answers. Nonsense is left out; this never throws and never guesses a window
 * for a header that names neither its unit nor what it counts.
 */
import { Predicate } from "effect"
import type { LimitedResource, ReportedLimit } from "../ReportedLimit.ts"
import { isObject } from "./Json.ts"
import type { HttpHeaders } from "./Protocol.ts"

/** Figures of one limit as far as they have been read. */
interface Draft {
  readonly resource: LimitedResource
  /** Named by the header itself; undefined where the provider's custom has to be known. */
  windowMs: number | undefined
  /** True where a header without a unit means a minute by custom. */
  readonly minutely: boolean
  limit: number | undefined
  remaining: number | undefined
  reset: string | undefined
}

type Figure = "limit" | "remaining" | "reset" | "window"

interface Field {
  readonly figure: Figure
  readonly resource: LimitedResource
  readonly windowMs: number | undefined
  readonly minutely: boolean
  /** Headers with the same group tell of the same limit. */
  readonly group: string
}

const minuteMs = 60_000
const dayMs = 86_400_000

/** No window is longer than a month, and no reset is. */
const windowMsMax = 31 * dayMs
const amountMax = 1e15
/** Limits that are read from one answer, and header names that are remembered. */
const limitsMax = 12
const namesMax = 1024

/** The limits that an answer's headers tell of; undefined when they tell of none. `nowMs` stands in for a missing `date`. */
export const rateLimitsOf = (headers: HttpHeaders, nowMs: number): ReadonlyArray<ReportedLimit> | undefined => {
  let drafts: Map<string, Draft> | undefined
  for (const name in headers) {
    const field = fieldOf(name)
    const value = headers[name]
    if (field === undefined || value === undefined) continue
    drafts ??= new Map<string, Draft>()
    let draft = drafts.get(field.group)
    if (draft === undefined) {
      if (drafts.size >= limitsMax) continue
      const { minutely, resource, windowMs } = field
      draft = { resource, windowMs, minutely, limit: undefined, remaining: undefined, reset: undefined }
      drafts.set(field.group, draft)
    }
    read(draft, field.figure, value)
  }
  const structured = headers["ratelimit"]
  const limits: Array<ReportedLimit> = []
  if (drafts !== undefined) {
    for (const draft of drafts.values()) {
      const limit = finished(draft, headers["date"], nowMs)
      if (limit !== undefined) limits.push(limit)
    }
  }
  if (structured !== undefined) limits.push(...policiesOf(structured, headers["ratelimit-policy"]))
  return limits.length === 0 ? undefined : limits
}

/** Google's `QuotaFailure` among the details of an error: each violation names a quota that has nothing left. */
export const quotaFailureOf = (payload: unknown): ReadonlyArray<ReportedLimit> | undefined => {
  const root: unknown = Array.isArray(payload) ? payload[0] : payload
  const error = isObject(root) ? root["error"] : undefined
  const details = isObject(error) ? error["details"] : undefined
  if (!Array.isArray(details)) return undefined
  const limits: Array<ReportedLimit> = []
  for (const detail of details.slice(0, limitsMax) as ReadonlyArray<unknown>) {
    const violations = isObject(detail) ? detail["violations"] : undefined
    if (!Array.isArray(violations)) continue
    for (const violation of violations.slice(0, limitsMax) as ReadonlyArray<unknown>) {
      const limit = isObject(violation) ? violationOf(violation["quotaId"], violation["quotaValue"]) : undefined
      if (limit !== undefined && limits.length < limitsMax) limits.push(limit)
    }
  }
  return limits.length === 0 ? undefined : limits
}

const violationOf = (id: unknown, value: unknown): ReportedLimit | undefined => {
  if (!Predicate.isString(id) || id.length > 200) return undefined
  const per = /Per(Second|Minute|Hour|Day)/.exec(id)
  if (per === null) return undefined
  const resource = /InputToken/i.test(id)
    ? "input-tokens"
    : /OutputToken/i.test(id)
      ? "output-tokens"
      : /Token/i.test(id)
        ? "tokens"
        : "requests"
  return {
    resource,
    windowMs: unitMs[per[1]!.toLowerCase()],
    limit: Predicate.isString(value) ? positive(amountOf(value)) : undefined,
    remaining: 0,
    resetMs: undefined
  }
}

const unitMs: { readonly [unit: string]: number } = {
  second: 1000,
  minute: minuteMs,
  hour: 3_600_000,
  day: dayMs,
  month: 30 * dayMs
}

const counted: { readonly [word: string]: LimitedResource } = {
  requests: "requests",
  req: "requests",
  tokens: "tokens",
  "input-tokens": "input-tokens",
  "tokens-prompt": "input-tokens",
  "output-tokens": "output-tokens",
  "tokens-generated": "output-tokens"
}

const figures: { readonly [word: string]: Figure } = {
  limit: "limit",
  remaining: "remaining",
  reset: "reset",
  renewalperiod: "window"
}

const suffixed =
  /^x-ratelimit-(limit|remaining|reset|renewalperiod)-(requests|req|tokens-prompt|tokens-generated|input-tokens|output-tokens|tokens)(?:-(?:(\d{1,4})-)?(second|minute|hour|day|month))?$/
const anthropic = /^anthropic-ratelimit-(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)$/
const bySize = /^(?:x-)?ratelimitbysize-(limit|remaining|reset)(?:-(second|minute|hour|day|month))?$/
const plain = /^(?:x-)?(rate|token)limit-(limit|remaining|reset)$/

/** Fields of header names that have been seen; names come from servers, so there is a bound. */
const fields = new Map<string, Field | undefined>()

const fieldOf = (name: string): Field | undefined => {
  const known = fields.get(name)
  if (known !== undefined || fields.has(name)) return known
  const field = name.includes("limit") ? parsedName(name) : undefined
  if (fields.size < namesMax) fields.set(name, field)
  return field
}

const parsedName = (name: string): Field | undefined => {
  let match = suffixed.exec(name)
  if (match !== null) {
    const [, figure, word, count, unit] = match
    const windowMs = unit === undefined ? undefined : windowOf(Number(count ?? 1) * unitMs[unit]!)
    return fieldFrom(figure!, counted[word!]!, windowMs, unit === undefined, `${word}/${count}/${unit}`)
  }
  match = anthropic.exec(name)
  if (match !== null) return fieldFrom(match[2]!, counted[match[1]!]!, minuteMs, true, `anthropic/${match[1]}`)
  match = bySize.exec(name)
  if (match !== null) return fieldFrom(match[1]!, "tokens", unitMs[match[2] ?? "minute"], true, `size/${match[2]}`)
  match = plain.exec(name)
  if (match === null) return undefined
  return fieldFrom(match[2]!, match[1] === "rate" ? "requests" : "tokens", undefined, false, `plain/${match[1]}`)
}

const fieldFrom = (
  figure: string,
  resource: LimitedResource,
  windowMs: number | undefined,
  minutely: boolean,
  group: string
): Field => ({ figure: figures[figure]!, resource, windowMs, minutely, group })

const read = (draft: Draft, figure: Figure, value: string): void => {
  switch (figure) {
    case "limit": {
      draft.limit = positive(amountOf(value))
      // `100, 100;w=60` of the fifth draft, and `60;w=10`.
      const window = /;\s*w=(\d{1,8})\b/.exec(value.slice(0, 200))
      if (window !== null) draft.windowMs ??= windowOf(Number(window[1]) * 1000)
      return
    }
    case "remaining":
      draft.remaining = amountOf(value)
      return
    case "reset":
      draft.reset = value.trim()
      return
    case "window": {
      const seconds = amountOf(value)
      if (seconds !== undefined) draft.windowMs ??= windowOf(seconds * 1000)
    }
  }
}

const finished = (draft: Draft, date: string | undefined, nowMs: number): ReportedLimit | undefined => {
  const { limit, reset } = draft
  if (limit === undefined && draft.remaining === undefined) return undefined
  const remaining = draft.remaining === undefined ? undefined : Math.min(draft.remaining, limit ?? Infinity)
  const resetMs = reset === undefined ? undefined : resetMsOf(reset, draft.windowMs, date, nowMs)
  const windowMs = draft.windowMs ?? (draft.minutely ? customaryWindowMs(limit, remaining, resetMs) : undefined)
  return { resource: draft.resource, windowMs, limit, remaining, resetMs }
}

/**
 * A minute, unless the reset shows that it is a day: a bucket fills evenly, so what has been used comes back in its share
 * of the window (Groq counts requests by the day under the name that others use for the minute). A part of a request
 * that has come back already makes the day look shorter.
 */
const customaryWindowMs = (
  limit: number | undefined,
  remaining: number | undefined,
  resetMs: number | undefined
): number => {
  if (resetMs === undefined) return minuteMs
  if (resetMs > 2 * minuteMs) return dayMs
  if (limit === undefined || remaining === undefined || remaining >= limit) return minuteMs
  const fullMs = (resetMs * limit) / (limit - remaining)
  return fullMs > 0.45 * dayMs && fullMs < 1.02 * dayMs ? dayMs : minuteMs
}

/** Milliseconds until a limit is whole again: a duration (`1m30.951s`), seconds, an epoch, or a time of RFC 3339. */
const resetMsOf = (
  text: string,
  windowMs: number | undefined,
  date: string | undefined,
  nowMs: number
): number | undefined => {
  if (text.length > 64) return undefined
  if (/^\d{1,15}(?:\.\d{1,20})?$/.test(text)) {
    const value = Number(text)
    if (value >= 1e11) return resetOf(value - nowMs)
    if (value >= 1e9) return resetOf(value * 1000 - nowMs)
    // Azure gives milliseconds to limits of a minute.
    return resetOf(windowMs !== undefined && value * 1000 > 1.5 * windowMs ? value : value * 1000)
  }
  const durationMs = durationOf(text)
  if (durationMs !== undefined) return resetOf(durationMs)
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text)) return undefined
  const untilMs = Date.parse(text)
  const fromMs = date === undefined ? NaN : Date.parse(date)
  return Number.isNaN(untilMs) ? undefined : resetOf(untilMs - (Number.isNaN(fromMs) ? nowMs : fromMs))
}

const durationUnitsMs: { readonly [unit: string]: number } = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: minuteMs,
  h: 3_600_000,
  d: dayMs
}

/** A duration as Go writes it; undefined for anything else. */
const durationOf = (text: string): number | undefined => {
  const pieces = text.matchAll(/(\d{1,12}(?:\.\d{1,12})?)(ns|us|µs|ms|s|m|h|d)/g)
  let length = 0
  let totalMs = 0
  for (const piece of pieces) {
    if (piece.index !== length) return undefined
    length += piece[0].length
    totalMs += Number(piece[1]) * durationUnitsMs[piece[2]!]!
  }
  return length === 0 || length !== text.length ? undefined : totalMs
}

/** `"default";r=50;t=30` with `"default";q=100;w=60` (draft 10); a policy that names no window says nothing of a rate. */
const policiesOf = (current: string, policy: string | undefined): ReadonlyArray<ReportedLimit> => {
  const policies = itemsOf(policy ?? "")
  const out: Array<ReportedLimit> = []
  for (const [name, parameters] of itemsOf(current)) {
    const remaining = parameters.get("r")
    const limit = positive(policies.get(name)?.get("q"))
    const resetS = parameters.get("t")
    if (remaining === undefined || out.length >= limitsMax) continue
    const windowS = policies.get(name)?.get("w")
    out.push({
      resource: /token/i.test(name) ? "tokens" : "requests",
      windowMs: windowS === undefined ? undefined : windowOf(windowS * 1000),
      limit,
      remaining: Math.min(remaining, limit ?? Infinity),
      resetMs: resetS === undefined ? undefined : resetOf(resetS * 1000)
    })
  }
  return out
}

/** Items of a structured field (RFC 9651) with their whole-numbered parameters. */
const itemsOf = (text: string): Map<string, Map<string, number>> => {
  const items = new Map<string, Map<string, number>>()
  for (const item of text.slice(0, 1000).split(",")) {
    const [name = "", ...rest] = item.split(";")
    const parameters = new Map<string, number>()
    for (const parameter of rest) {
      const match = /^\s*([a-z]{1,8})=(\d{1,15})\s*$/.exec(parameter)
      if (match !== null) parameters.set(match[1]!, Number(match[2]))
    }
    items.set(name.trim(), parameters)
  }
  return items
}

/** The first number of a header; a repeated header is joined with commas. */
const amountOf = (text: string): number | undefined => {
  const match = /^\s*(\d{1,16}(?:\.\d{1,6})?)\s*(?:[,;]|$)/.exec(text)
  if (match === null) return undefined
  const value = Math.floor(Number(match[1]))
  return value <= amountMax ? value : undefined
}

const positive = (value: number | undefined): number | undefined =>
  value === undefined || value <= 0 ? undefined : value

const windowOf = (ms: number): number | undefined => (ms > 0 && ms <= windowMsMax ? ms : undefined)

const resetOf = (ms: number): number | undefined => (ms > windowMsMax ? undefined : Math.max(0, ms))
