/**
 * Fingerprints of many requests in little memory: a field is four characters of a Latin-1 string.
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
    const units = new Array<number>(fingerprint.length * 4)
    let at = 0
    for (const [path, hash] of fingerprint) {
      const number = this.numberOf(path)
      units[at++] = number >>> 4
      units[at++] = ((number & 0xf) << 4) | (hash >>> 16)
      units[at++] = (hash >>> 8) & 0xff
      units[at++] = hash & 0xff
    }
    return String.fromCharCode(...units)
  }

  decode(text: string): Fingerprint {
    const out: Array<readonly [string, number]> = []
    for (let at = 0; at < text.length; at += 4) {
      const unit = (offset: number) => text.charCodeAt(at + offset)
      const number = (unit(0) << 4) | (unit(1) >>> 4)
      out.push([this.paths[number]!, ((unit(1) & 0xf) << 16) | (unit(2) << 8) | unit(3)])
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
