/**
 * Errors in Google's shape: `{ "error": { code, message, status, details? } }`, with the words of google.rpc.Code.
 */
import { type EngineError, retryAfterMsOf } from "../Errors.ts"

/** The `error` object of an answer, and of an event in a stream. */
export const googleError = (error: EngineError): { readonly [key: string]: unknown } => {
  const retryAfterMs = error.status === 429 ? retryAfterMsOf(error) : undefined
  return {
    code: error.status,
    message: error.message,
    status: statusWord(error.status),
    ...(retryAfterMs === undefined ? {} : { details: [retryInfo(retryAfterMs)] })
  }
}

const retryInfo = (retryAfterMs: number) => ({
  "@type": "type.googleapis.com/google.rpc.RetryInfo",
  retryDelay: `${Math.ceil(retryAfterMs / 1000)}s`
})

/** Source: google/rpc/code.proto. */
export const statusWord = (status: number): string => {
  switch (status) {
    case 401:
      return "UNAUTHENTICATED"
    case 403:
      return "PERMISSION_DENIED"
    case 404:
      return "NOT_FOUND"
    case 429:
      return "RESOURCE_EXHAUSTED"
    case 499:
      return "CANCELLED"
    case 500:
      return "INTERNAL"
    case 504:
      return "DEADLINE_EXCEEDED"
    default:
      return status < 500 ? "INVALID_ARGUMENT" : "UNAVAILABLE"
  }
}
