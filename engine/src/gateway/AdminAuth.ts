/**
 * Who may use the admin API: whoever has the token, from anywhere, always.
 *
 * Tokens are compared by their hashes in constant time. Wrong tokens are counted by address; past a bound their address
 * gets 429 for the rest of the minute, but the right token is let in also then. A request without a token is no guess and
 * is not counted. Addresses are those of the connections, since headers can be made up. Tokens are never logged.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { isIPv6 } from "node:net"
import { Redacted } from "effect"
import { LRUCache } from "lru-cache"

export type Admission =
  | { readonly _tag: "Admitted" }
  | { readonly _tag: "Unauthorized" }
  | { readonly _tag: "TooManyRequests"; readonly retryAfterSeconds: number }

export interface AdminAuthOptions {
  readonly token: Redacted.Redacted
  /** Wrong tokens of one address in a minute that are answered with 401. */
  readonly maxFailures: number
}

const windowMs = 60_000

/** Addresses that are remembered; the least recently seen is forgotten first. */
const maxAddresses = 10_000

export class AdminAuth {
  private readonly expected: Buffer
  private readonly maxFailures: number
  private readonly failures = new LRUCache<string, { count: number; readonly untilMs: number }>({ max: maxAddresses })

  constructor(options: AdminAuthOptions) {
    this.expected = digest(Redacted.value(options.token))
    this.maxFailures = options.maxFailures
  }

  accepts(token: string): boolean {
    return timingSafeEqual(digest(token), this.expected)
  }

  /** Judges the `authorization` header of a request from `address`. */
  admit(authorization: string | undefined, address: string, nowMs: number): Admission {
    const token = bearerOf(authorization)
    if (token === undefined) return { _tag: "Unauthorized" }
    if (this.accepts(token)) return { _tag: "Admitted" }
    const source = networkOf(address)
    let failures = this.failures.get(source)
    if (failures === undefined || nowMs >= failures.untilMs) {
      failures = { count: 0, untilMs: nowMs + windowMs }
      this.failures.set(source, failures)
    }
    failures.count += 1
    if (failures.count <= this.maxFailures) return { _tag: "Unauthorized" }
    return { _tag: "TooManyRequests", retryAfterSeconds: Math.ceil((failures.untilMs - nowMs) / 1000) }
  }
}

const digest = (token: string): Buffer => createHash("sha256").update(token).digest()

const bearerOf = (authorization: string | undefined): string | undefined =>
  /^bearer +(\S.*)$/i.exec(authorization ?? "")?.[1]

/** IPv4 addresses by themselves, IPv6 by the /64 that one host is given. */
const networkOf = (address: string): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [head = "", tail] = address.split("%")[0]!.split("::")
  const before = head === "" ? [] : head.split(":")
  const after = tail === undefined || tail === "" ? [] : tail.split(":")
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  return [...before, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, 4).join(":")
}
