/**
 * Fingerprints of many requests in little memory: a field is five characters of a Latin-1 string.
 *
 * Paths are numbered when they are first seen. Callers can make them up (a body may have any field), so there is a bound:
 * what comes after it counts as one field, `(other)`.
 */
import type { Fingerprint } from "./CacheKey.ts"

const pathsMax = 4096
const other = "(other)"

export class CacheFields {
  private readonly paths: Array<string> = [other]
  private readonly numbers = new Map<string, number>([[other, 0]])

  encode(fingerprint: Fingerprint): string {
    const units = new Array<number>(fingerprint.length * 5)
    let at = 0
    for (const [path, hash] of fingerprint) {
      const number = this.numberOf(path)
      units[at++] = number >>> 8
      units[at++] = number & 0xff
      units[at++] = hash >>> 16
      units[at++] = (hash >>> 8) & 0xff
      units[at++] = hash & 0xff
    }
    return String.fromCharCode(...units)
  }

  decode(text: string): Fingerprint {
    const out: Array<readonly [string, number]> = []
    for (let at = 0; at < text.length; at += 5) {
      const unit = (offset: number) => text.charCodeAt(at + offset)
      out.push([this.paths[(unit(0) << 8) | unit(1)]!, (unit(2) << 16) | (unit(3) << 8) | unit(4)])
    }
    return out
  }

  private numberOf(path: string): number {
    const known = this.numbers.get(path)
    if (known !== undefined) return known
    if (this.paths.length >= pathsMax || path.length > 256) return 0
    const number = this.paths.push(path) - 1
    this.numbers.set(path, number)
    return number
  }
}
