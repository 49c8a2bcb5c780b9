/**
 * What the Promise door rejects with: an `EngineError` as an ordinary error with plain fields.
 */
import { Cause } from "effect"
import { internalError } from "./Attempt.ts"
import type { ConfigError } from "./Config.ts"
import { Cancelled, type EngineError, type Fault, retryAfterMsOf } from "./Errors.ts"

export class AIEngineError extends Error {
  override readonly name = "AIEngineError"
  /** The tag of the error, such as `RateLimitExceeded`. */
  readonly kind: EngineError["_tag"] | "ConfigError"
  readonly fault: Fault
  /** Whether the same call can succeed later. */
  readonly retryable: boolean
  /** The HTTP status that the gateway answers with. */
  readonly status: number
  /** Milliseconds to wait before a retry. */
  readonly retryAfter: number | undefined
  readonly provider: string | undefined
  readonly model: string | undefined
  /** Attempts that reached a provider. */
  readonly attempts: number

  constructor(error: EngineError | ConfigError, attempts: number) {
    super(error.message, { cause: error })
    if (error._tag === "ConfigError") {
      this.kind = error._tag
      this.fault = "caller"
      this.retryable = false
      this.status = 400
    } else {
      this.kind = error._tag
      this.fault = error.fault
      this.retryable = error.retryable
      this.status = error.status
      this.retryAfter = retryAfterMsOf(error)
      if ("provider" in error) this.provider = error.provider
      if ("model" in error) this.model = error.model
    }
    this.attempts = attempts
  }
}

/** What a call ended with; an interruption is a cancellation, a defect an internal error. */
export const errorOf = (cause: Cause.Cause<EngineError>): EngineError => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return failure.error
  const defect = cause.reasons.find(Cause.isDieReason)
  return defect === undefined ? new Cancelled() : internalError(defect.defect)
}
