/**
 * Failures of an AI SDK model as errors of the engine.
 *
 * The HTTP answer decides where there was one, by the same rules as for every provider. The SDK's errors are told apart
 * by the marks it puts on them, since it is not imported here; texts are scrubbed of what looks like a key, and texts that
 * quote an answer are not repeated.
 */
import { Predicate } from "effect"
import { AIEngineError } from "../AIEngine.ts"
import type { Target } from "../Call.ts"
import {
  type EngineError,
  ProviderAuthFailed,
  ProviderInvalidResponse,
  ProviderServerError,
  ProviderUnreachable,
  RequestRejected,
  UnsupportedAbility
} from "../Errors.ts"
import { isObject, parseJson } from "../protocols/Json.ts"
import type { Endpoint, HttpHeaders } from "../protocols/Protocol.ts"
import { fromPayload, fromResponse, scrub } from "../protocols/UpstreamErrors.ts"

export const toEngineError = (error: unknown, target: Target, nowMs?: number): EngineError => {
  if (!(error instanceof Error)) return fromPayload(error, endpointOf(target))
  if (error instanceof AIEngineError && isEngineError(error.cause)) return error.cause
  const detail = scrub(error.message, undefined)
  switch (markOf(error)) {
    case "APICallError":
      return fromCall(error as Error & Partial<ApiCallError>, target, nowMs)
    case "LoadAPIKeyError":
    case "LoadSettingError":
      return new ProviderAuthFailed({ ...target, detail })
    case "NoSuchModelError":
      return new RequestRejected({ ...target, kind: "not_found", detail })
    case "UnsupportedFunctionalityError":
      return new UnsupportedAbility({ provider: target.provider, ability: abilityOf(error, detail) })
    case "InvalidPromptError":
    case "InvalidArgumentError":
    case "TooManyEmbeddingValuesForCallError":
      return new RequestRejected({ ...target, kind: "invalid_request", detail })
    case "EmptyResponseBodyError":
    case "InvalidResponseDataError":
    case "JSONParseError":
    case "NoContentGeneratedError":
    case "TypeValidationError":
      return new ProviderInvalidResponse({ ...target, detail: "a body that is not the answer the SDK expects" })
    case undefined:
      return new ProviderServerError({ ...target, detail })
  }
}

const marks = [
  "APICallError",
  "EmptyResponseBodyError",
  "InvalidArgumentError",
  "InvalidPromptError",
  "InvalidResponseDataError",
  "JSONParseError",
  "LoadAPIKeyError",
  "LoadSettingError",
  "NoContentGeneratedError",
  "NoSuchModelError",
  "TooManyEmbeddingValuesForCallError",
  "TypeValidationError",
  "UnsupportedFunctionalityError"
] as const

const markOf = (error: Error): (typeof marks)[number] | undefined =>
  marks.find((mark) => Symbol.for(`vercel.ai.error.AI_${mark}`) in error)

interface ApiCallError {
  readonly statusCode: number
  readonly responseHeaders: { readonly [name: string]: string }
  readonly responseBody: string
}

const fromCall = (error: Error & Partial<ApiCallError>, target: Target, nowMs: number | undefined): EngineError => {
  const { responseBody = "", responseHeaders = {}, statusCode } = error
  if (statusCode === undefined) return new ProviderUnreachable({ ...target, detail: codeOf(error.cause) })
  if (statusCode >= 300) {
    return fromResponse(statusCode, lowerCase(responseHeaders), responseBody, endpointOf(target), nowMs)
  }
  const payload = parseJson(responseBody)
  return isObject(payload) && "error" in payload
    ? fromPayload(payload, endpointOf(target), statusCode)
    : new ProviderInvalidResponse({
        ...target,
        detail: "a body that is not the answer the SDK expects",
        upstreamStatus: statusCode
      })
}

/** The code of a failed connection, such as `ECONNREFUSED`; its message may hold the URL. */
const codeOf = (cause: unknown): string => {
  const code = Predicate.hasProperty(cause, "code") ? cause.code : undefined
  if (Predicate.isString(code)) return code
  return Predicate.hasProperty(cause, "cause") ? codeOf(cause.cause) : "the connection failed"
}

const abilityOf = (error: Error, detail: string): string =>
  Predicate.hasProperty(error, "functionality") && Predicate.isString(error.functionality)
    ? error.functionality
    : detail

const isEngineError = (cause: unknown): cause is EngineError =>
  Predicate.hasProperty(cause, "fault") && Predicate.hasProperty(cause, "_tag")

const lowerCase = (headers: { readonly [name: string]: string }): HttpHeaders =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

const endpointOf = ({ model, provider }: Target): Endpoint => ({
  provider,
  model,
  baseUrl: "",
  apiKey: undefined,
  maxTokens: undefined
})
