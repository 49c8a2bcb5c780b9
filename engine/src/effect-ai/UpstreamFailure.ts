/**
 * Failures of an Effect `LanguageModel` as errors of the engine.
 *
 * The HTTP answer decides where there was one, by the same rules as for every provider; else the reason does. Texts are
 * scrubbed of what looks like a key.
 */
import { Duration, type Redacted } from "effect"
import * as AiError from "effect/ai/AiError"
import type { Target } from "../Call.ts"
import {
  ContentFiltered,
  type EngineError,
  ProviderAuthFailed,
  ProviderInvalidResponse,
  ProviderQuotaExceeded,
  ProviderRateLimited,
  ProviderServerError,
  ProviderUnreachable,
  RequestRejected
} from "../Errors.ts"
import type { Endpoint } from "../protocols/Protocol.ts"
import { fromResponse, scrub } from "../protocols/UpstreamErrors.ts"

export const toEngineError = (error: unknown, target: Target): EngineError => {
  if (!AiError.isAiError(error)) {
    return new ProviderServerError({ ...target, detail: scrub(messageOf(error), undefined) })
  }
  const { reason } = error
  const http = "http" in reason ? reason.http : undefined
  if (http?.response !== undefined && http.response.status >= 400) {
    return fromResponse(http.response.status, plainHeaders(http.response.headers), http.body ?? "", endpointOf(target))
  }
  return fromReason(reason, { ...target, detail: scrub(reason.message, undefined) })
}

const fromReason = (
  reason: AiError.AiErrorReason,
  words: { readonly provider: string; readonly model: string; readonly detail: string }
): EngineError => {
  switch (reason._tag) {
    case "RateLimitError":
      return new ProviderRateLimited({
        ...words,
        retryAfterMs: reason.retryAfter === undefined ? undefined : Duration.toMillis(reason.retryAfter)
      })
    case "QuotaExhaustedError":
      return new ProviderQuotaExceeded(words)
    case "AuthenticationError":
      return new ProviderAuthFailed(words)
    case "ContentPolicyError":
      return new ContentFiltered(words)
    case "InvalidRequestError":
    case "InvalidUserInputError":
    case "ToolConfigurationError":
    case "ToolkitRequiredError":
    case "UnsupportedSchemaError":
      return new RequestRejected({ ...words, kind: "invalid_request" })
    case "InvalidOutputError":
    case "StructuredOutputError":
      return new ProviderInvalidResponse({ ...words, detail: "it does not fit the schema that was asked for" })
    case "InvalidResponseError":
    case "InvalidToolResultError":
    case "ToolNotFoundError":
    case "ToolParameterValidationError":
    case "ToolResultEncodingError":
      return new ProviderInvalidResponse(words)
    case "NetworkError":
      return new ProviderUnreachable({ ...words, detail: reason.reason })
    case "InternalProviderError":
    case "UnknownError":
      return new ProviderServerError(words)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : "it failed without an error")

const plainHeaders = (headers: { readonly [name: string]: string | Redacted.Redacted<string> }) =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (typeof value === "string" ? [[name.toLowerCase(), value]] : []))
  )

const endpointOf = ({ model, provider }: Target): Endpoint => ({
  provider,
  model,
  baseUrl: "",
  apiKey: undefined,
  maxTokens: undefined
})
