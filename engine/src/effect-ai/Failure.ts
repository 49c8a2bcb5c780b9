/**
 * Errors of the engine as Effect's `AiError`: the reason that comes closest, with everything else in its metadata.
 *
 * `metadata.millrace` names the engine's error, its fault domain, its status and its provider. Millrace has made all
 * retries already; `isRetryable` says only whether the same call can succeed later.
 */
import { Duration } from "effect"
import * as AiError from "effect/ai/AiError"
import { type EngineError, retryAfterMsOf } from "../Errors.ts"

/** Makes the errors of one method of `LanguageModel` or `EmbeddingModel`. */
export const toAiError =
  (method: string) =>
  (error: EngineError): AiError.AiError =>
    AiError.make({ module: "Millrace", method, reason: reasonOf(error) })

export const reasonOf = (error: EngineError): AiError.AiErrorReason => {
  const description = error.message
  const metadata = metadataOf(error)
  switch (error._tag) {
    case "InvalidRequest":
      return new AiError.InvalidRequestError({
        ...(error.field === "" ? {} : { parameter: error.field }),
        description: error.detail,
        metadata
      })
    case "ModelNotFound":
      return new AiError.InvalidRequestError({ parameter: "model", description, metadata })
    case "ContextWindowExceeded":
      return new AiError.InvalidRequestError({ parameter: "prompt", description, metadata })
    case "RequestRejected":
    case "UnsupportedAbility":
    case "PayloadTooLarge":
    case "UnsupportedMediaType":
      return new AiError.InvalidRequestError({ description, metadata })
    case "ContentFiltered":
      return new AiError.ContentPolicyError({ description, metadata })
    case "AuthenticationFailed":
    case "ProviderAuthFailed":
      return new AiError.AuthenticationError({ kind: "InvalidKey", description, metadata })
    case "PermissionDenied":
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, metadata })
    case "RateLimitExceeded":
    case "QueueFull":
    case "ProviderRateLimited": {
      const retryAfterMs = retryAfterMsOf(error)
      return new AiError.RateLimitError({
        ...(retryAfterMs === undefined ? {} : { retryAfter: Duration.millis(retryAfterMs) }),
        metadata
      })
    }
    case "ProviderQuotaExceeded":
    case "BudgetExceeded":
      return new AiError.QuotaExhaustedError({ metadata })
    case "ProviderInvalidResponse":
      return new AiError.InvalidResponseError({ description, metadata })
    case "ProviderOverloaded":
    case "ProviderServerError":
    case "ProviderTimeout":
    case "ProviderUnreachable":
    case "StreamTruncated":
    case "StreamStalled":
    case "CircuitOpen":
    case "ShuttingDown":
    case "KeysUnavailable":
      return new AiError.InternalProviderError({ description, metadata })
    case "Cancelled":
    case "DeadlineExceeded":
    case "CacheOnlyMiss":
    case "InternalError":
      return new AiError.UnknownError({ description, metadata })
  }
}

type Fields = { [field: string]: string | number | boolean }

const metadataOf = (error: EngineError): { millrace: Fields } => {
  const fields: Fields = {
    kind: error._tag,
    fault: error.fault,
    status: error.status,
    retryable: error.retryable,
    message: error.message
  }
  const retryAfterMs = retryAfterMsOf(error)
  if (retryAfterMs !== undefined) fields["retryAfterMs"] = retryAfterMs
  if ("provider" in error) fields["provider"] = error.provider
  if ("model" in error) fields["model"] = error.model
  if ("upstreamStatus" in error && error.upstreamStatus !== undefined) fields["upstreamStatus"] = error.upstreamStatus
  return { millrace: fields }
}
