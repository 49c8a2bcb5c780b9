/**
 * Errors in OpenAI's shape: `{ "error": { message, type, param, code } }`.
 *
 * `type` and `code` are OpenAI's own words where it has one for the case, so that its SDKs and their users recognise them.
 */
import type { EngineError } from "../Errors.ts"

/** The `error` object of an answer or of an event in a stream. */
export const openAiError = (error: EngineError): Record<string, unknown> => ({
  message: error.message,
  type: typeOf(error),
  param: error._tag === "InvalidRequest" && error.field !== "" ? error.field : null,
  code: codeOf(error)
})

const typeOf = (error: EngineError): string => {
  if (error._tag === "AuthenticationFailed") return "authentication_error"
  if (error._tag === "PermissionDenied") return "permission_error"
  if (error._tag === "ProviderQuotaExceeded") return "insufficient_quota"
  if (error.status === 429) return "rate_limit_error"
  if (error.status === 404) return "not_found_error"
  return error.fault === "caller" ? "invalid_request_error" : error.fault === "policy" ? "policy_error" : "server_error"
}

const codeOf = (error: EngineError): string | null => {
  switch (error._tag) {
    case "ModelNotFound":
      return "model_not_found"
    case "ContextWindowExceeded":
      return "context_length_exceeded"
    case "RequestRejected":
      return error.kind === "context_length" ? "context_length_exceeded" : rejectedCode(error)
    case "ContentFiltered":
      return "content_filter"
    case "AuthenticationFailed":
      return "invalid_api_key"
    case "RateLimitExceeded":
    case "ProviderRateLimited":
    case "QueueFull":
      return "rate_limit_exceeded"
    case "ProviderQuotaExceeded":
    case "BudgetExceeded":
      return "insufficient_quota"
    case "InvalidRequest":
      return null
    default:
      return error._tag.replaceAll(/(?<!^)([A-Z])/g, "_$1").toLowerCase()
  }
}

/** The provider's own code where it is a word; Google's is the status once more. */
const rejectedCode = ({ code, kind }: Extract<EngineError, { readonly _tag: "RequestRejected" }>): string | null =>
  code !== undefined && !/^\d+$/.test(code) ? code : kind === "not_found" ? "model_not_found" : null
