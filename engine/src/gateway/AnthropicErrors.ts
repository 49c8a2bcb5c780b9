/**
 * Errors in Anthropic's shape: `{ "type": "error", "error": { type, message }, "request_id" }`.
 *
 * `type` is Anthropic's own word for the status, so that its SDKs make the same exception of it. A thread that can't be held
 * has the details by which they send the whole conversation instead.
 */
import type { EngineError } from "../Errors.ts"

/** The body of an error answer, and the data of an `error` event. */
export const anthropicError = (error: EngineError, requestId: string | undefined): string =>
  JSON.stringify({
    type: "error",
    error: { type: typeOf(error), message: error.message, ...detailsOf(error) },
    ...(requestId === undefined ? {} : { request_id: requestId })
  })

/** Conversations that Anthropic holds between turns. */
export const threadAbility = "message threads (thread)"

const detailsOf = (error: EngineError): object =>
  error._tag === "UnsupportedAbility" && error.ability.includes(threadAbility)
    ? { details: { error_code: "thread_unsupported_request", unsupported: ["thread"] } }
    : {}

/** Source: the errors page of Anthropic's API reference. */
const typeOf = (error: EngineError): string => {
  if (error._tag === "ProviderQuotaExceeded") return "billing_error"
  switch (error.status) {
    case 401:
      return "authentication_error"
    case 403:
      return "permission_error"
    case 404:
      return "not_found_error"
    case 413:
      return "request_too_large"
    case 429:
      return "rate_limit_error"
    case 503:
    case 529:
      return "overloaded_error"
    case 504:
      return "timeout_error"
    default:
      return error.status < 500 ? "invalid_request_error" : "api_error"
  }
}
