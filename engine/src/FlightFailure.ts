/**
 * When a shared upstream call has failed before its first part: whether a call of a follower's own could end better.
 *
 * The failed call has had its retries, its fallbacks and its wait for pauses, and they would be the same again. So one more
 * is worth its while only after a fault that may pass at any moment, or where the leader's request was refused and the
 * follower's differs from it in what the key leaves out. It decides nothing about how many: `Flight` allows one.
 */
import { type EngineError, retryAfterMsOf } from "./Errors.ts"
import type { Request } from "./Request.ts"

export const couldEndBetter = (error: EngineError, failed: Request, own: Request): boolean => {
  switch (error.fault) {
    case "caller":
      return !sameDelivery(failed, own)
    case "provider":
      return error.retryable && error._tag !== "CircuitOpen" && retryAfterMsOf(error) === undefined
    case "policy":
      // Another key has limits and budgets of its own.
      return failed.key?.keyId !== own.key?.keyId
    case "engine":
      return false
  }
}

/** Whether requests of one key agree in the rest too, so that a refusal of one is a refusal of both. */
const sameDelivery = (a: Request, b: Request): boolean =>
  a.stream === b.stream && JSON.stringify([a.metadata, a.wire?.body]) === JSON.stringify([b.metadata, b.wire?.body])
