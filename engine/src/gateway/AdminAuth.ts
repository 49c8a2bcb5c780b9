/**
 * Who may use the admin API: whoever has the token, from anywhere, always.
 *
 * Tokens are compared by their hashes in constant time. Wrong tokens are counted by address; past a bound their address
 * gets 429 for the rest of the minute, but the right token is let in also then. A request without a token is no guess and
 * is not counted. Tokens are never logged.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"
import { bearerOf, FailedAttempts } from "./FailedAttempts.ts"

export type Admission =
  | { readonly _tag: "Admitted" }
  | { readonly _tag: "Unauthorized" }
  | { readonly _tag: "TooManyRequests"; readonly retryAfterSeconds: number }

export interface AdminAuthOptions {
  readonly token: Redacted.Redacted
  /** Wrong tokens of one address in a minute that are answered with 401. */
  readonly maxFailures: number
}

export class AdminAuth {
  private readonly expected: Buffer
  private readonly failures: FailedAttempts

  constructor(options: AdminAuthOptions) {
    this.expected = digest(Redacted.value(options.token))
    this.failures = new FailedAttempts(options.maxFailures)
  }

  accepts(token: string): boolean {
    return timingSafeEqual(digest(token), this.expected)
  }

  /** Judges the `authorization` header of a request from `address`. */
  admit(authorization: string | undefined, address: string, nowMs: number): Admission {
    const token = bearerOf(authorization)
    if (token === undefined) return { _tag: "Unauthorized" }
    if (this.accepts(token)) return { _tag: "Admitted" }
    const retryAfterSeconds = this.failures.note(address, nowMs)
    return retryAfterSeconds === 0 ? { _tag: "Unauthorized" } : { _tag: "TooManyRequests", retryAfterSeconds }
  }
}

const digest = (token: string): Buffer => createHash("sha256").update(token).digest()
