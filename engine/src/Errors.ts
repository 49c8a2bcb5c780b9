/**
 * Every way a call can fail: one closed union, `EngineError`.
 *
 * Each error belongs to one fault domain (law 10): `caller` (the request is wrong), `policy` (a limit of ours said no),
 * `provider` (the upstream failed), `engine` (a bug in Millrace). The domain, the HTTP status and whether a retry can
 * help are derived here and nowhere else. Errors carry numbers with their units and never a key or a prompt.
 */
import { Schema } from "effect"
import { decimal } from "./Money.ts"

/** Who is to blame for a failure. */
export type Fault = "caller" | "policy" | "provider" | "engine"

const text = Schema.String
const optionalText = Schema.optional(Schema.String)
const optionalNumber = Schema.optional(Schema.Number)

/** The request breaks the contract; `field` is a path such as `messages[0].content`. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  field: text,
  detail: text
}) {
  readonly fault = "caller"
  readonly status = 400
  readonly retryable = false
  override get message() {
    return this.field === "" ? this.detail : `${this.field}: ${this.detail}`
  }
}

/** No provider serves the model that was asked for. */
export class ModelNotFound extends Schema.TaggedError<ModelNotFound>()("ModelNotFound", {
  model: text,
  detail: optionalText
}) {
  readonly fault = "caller"
  readonly status = 404
  readonly retryable = false
  override get message() {
    return `model ${JSON.stringify(this.model)} is not known here${this.detail === undefined ? "" : `: ${this.detail}`}`
  }
}

/** `prompt + maxTokens` does not fit the model's context window. All figures are tokens. */
export class ContextWindowExceeded extends Schema.TaggedError<ContextWindowExceeded>()("ContextWindowExceeded", {
  provider: text,
  model: text,
  countedTokens: Schema.Number,
  requestedTokens: Schema.Number,
  allowedTokens: Schema.Number
}) {
  readonly fault = "caller"
  readonly status = 400
  readonly retryable = false
  override get message() {
    return (
      `the prompt has ${this.countedTokens} tokens and ${this.requestedTokens} were requested for the answer, ` +
      `but ${this.model} allows ${this.allowedTokens} in all`
    )
  }
}

/** The provider refused the request as the caller's mistake (HTTP 400, 404, 413, 422). */
export class RequestRejected extends Schema.TaggedError<RequestRejected>()("RequestRejected", {
  provider: text,
  model: text,
  kind: Schema.Literals(["invalid_request", "context_length", "not_found", "request_too_large", "unknown"]),
  detail: text,
  upstreamStatus: optionalNumber,
  code: optionalText,
  type: optionalText
}) {
  readonly fault = "caller"
  readonly retryable = false
  get status(): number {
    if (this.kind === "not_found") return 404
    if (this.kind === "request_too_large") return 413
    return this.upstreamStatus === 422 ? 422 : 400
  }
  override get message() {
    return `${this.provider} rejected the request: ${this.detail}`
  }
}

/** The provider's safety system refused the prompt or the answer. */
export class ContentFiltered extends Schema.TaggedError<ContentFiltered>()("ContentFiltered", {
  provider: text,
  model: text,
  detail: text,
  upstreamStatus: optionalNumber,
  code: optionalText,
  type: optionalText
}) {
  readonly fault = "caller"
  readonly status = 400
  readonly retryable = false
  override get message() {
    return `${this.provider} filtered the content: ${this.detail}`
  }
}

/** The chosen provider can't do what the request asks for, `ability` names it. */
export class UnsupportedAbility extends Schema.TaggedError<UnsupportedAbility>()("UnsupportedAbility", {
  provider: text,
  ability: text
}) {
  readonly fault = "caller"
  readonly status = 400
  readonly retryable = false
  override get message() {
    return `${this.provider} does not support ${this.ability}`
  }
}

/** No valid credential came with the request. */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>()("AuthenticationFailed", {
  detail: text
}) {
  readonly fault = "caller"
  readonly status = 401
  readonly retryable = false
  override get message() {
    return this.detail
  }
}

/** The virtual key may not use the model or the provider; names nothing that was not asked for. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", { detail: text }) {
  readonly fault = "policy"
  readonly status = 403
  readonly retryable = false
  override get message() {
    return this.detail
  }
}

/** The virtual keys could not be read yet, so nobody can be told from anybody. */
export class KeysUnavailable extends Schema.TaggedError<KeysUnavailable>()("KeysUnavailable", {
  retryAfterMs: optionalNumber
}) {
  readonly fault = "policy"
  readonly status = 503
  readonly retryable = true
  override get message() {
    return "the keys of this gateway could not be read yet"
  }
}

/** The body is larger than the server takes. */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  limitBytes: Schema.Number
}) {
  readonly fault = "caller"
  readonly status = 413
  readonly retryable = false
  override get message() {
    return `the body is larger than the limit of ${this.limitBytes} bytes (server.bodyLimit)`
  }
}

/** The body's type or encoding is not one that is read here. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()("UnsupportedMediaType", {
  header: text,
  detail: text
}) {
  readonly fault = "caller"
  readonly status = 415
  readonly retryable = false
  override get message() {
    return `${this.header}: ${this.detail}`
  }
}

/** The caller left before the answer was complete. */
export class Cancelled extends Schema.TaggedError<Cancelled>()("Cancelled", {}) {
  readonly fault = "caller"
  readonly status = 499
  readonly retryable = false
  override get message() {
    return "the caller cancelled the request"
  }
}

/** A limit of this installation would be passed. */
export class RateLimitExceeded extends Schema.TaggedError<RateLimitExceeded>()("RateLimitExceeded", {
  limit: text,
  detail: text,
  retryAfterMs: optionalNumber
}) {
  readonly fault = "policy"
  readonly status = 429
  get retryable() {
    return this.retryAfterMs !== undefined
  }
  override get message() {
    return `${this.limit}: ${this.detail}`
  }
}

/**
 * A budget has no room for what a call may cost. Amounts are dollars or tokens, by `unit`; `left` is what has not been spent,
 * of which calls under way hold `reserved`. `reason` is `unpriced` where the target has no price that could be charged, and
 * `store` where the database of the budgets is away and `onStoreFailure` says to refuse.
 */
export class BudgetExceeded extends Schema.TaggedError<BudgetExceeded>()("BudgetExceeded", {
  budget: text,
  scope: Schema.Literals(["global", "tenant", "key", "model", "provider"]),
  unit: Schema.Literals(["usd", "tokens"]),
  reason: Schema.Literals(["limit", "unpriced", "store"]),
  limit: Schema.Number,
  left: Schema.Number,
  reserved: Schema.Number,
  /** What the call may cost at most; absent where that is not known. */
  needed: optionalNumber,
  /** Milliseconds until the period is over; absent for a budget without periods. */
  resetMs: optionalNumber,
  /** Who is to be asked instead, or what to set, in words. */
  detail: optionalText
}) {
  readonly fault = "policy"
  readonly status = 429
  readonly retryable = false
  get retryAfterMs(): number | undefined {
    return this.resetMs
  }
  override get message() {
    const amount = (value: number) => (this.unit === "usd" ? `${decimal(value)} $` : `${value} tokens`)
    const name = `the budget ${JSON.stringify(this.budget)} (${this.scope})`
    if (this.reason === "unpriced") return `${name} can't be charged: ${this.detail ?? "the target has no price"}`
    const held = this.reserved > 0 ? `, of which calls under way hold ${amount(this.reserved)}` : ""
    const needed = this.needed === undefined ? "" : `, and this call may take ${amount(this.needed)}`
    const reset = this.resetMs === undefined ? "" : `; it resets in ${Math.ceil(this.resetMs / 1000)} s`
    const away = this.reason === "store" ? "; its database can't be asked for more now" : ""
    return `${name} has ${amount(this.left)} of ${amount(this.limit)} left${held}${needed}${away}${reset}`
  }
}

/** The queue of a provider is full. */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", {
  provider: text,
  maxWaiting: Schema.Number,
  retryAfterMs: optionalNumber
}) {
  readonly fault = "policy"
  readonly status = 429
  readonly retryable = true
  override get message() {
    return `${this.maxWaiting} requests already wait for ${this.provider} (queue.maxWaiting)`
  }
}

/** The request's own deadline passed; `where` says what it was waiting for. */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  timeoutMs: Schema.Number,
  where: Schema.Literals(["queue", "attempt", "backoff", "stream"])
}) {
  readonly fault = "policy"
  readonly status = 504
  readonly retryable = false
  override get message() {
    return `the request's timeout of ${this.timeoutMs} ms passed (${this.where})`
  }
}

/** `cache: only` was asked and the cache has no answer (RFC 9111 section 5.2.1.7, only-if-cached). */
export class CacheOnlyMiss extends Schema.TaggedError<CacheOnlyMiss>()("CacheOnlyMiss", {}) {
  readonly fault = "policy"
  readonly status = 504
  readonly retryable = false
  override get message() {
    return "the answer is not in the cache and the request asked for the cache only"
  }
}

/** The server is going down and takes no new calls. */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", { retryAfterMs: optionalNumber }) {
  readonly fault = "policy"
  readonly status = 503
  readonly retryable = true
  override get message() {
    return "the server is shutting down"
  }
}

const upstream = {
  provider: text,
  model: text,
  detail: text,
  upstreamStatus: optionalNumber,
  retryAfterMs: optionalNumber,
  code: optionalText,
  type: optionalText
}

/** The provider does not accept our key (its 401 or 403). Never shown as the caller's 401. */
export class ProviderAuthFailed extends Schema.TaggedError<ProviderAuthFailed>()("ProviderAuthFailed", upstream) {
  readonly fault = "provider"
  readonly status = 502
  readonly retryable = false
  override get message() {
    return `${this.provider} did not accept the configured API key (HTTP ${this.upstreamStatus ?? 401}); check its apiKey`
  }
}

/** The provider's own rate limit was hit (its 429). */
export class ProviderRateLimited extends Schema.TaggedError<ProviderRateLimited>()("ProviderRateLimited", upstream) {
  readonly fault = "provider"
  readonly status = 429
  readonly retryable = true
  override get message() {
    return `${this.provider} is rate limiting: ${this.detail}`
  }
}

/** The account at the provider has no credit or quota left: waiting does not help, another provider does. */
export class ProviderQuotaExceeded extends Schema.TaggedError<ProviderQuotaExceeded>()(
  "ProviderQuotaExceeded",
  upstream
) {
  readonly fault = "provider"
  readonly status = 429
  readonly retryable = false
  override get message() {
    return `${this.provider} reports that the quota is used up: ${this.detail}`
  }
}

/** The provider is over capacity (503 or 529). */
export class ProviderOverloaded extends Schema.TaggedError<ProviderOverloaded>()("ProviderOverloaded", upstream) {
  readonly fault = "provider"
  readonly retryable = true
  get status(): number {
    return this.upstreamStatus === 503 ? 503 : 529
  }
  override get message() {
    return `${this.provider} is overloaded: ${this.detail}`
  }
}

/** The provider failed inside (5xx, or an error inside a 200). */
export class ProviderServerError extends Schema.TaggedError<ProviderServerError>()("ProviderServerError", upstream) {
  readonly fault = "provider"
  readonly status = 502
  readonly retryable = true
  override get message() {
    return `${this.provider} failed: ${this.detail}`
  }
}

/** The first part did not come within the provider's `timeout`. */
export class ProviderTimeout extends Schema.TaggedError<ProviderTimeout>()("ProviderTimeout", {
  provider: text,
  model: text,
  timeoutMs: Schema.Number
}) {
  readonly fault = "provider"
  readonly status = 504
  readonly retryable = true
  override get message() {
    return `${this.provider} did not answer within ${this.timeoutMs} ms`
  }
}

/** No connection: DNS, refused, reset before the answer began. */
export class ProviderUnreachable extends Schema.TaggedError<ProviderUnreachable>()("ProviderUnreachable", {
  provider: text,
  model: text,
  detail: text
}) {
  readonly fault = "provider"
  readonly status = 502
  readonly retryable = true
  override get message() {
    return `${this.provider} could not be reached: ${this.detail}`
  }
}

/** The provider answered with something that is not its protocol: HTML, cut JSON, a wrong content type. */
export class ProviderInvalidResponse extends Schema.TaggedError<ProviderInvalidResponse>()("ProviderInvalidResponse", {
  provider: text,
  model: text,
  detail: text,
  upstreamStatus: optionalNumber
}) {
  readonly fault = "provider"
  readonly status = 502
  readonly retryable = true
  override get message() {
    return `${this.provider} sent an answer that can't be read: ${this.detail}`
  }
}

/** The stream ended without its terminal event (law 3). */
export class StreamTruncated extends Schema.TaggedError<StreamTruncated>()("StreamTruncated", {
  provider: text,
  model: text,
  detail: text
}) {
  readonly fault = "provider"
  readonly status = 502
  readonly retryable = true
  override get message() {
    return `the stream of ${this.provider} ended early: ${this.detail}`
  }
}

/** No part came for the provider's `idleTimeout` in the middle of a stream. */
export class StreamStalled extends Schema.TaggedError<StreamStalled>()("StreamStalled", {
  provider: text,
  model: text,
  idleTimeoutMs: Schema.Number
}) {
  readonly fault = "provider"
  readonly status = 504
  readonly retryable = true
  override get message() {
    return `${this.provider} sent nothing for ${this.idleTimeoutMs} ms`
  }
}

/** The circuit of a provider is open: it failed too often lately. */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", {
  provider: text,
  model: text,
  retryAfterMs: optionalNumber
}) {
  readonly fault = "provider"
  readonly status = 503
  readonly retryable = true
  override get message() {
    return `${this.provider} is paused after too many failures (circuit open)`
  }
}

/** A bug in Millrace. The cause is kept for the logs of the host, not for the caller. */
export class InternalError extends Schema.TaggedError<InternalError>()("InternalError", {
  detail: text,
  cause: Schema.optional(Schema.Defect())
}) {
  readonly fault = "engine"
  readonly status = 500
  readonly retryable = false
  override get message() {
    return this.detail
  }
}

/** The closed union of everything a call can fail with. */
export type EngineError =
  | InvalidRequest
  | ModelNotFound
  | ContextWindowExceeded
  | RequestRejected
  | ContentFiltered
  | UnsupportedAbility
  | AuthenticationFailed
  | PermissionDenied
  | KeysUnavailable
  | PayloadTooLarge
  | UnsupportedMediaType
  | Cancelled
  | RateLimitExceeded
  | BudgetExceeded
  | QueueFull
  | DeadlineExceeded
  | CacheOnlyMiss
  | ShuttingDown
  | ProviderError
  | InternalError

/** The part of the union that comes from an upstream provider. */
export type ProviderError =
  | ProviderAuthFailed
  | ProviderRateLimited
  | ProviderQuotaExceeded
  | ProviderOverloaded
  | ProviderServerError
  | ProviderTimeout
  | ProviderUnreachable
  | ProviderInvalidResponse
  | StreamTruncated
  | StreamStalled
  | CircuitOpen

/** Milliseconds the caller should wait before a retry, when the failure says so. */
export const retryAfterMsOf = (error: EngineError): number | undefined =>
  "retryAfterMs" in error ? error.retryAfterMs : undefined

/** What another provider can heal: every provider fault, and a model that this provider no longer has. */
export const fallsBack = (error: EngineError): boolean =>
  error.fault === "provider" || (error._tag === "RequestRejected" && error.kind === "not_found")
