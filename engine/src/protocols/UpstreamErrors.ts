/**
 * What a provider's failure means: HTTP status, provider type, code and message in, one `EngineError` out.
 *
 * The status decides; type, code and message refine it (a 400 may be a prompt that is too long, a 413 a token limit),
 * and stand in for it where an error comes inside a 200 or inside a stream. Texts of providers can echo keys: they are
 * scrubbed, put on one line and cut at 500 characters, and HTML is never quoted. Nothing here throws or retries.
 */
import { Predicate, Redacted } from "effect"
import * as Errors from "../Errors.ts"
import { isObject, type JsonObject, jsonText, parseJson } from "./Json.ts"
import type { Endpoint, HttpHeaders } from "./Protocol.ts"
import { retryAfterMs } from "./RetryAfter.ts"

/** The words of the provider, taken from any of the error shapes in use. */
export interface UpstreamWords {
  readonly message: string | undefined
  readonly type: string | undefined
  readonly code: string | undefined
  /** An HTTP status that is stated inside the payload. */
  readonly status: number | undefined
}

export type UpstreamErrorKind =
  | "invalid_request"
  | "context_length"
  | "content_filter"
  | "authentication"
  | "permission"
  | "not_found"
  | "request_too_large"
  | "rate_limit"
  | "quota"
  | "overloaded"
  | "server"

/** The error of a non-2xx answer. */
export const fromResponse = (
  status: number,
  headers: HttpHeaders,
  body: string,
  endpoint: Endpoint,
  nowMs?: number
): Errors.EngineError => {
  if (status >= 300 && status < 400) return invalidResponse(endpoint, "a redirect, which is not followed", status)
  const payload = parseJson(body)
  const words = wordsOf(payload)
  return build(kindOf(status, words), endpoint, {
    detail: words.message ?? describeBody(status, body),
    words,
    upstreamStatus: status,
    retryAfterMs: retryAfterMs(headers, payload, nowMs)
  })
}

/** The error that a 2xx body or an event of a stream carries; `status` is the one of the answer, if it is to be kept. */
export const fromPayload = (payload: unknown, endpoint: Endpoint, status?: number): Errors.EngineError => {
  const words = wordsOf(payload)
  return build(kindOf(words.status, words), endpoint, {
    detail: words.message ?? words.code ?? words.type ?? "an error without a message",
    words,
    upstreamStatus: status ?? words.status,
    retryAfterMs: retryAfterMs({}, payload)
  })
}

/** Whether the `error` of an answer says something; some servers have an empty one in every answer. */
export const isStated = (error: unknown): boolean =>
  Predicate.isString(error) ? error !== "" : isObject(error) && Object.keys(error).length > 0

/**
 * Whether an object that came where an answer was due is a failure: one with an `error`, or with bare words such as
 * `{ message, code }`, `{ detail }` or `{ errors: [ … ] }` and no type of its own.
 */
export const isFailure = (payload: JsonObject): boolean => {
  if (isStated(payload["error"]) || payload["object"] === "error") return true
  const { errors, fault, type } = payload
  if (type !== undefined && type !== "error") return false
  return bareWords.some((name) => Predicate.isString(payload[name])) || Array.isArray(errors) || isObject(fault)
}

const bareWords = ["message", "detail", "msg", "error_message"]

/** An answer that is not the protocol's; `detail` is ours and quotes nothing. */
export const invalidResponse = (
  endpoint: Endpoint,
  detail: string,
  upstreamStatus?: number
): Errors.ProviderInvalidResponse =>
  new Errors.ProviderInvalidResponse({ provider: endpoint.provider, model: endpoint.model, detail, upstreamStatus })

export const streamTruncated = (endpoint: Endpoint, detail: string): Errors.StreamTruncated =>
  new Errors.StreamTruncated({ provider: endpoint.provider, model: endpoint.model, detail })

/** What a body that can't be read is, without quoting it. */
export const describeNonJson = (body: string): string => {
  const text = body.slice(0, scrubbedLengthMax)
  if (text.trim() === "") return "an empty body"
  return looksLikeHtml(text) ? "an HTML page instead of JSON" : "a body that is not valid JSON"
}

/**
 * Takes message, type and code out of an error payload: OpenAI's and Anthropic's `{ error: { … } }`, a bare
 * `{ message, code }`, FastAPI's `{ detail }`, `{ error: "text" }`, a list of errors, an error inside an error, Apigee's
 * `{ fault }`, and Google's envelope in an array.
 */
export const wordsOf = (payload: unknown): UpstreamWords => {
  const root: unknown = Array.isArray(payload) ? payload[0] : payload
  if (Predicate.isString(root)) return { ...noWords, message: textOf(root) }
  if (!isObject(root)) return noWords
  const outer = firstOf(root["error"]) ?? firstOf(root["errors"]) ?? root["fault"]
  // A proxy may put the error of what is behind it into its own.
  const nested = isObject(outer) && outer["message"] === undefined ? (outer["error"] ?? outer) : outer
  const error = isObject(nested) ? nested : root
  const details = error["details"]
  const message =
    (Predicate.isString(nested) ? textOf(nested) : undefined) ??
    textOf(error["message"] ?? error["faultstring"]) ??
    textOf(error["detail"]) ??
    textOf(root["message"]) ??
    textOf(error["msg"]) ??
    textOf(error["Message"] ?? error["error_message"])
  return {
    message: message === undefined ? undefined : withRaw(message, error["metadata"]),
    type: (error === root && root["type"] === "error" ? undefined : nameOf(error["type"])) ?? nameOf(error["status"]),
    code: nameOf(error["code"]) ?? (isObject(details) ? nameOf(details["error_code"]) : undefined),
    status:
      statusIn(error["status_code"]) ??
      statusIn(error["status"]) ??
      statusIn(error["code"]) ??
      statusIn(root["status_code"]) ??
      statusIn(root["raw_status_code"])
  }
}

/** The first of a list; anything else, but for null, is itself. */
const firstOf = (value: unknown): unknown => (Array.isArray(value) ? value[0] : (value ?? undefined))

/** Removes what looks like a key, and the configured key itself, puts the text on one line, and bounds its length. */
export const scrub = (text: string, apiKey: Redacted.Redacted | undefined): string => {
  let out = withoutCutWord(text)
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim()
  const key = apiKey === undefined ? undefined : Redacted.value(apiKey)
  if (key !== undefined && key.length >= knownKeyLengthMin) {
    out = out.replaceAll(key, redacted).replaceAll(encodeURIComponent(key.toWellFormed()), redacted)
  }
  for (const pattern of keyPatterns) out = out.replace(pattern, redacted)
  out = out.replace(longToken, (token) => (/\d/.test(token) && /[A-Za-z]/.test(token) ? redacted : token))
  if (out.length > detailLengthMax) out = `${out.slice(0, detailLengthMax - 1)}…`
  return out.toWellFormed()
}

/** The start of a text; a word that would be cut is left out, since half a key has no pattern. */
const withoutCutWord = (text: string): string => {
  if (text.length <= scrubbedLengthMax) return text
  let end = scrubbedLengthMax
  while (end > 0 && /[\w.~+/=*%-]/.test(text.charAt(end - 1))) end--
  return `${text.slice(0, end)}…`
}

const detailLengthMax = 500
const scrubbedLengthMax = 4000
/** A shorter key would be found inside ordinary words. */
const knownKeyLengthMin = 6
const redacted = "[redacted]"

const keyPatterns: ReadonlyArray<RegExp> = [
  /\bBearer\s+[^\s"',;]+/gi,
  /\b(?:sk|pk|rk|gsk|xai|pplx|hf|ghp|gho|nvapi|fw|csk|r8|tgp)[-_][A-Za-z0-9_\-.*]{4,}/gi,
  /\bAIza[A-Za-z0-9_-]{10,}/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+/g,
  /\b[A-Fa-f0-9]{32,}\b/g
]

/** Letters and digits in one long word: no pattern of a provider, but no word of a language either. */
const longToken = /[A-Za-z0-9_-]{40,}/g

const noWords: UpstreamWords = { message: undefined, type: undefined, code: undefined, status: undefined }

const textOf = (value: unknown): string | undefined => {
  if (Predicate.isString(value)) return value.trim() === "" ? undefined : value
  return Predicate.isObjectOrArray(value) ? jsonText(value) : undefined
}

const nameOf = (value: unknown): string | undefined => {
  if (Predicate.isString(value)) return value === "" ? undefined : value
  return Predicate.isNumber(value) ? String(value) : undefined
}

const statusIn = (value: unknown): number | undefined => {
  const status = Predicate.isNumber(value) ? value : Predicate.isString(value) && /^\d{3}$/.test(value) ? +value : 0
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : undefined
}

/** A router such as OpenRouter says no more than "Provider returned error"; the cause is in `metadata.raw`. */
const withRaw = (message: string, metadata: unknown): string => {
  const raw = isObject(metadata) ? metadata["raw"] : undefined
  if (!Predicate.isString(raw) || raw.trim() === "" || looksLikeHtml(raw)) return message
  const inner = parseJson(raw)
  const cause = Predicate.isObjectOrArray(inner) ? withoutRaw(inner) : raw
  return cause === undefined ? message : `${message}: ${cause}`
}

const withoutRaw = (payload: { readonly [key: string]: unknown } | ReadonlyArray<unknown>): string | undefined => {
  const root: unknown = Array.isArray(payload) ? payload[0] : payload
  if (!isObject(root)) return undefined
  const error = root["error"]
  return textOf(isObject(error) ? error["message"] : (error ?? root["message"] ?? root["detail"]))
}

const looksLikeHtml = (text: string): boolean => /<(?:!doctype|html|head|body|center|h1|title|p)\b/i.test(text)

const describeBody = (status: number, body: string): string => {
  const text = body.slice(0, scrubbedLengthMax).trim()
  if (text === "") return `HTTP ${status} with an empty body`
  if (looksLikeHtml(text)) return `HTTP ${status} with an HTML page`
  return /^[[{"]/.test(text) ? `HTTP ${status} without a message` : `HTTP ${status}: ${text.slice(0, 200)}`
}

const quotaWords =
  /insufficient_(?:quota|balance|credit|fund)|billing|exceeded_current_quota|payment_required|out_of_credit/
const quotaMessage =
  /credit balance is too low|insufficient balance|used all available credits|spending limit|out of credits/i
const contextWords = /context_length|context_window|exceed_context|max_context/
const contextMessage =
  /context (?:length|window|size)|context limit|maximum (?:context|prompt length)|prompt exceeds max|range of input length|prompt is too long|input is too long|exceeds? the (?:maximum|max) (?:number of )?(?:input )?tokens|too many (?:input |prompt )?tokens|reduce the length of (?:the|your) (?:messages|prompt|input)/i
const filterWords = /content_?filter|content_policy|responsibleaipolicy|moderation_blocked|prohibited_content|^safety$/
const filterMessage =
  /content management policy|content policy|content filter|usage polic(?:y|ies)|flagged by (?:our|the) (?:safety|moderation)/i
const authWords = /invalid_api_key|authentication_error|unauthorized|unauthenticated|api_key_invalid/
const authMessage = /api key (?:not valid|expired)|invalid api key|incorrect api key/i

/** What a failure is. Without a status (an error inside a 200 or a stream) the provider's words decide alone. */
export const kindOf = (status: number | undefined, words: UpstreamWords): UpstreamErrorKind => {
  const names = `${words.type ?? ""} ${words.code ?? ""}`.toLowerCase()
  const message = words.message ?? ""
  if (status === 402 || quotaWords.test(names)) return "quota"
  if (status === undefined || status < 400) return kindOfWords(names, message)
  if (status < 500 && quotaMessage.test(message)) return "quota"
  switch (status) {
    case 401:
      return "authentication"
    case 403:
      return "permission"
    case 404:
      return "not_found"
    case 408:
    case 425:
      return "server"
    case 413:
      return names.includes("rate_limit") ? "rate_limit" : "request_too_large"
    case 429:
      return "rate_limit"
    case 498:
    case 503:
    case 529:
      return "overloaded"
    default:
      if (status >= 500) return names.includes("overloaded") ? "overloaded" : "server"
      return kindOfRejection(names, message)
  }
}

/** What a 400 or a 422 is about. */
const kindOfRejection = (names: string, message: string): UpstreamErrorKind => {
  if (contextWords.test(names) || contextMessage.test(message)) return "context_length"
  if (filterWords.test(names) || filterMessage.test(message)) return "content_filter"
  if (authWords.test(names) || authMessage.test(message)) return "authentication"
  return "invalid_request"
}

const kindOfWords = (names: string, message: string): UpstreamErrorKind => {
  if (/rate_?limit|too_many_requests|resource_exhausted/.test(names)) return "rate_limit"
  if (/overloaded|unavailable|capacity/.test(names)) return "overloaded"
  if (authWords.test(names)) return "authentication"
  if (/permission|forbidden/.test(names)) return "permission"
  if (/not_found/.test(names)) return "not_found"
  if (/too_large/.test(names)) return "request_too_large"
  const rejection = kindOfRejection(names, message)
  if (rejection !== "invalid_request") return rejection
  return /invalid_request|invalid_argument|bad request|bad_request|tool_use_failed/.test(names) ? rejection : "server"
}

interface Found {
  readonly detail: string
  readonly words: UpstreamWords
  readonly upstreamStatus: number | undefined
  readonly retryAfterMs: number | undefined
}

const build = (kind: UpstreamErrorKind, endpoint: Endpoint, found: Found): Errors.EngineError => {
  const rejected = {
    provider: endpoint.provider,
    model: endpoint.model,
    detail: looksLikeHtml(found.detail) ? "an HTML page" : scrub(found.detail, endpoint.apiKey),
    upstreamStatus: found.upstreamStatus,
    code: found.words.code === undefined ? undefined : scrub(found.words.code, endpoint.apiKey),
    type: found.words.type === undefined ? undefined : scrub(found.words.type, endpoint.apiKey)
  }
  const failed = { ...rejected, retryAfterMs: found.retryAfterMs }
  switch (kind) {
    case "authentication":
    case "permission":
      return new Errors.ProviderAuthFailed(failed)
    case "rate_limit":
      return new Errors.ProviderRateLimited(failed)
    case "quota":
      return new Errors.ProviderQuotaExceeded(failed)
    case "overloaded":
      return new Errors.ProviderOverloaded(failed)
    case "server":
      return new Errors.ProviderServerError(failed)
    case "content_filter":
      return new Errors.ContentFiltered(rejected)
    default:
      return new Errors.RequestRejected({ ...rejected, kind })
  }
}
