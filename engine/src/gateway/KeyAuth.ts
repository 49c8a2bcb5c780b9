/**
 * Whose virtual key a request came with, and whether it is let in.
 *
 * A key comes as `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or `?key=`; they are one and the same, and of several
 * the first that is valid counts. Where keys are not required, what is no valid key is ignored, since SDKs insist on sending
 * one. Where they are, everything but health needs one, and wrong ones are counted by address; a valid one is let in always.
 * Keys are quoted nowhere, and `?key=` is taken out of the URL before anybody else sees it.
 */
import type { IncomingMessage } from "node:http"
import type { Redacted } from "effect"
import { AuthenticationFailed, KeysUnavailable, RateLimitExceeded } from "../Errors.ts"
import type { Grant } from "../Grant.ts"
import type { Authentication, Keys } from "../Keys.ts"
import { AdminAuth } from "./AdminAuth.ts"
import { bearerOf, FailedAttempts } from "./FailedAttempts.ts"

export interface KeyAuthOptions {
  readonly keys: Pick<Keys["Service"], "authenticate" | "health" | "required">
  /** Lets in to the metrics too. */
  readonly adminToken: Redacted.Redacted
  /** Wrong keys of one address in a minute that are answered with 401, 50 by default; more get 429. */
  readonly maxFailures?: number | undefined
}

export type KeyError = AuthenticationFailed | KeysUnavailable | RateLimitExceeded

export type KeyAdmission =
  /** The grant is undefined where nobody asks for a key and no valid one came. */
  | { readonly _tag: "Admitted"; readonly grant: Grant | undefined }
  | { readonly _tag: "Refused"; readonly error: KeyError }

const nobody: KeyAdmission = { _tag: "Admitted", grant: undefined }
const retryAfterMs = 1000

export class KeyAuth {
  private readonly keys: KeyAuthOptions["keys"]
  private readonly admin: AdminAuth
  private readonly failures: FailedAttempts

  constructor({ adminToken, keys, maxFailures = 50 }: KeyAuthOptions) {
    this.keys = keys
    this.admin = new AdminAuth({ token: adminToken, maxFailures })
    this.failures = new FailedAttempts(maxFailures)
  }

  /** Judges a request whose `?key=` was `queryKey`. */
  admit(request: IncomingMessage, queryKey: string | undefined, nowMs: number): KeyAdmission {
    const { headers } = request
    let refused: Authentication | undefined
    const { authorization, "x-api-key": apiKey, "x-goog-api-key": googleKey } = headers
    for (const presented of [bearerOf(authorization), apiKey, googleKey, queryKey]) {
      if (typeof presented !== "string" || presented === "") continue
      const found = this.keys.authenticate(presented.trim(), nowMs)
      if (found._tag === "Granted") return { _tag: "Admitted", grant: found.grant }
      if (refused === undefined || isUnknown(refused)) refused = found
    }
    return this.keys.required() ? { _tag: "Refused", error: this.errorOf(refused, request, nowMs) } : nobody
  }

  /** The same for the metrics, which the admin token may read as well. */
  admitToMetrics(request: IncomingMessage, queryKey: string | undefined, nowMs: number): KeyAdmission {
    if (!this.keys.required()) return nobody
    const token = bearerOf(request.headers.authorization)
    return token !== undefined && this.admin.accepts(token) ? nobody : this.admit(request, queryKey, nowMs)
  }

  /** Nobody is told whether a key is unknown or malformed; whoever has the secret of one may hear what became of it. */
  private errorOf(refused: Authentication | undefined, request: IncomingMessage, nowMs: number): KeyError {
    if (!this.keys.health().loaded) return new KeysUnavailable({ retryAfterMs })
    if (refused?._tag !== "Refused") return new AuthenticationFailed({ detail: missing })
    if (!isUnknown(refused)) return new AuthenticationFailed({ detail: refused.reason === "disabled" ? off : over })
    const seconds = this.failures.note(request.socket.remoteAddress ?? "", nowMs)
    if (seconds === 0) return new AuthenticationFailed({ detail: wrong })
    return new RateLimitExceeded({
      limit: "failed authentications",
      detail: `too many wrong keys came from this address; try again in ${seconds} s`,
      retryAfterMs: seconds * 1000
    })
  }
}

const missing = "a key is needed here: send it as Authorization: Bearer <key>, x-api-key, x-goog-api-key or ?key=<key>"
const wrong = "the key that came with the request is not valid"
const off = "the key that came with the request is disabled"
const over = "the key that came with the request has expired"

const isUnknown = (found: Authentication): boolean => found._tag === "Refused" && found.reason === "unknown"

/** A query without its `key`, and that key. */
export const withoutKey = (query: string): { readonly query: string; readonly key: string | undefined } => {
  if (!query.includes("key=")) return { query, key: undefined }
  let key: string | undefined
  const rest = query.split("&").filter((field) => {
    if (!field.startsWith("key=")) return true
    key ??= field.slice("key=".length)
    return false
  })
  return { query: rest.join("&"), key }
}
