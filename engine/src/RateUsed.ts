/**
 * What an attempt has really taken of its limits, read from how it ended.
 *
 * A provider counts a request that it has seen; an attempt that failed before its first part gets its tokens back. However
 * many attempts a call needs, it is one request of its tenant and its key. Pure.
 */
import type { Outcome } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import type { AttemptCall } from "./Stage.ts"
import { totalTokens, zero } from "./Usage.ts"

export interface RateUsed {
  /** Requests at the provider and the model: 1 or 0. */
  readonly requests: number
  /** Requests of the tenant and the key: 1 or 0. */
  readonly own: number
  readonly tokens: number
  /** The part of the tokens that the provider may have counted only at the end. */
  readonly output: number
}

export const usedOf = (call: AttemptCall, outcome: Outcome): RateUsed => {
  const usage = (outcome._tag === "Success" ? outcome.completion : outcome.partial)?.usage ?? zero
  const requests = outcome._tag === "Success" || wasCounted(call, outcome) ? 1 : 0
  const failedBeforeReply = outcome._tag === "Failure" && outcome.partial === undefined
  return { requests, own: failedBeforeReply ? 0 : requests, tokens: totalTokens(usage), output: usage.output }
}

/** A 429 may count as a request; a provider that tells its limits tells that as well. */
const isUncounted = (tag: EngineError["_tag"], told: boolean): boolean =>
  tag === "ProviderUnreachable" || tag === "UnsupportedAbility" || (tag === "ProviderRateLimited" && told)

/** False when nothing was sent, so that the provider can't have counted the request. */
const wasCounted = ({ attempt }: AttemptCall, outcome: Outcome): boolean =>
  attempt.sentAtMs !== undefined &&
  !(outcome._tag === "Failure" && isUncounted(outcome.error._tag, attempt.rateLimits !== undefined))
