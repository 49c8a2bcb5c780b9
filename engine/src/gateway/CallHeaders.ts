/**
 * The `x-millrace-*` headers: what a caller may say with a request, and what an answer tells about its way.
 *
 * A header that makes no sense is a 400 that names it; none is ever ignored in silence. Answers carry no header that
 * depends on another caller's request.
 */
import { Predicate, Result, type Schema } from "effect"
import { isUtf8 } from "node:buffer"
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http"
import { type Call, type CallerLimits, upstreamAttempts } from "../Call.ts"
import { InvalidRequest } from "../Errors.ts"
import { decimal } from "../Money.ts"
import { type CacheMode, defaultTenant, priorityOf, type Request } from "../Request.ts"

/** The part of a request that headers decide. */
export type HeaderOptions = Pick<
  Request,
  | "cacheMode"
  | "cacheTtlMs"
  | "cacheNamespace"
  | "cachePacing"
  | "cacheSemantic"
  | "priority"
  | "timeoutMs"
  | "tenant"
  | "metadata"
>

const defaults: HeaderOptions = {
  cacheMode: "default",
  cacheTtlMs: undefined,
  cacheNamespace: undefined,
  cachePacing: undefined,
  cacheSemantic: undefined,
  priority: priorityOf(undefined),
  timeoutMs: undefined,
  tenant: defaultTenant,
  metadata: undefined
}

const cacheModes: ReadonlySet<string> = new Set<CacheMode>(["default", "refresh", "bypass", "only"])
const nameLengthMax = 256

/** Reads the request headers; fails with the name of the first one that is wrong. */
export const readHeaders = (
  request: Pick<IncomingMessage, "headers" | "headersDistinct">
): Result.Result<HeaderOptions, InvalidRequest> => {
  let options: { -readonly [K in keyof HeaderOptions]: HeaderOptions[K] } | undefined
  for (const name in request.headers) {
    if (!name.startsWith("x-millrace-")) continue
    options ??= { ...defaults }
    const values = request.headersDistinct[name] ?? []
    const problem = values.length === 1 ? readHeader(name, textOf(values[0]!), options) : "came more than once"
    if (problem !== undefined) return Result.fail(new InvalidRequest({ field: name, detail: problem }))
  }
  return Result.succeed(options ?? defaults)
}

/** Node reads headers as Latin-1; who sends more than ASCII means UTF-8. */
const textOf = (value: string): string => {
  if (/^[\x20-\x7e]*$/.test(value)) return value.trim()
  const bytes = Buffer.from(value, "latin1")
  return (isUtf8(bytes) ? bytes.toString("utf8") : value).trim()
}

const readHeader = (
  name: string,
  value: string,
  options: { -readonly [K in keyof HeaderOptions]: HeaderOptions[K] }
): string | undefined => {
  switch (name) {
    case "x-millrace-cache":
      if (!cacheModes.has(value)) return "expected default, refresh, bypass or only"
      options.cacheMode = value as CacheMode
      return undefined
    case "x-millrace-cache-ttl":
      options.cacheTtlMs = milliseconds(value)
      return options.cacheTtlMs === undefined ? "expected milliseconds, more than 0" : undefined
    case "x-millrace-timeout":
      options.timeoutMs = milliseconds(value)
      return options.timeoutMs === undefined ? "expected milliseconds, more than 0" : undefined
    case "x-millrace-cache-namespace":
      if (value === "" || value.length > nameLengthMax) return `expected 1 to ${nameLengthMax} characters`
      options.cacheNamespace = value
      return undefined
    case "x-millrace-cache-pacing":
      if (value !== "instant" && value !== "original") return "expected instant or original"
      options.cachePacing = value
      return undefined
    case "x-millrace-cache-semantic":
      if (value !== "on" && value !== "off") return "expected on or off"
      options.cacheSemantic = value === "on"
      return undefined
    case "x-millrace-tenant":
      if (value === "" || value.length > nameLengthMax) return `expected 1 to ${nameLengthMax} characters`
      options.tenant = value
      return undefined
    case "x-millrace-priority":
      if (value !== "interactive" && value !== "batch" && !/^[0-9]$/.test(value)) {
        return "expected interactive, batch or 0 to 9"
      }
      options.priority = priorityOf(value === "interactive" || value === "batch" ? value : Number(value))
      return undefined
    case "x-millrace-metadata": {
      const metadata = parseObject(value)
      if (metadata === undefined) return "expected a JSON object"
      options.metadata = metadata
      return undefined
    }
    default:
      return "is not a header that Millrace knows"
  }
}

const milliseconds = (value: string): number | undefined =>
  /^\d{1,12}(\.\d{1,6})?$/.test(value) && Number(value) > 0 ? Number(value) : undefined

const parseObject = (value: string): { readonly [key: string]: Schema.Json } | undefined => {
  try {
    const parsed: unknown = JSON.parse(value)
    return Predicate.isObject(parsed) && !Array.isArray(parsed)
      ? (parsed as { readonly [key: string]: Schema.Json })
      : undefined
  } catch {
    return undefined
  }
}

/**
 * The response headers that tell how a call was answered; figures that are not known yet are left out. `lost` is what a
 * whole answer lacks in the caller's dialect.
 */
export const answerHeaders = (
  call: Call,
  out: OutgoingHttpHeaders,
  lost: ReadonlyArray<string> = []
): OutgoingHttpHeaders => {
  const { journal, request } = call
  out["x-millrace-request-id"] = request.id
  const target = journal.target ?? journal.attempts[journal.attempts.length - 1]?.target
  if (target !== undefined) {
    out["x-millrace-provider"] = target.provider
    out["x-millrace-model"] = headerText(target.model)
  }
  out["x-millrace-cache"] = journal.cache
  if (journal.cacheAgeMs !== undefined) out["x-millrace-cache-age"] = Math.floor(journal.cacheAgeMs / 1000)
  if (journal.cacheStale !== undefined) out["x-millrace-cache-stale"] = journal.cacheStale
  if (journal.cacheSimilarity !== undefined) out["x-millrace-cache-similarity"] = journal.cacheSimilarity
  out["x-millrace-attempts"] = upstreamAttempts(journal)
  const omitted = lost.length === 0 ? journal.omitted : [...lost, ...journal.omitted]
  if (omitted.length > 0) out["x-millrace-omitted"] = listText(omitted)
  if (journal.saved?._tag === "Priced") out["x-millrace-saved-usd"] = decimal(journal.saved.usd)
  if (journal.cost?._tag === "Priced") out["x-millrace-cost-usd"] = decimal(journal.cost.usd)
  if (journal.callerLimits !== undefined) limitHeaders(journal.callerLimits, out)
  if (journal.budgetLeftUsd !== undefined) out["x-millrace-budget-left-usd"] = decimal(journal.budgetLeftUsd)
  return out
}

/** The limits of the caller's own tenant, in the form of OpenAI's headers. */
const limitHeaders = ({ requests, tokens }: CallerLimits, out: OutgoingHttpHeaders): void => {
  for (const [name, limit] of [
    ["requests", requests],
    ["tokens", tokens]
  ] as const) {
    if (limit === undefined) continue
    out[`x-ratelimit-limit-${name}`] = limit.limit
    out[`x-ratelimit-remaining-${name}`] = limit.remaining
    out[`x-ratelimit-reset-${name}`] = `${(Math.ceil(limit.resetMs) / 1000).toFixed(3).replace(/\.?0+$/, "")}s`
  }
}

/** Model names come from callers; a header takes printable ASCII only. */
const headerText = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?")

/** Paths, comma-separated; a long list is cut and says so. */
const listText = (paths: ReadonlyArray<string>): string => {
  const text = headerText(paths.join(", "))
  return text.length > listLengthMax ? `${text.slice(0, listLengthMax).replace(/,[^,]*$/, "")}, ...` : text
}

const listLengthMax = 2000
