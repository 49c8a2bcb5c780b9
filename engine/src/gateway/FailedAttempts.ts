/**
 * Wrong credentials, counted by the address that they came from.
 *
 * Past a bound an address is to get 429 for the rest of its minute; whoever asks decides first whether the credential is
 * right, so a right one is never kept out. Addresses are those of the connections, since headers can be made up. It knows
 * no credential.
 */
import { isIPv6 } from "node:net"
import { LRUCache } from "lru-cache"

const windowMs = 60_000

/** Addresses that are remembered; the least recently seen is forgotten first. */
const maxAddresses = 10_000

export class FailedAttempts {
  private readonly max: number
  private readonly counts = new LRUCache<string, { count: number; readonly untilMs: number }>({ max: maxAddresses })

  /** `max` is how many of one address in a minute are only refused. */
  constructor(max: number) {
    this.max = max
  }

  /** Counts one; returns the seconds until the address is heard again when there were too many, else 0. */
  note(address: string, nowMs: number): number {
    const source = networkOf(address)
    let counted = this.counts.get(source)
    if (counted === undefined || nowMs >= counted.untilMs) {
      counted = { count: 0, untilMs: nowMs + windowMs }
      this.counts.set(source, counted)
    }
    counted.count += 1
    return counted.count <= this.max ? 0 : Math.ceil((counted.untilMs - nowMs) / 1000)
  }
}

/** The credential of an `authorization` header of the scheme `Bearer`. */
export const bearerOf = (authorization: string | undefined): string | undefined =>
  authorization === undefined ? undefined : /^bearer +(\S.*)$/i.exec(authorization)?.[1]

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
