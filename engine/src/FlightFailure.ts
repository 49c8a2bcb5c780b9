/**
 * When a shared upstream call has failed before its first part: whether a call of a follower's own could end better.
 *
 * The failed call has had its retries, its fallbacks and its wait for pauses, and they would be the same again. So one more
 * is worth its while only after a fault that may pass at any moment, or where the leader's request was refused and the
 * follower's differs from it in what the key leaves out. It decides nothing about how many: `Flight` allows one.
 */
import { createHash } from "node:crypto"
import { type EngineError, retryAfterMsOf } from "./Errors.ts"
import type { Request } from "./Request.ts"

/** Who asked and how, in what requests of one cache key may differ. */
export interface Asked {
  readonly keyId: string | undefined
  /** A hash of the rest, so that a refusal of one is a refusal of both where it is the same. */
  readonly delivery: string
}

export const askedBy = ({ key, metadata, stream, wire }: Request): Asked => ({
  keyId: key?.keyId,
  get delivery() {
    return createHash("sha256")
      .update(JSON.stringify([stream, metadata, wire?.body]))
      .digest("base64url")
  }
})

export const couldEndBetter = (error: EngineError, failed: Asked, own: Asked): boolean => {
  switch (error.fault) {
    case "caller":
      return failed.delivery !== own.delivery
    case "provider":
      return error.retryable && error._tag !== "CircuitOpen" && retryAfterMsOf(error) === undefined
    case "policy":
      // Another key has limits and budgets of its own.
      return failed.keyId !== own.keyId
    case "engine":
      return false
  }
}
