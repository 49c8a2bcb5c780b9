/**
 * Which slot of the cache a key has: a hash table of 192-bit keys, cut into small tables.
 *
 * The keys are hashes already, so their own bits say where they stand. Each table grows by itself, from 8 places on, and
 * is never more than two thirds full; so no growth moves more than a few thousand keys, however many there are in all.
 */
import { keyLength } from "./CacheKey.ts"

const segmentBits = 10
const segmentSize = 1 << segmentBits
const segmentMask = segmentSize - 1
const words = 6
const none = -1

export class CacheIndex {
  private readonly shardShift: number
  private readonly shards: Array<Int32Array | undefined>
  private readonly sizes: Uint32Array
  /** Keys by slot. */
  private readonly keys: Array<Uint32Array> = []
  /** The key that was read last. */
  private readonly key = new Uint32Array(words)

  /** `expected` is the number of keys that the cut is made for; more only make the tables larger. */
  constructor(expected: number) {
    const bits = Math.min(12, Math.max(1, Math.ceil(Math.log2(expected / 1024))))
    this.shardShift = 32 - bits
    this.shards = Array.from({ length: 1 << bits }, () => undefined)
    this.sizes = new Uint32Array(1 << bits)
  }

  /** Slot of a key; -1 when it has none, or is no key. */
  find(key: string): number {
    if (!readKey(key, this.key)) return none
    const shard = this.shards[this.key[0]! >>> this.shardShift]
    if (shard === undefined) return none
    const mask = shard.length - 1
    for (let at = this.key[1]! & mask; ; at = (at + 1) & mask) {
      const slot = shard[at]! - 1
      if (slot === none || this.isKeyOf(slot)) return slot
    }
  }

  /** Gives a slot to a key that has none. False for what is no key. */
  add(key: string, slot: number): boolean {
    if (!readKey(key, this.key)) return false
    while (this.keys.length <= slot >>> segmentBits) this.keys.push(new Uint32Array(segmentSize * words))
    this.keys[slot >>> segmentBits]!.set(this.key, (slot & segmentMask) * words)
    const number = this.key[0]! >>> this.shardShift
    const size = ++this.sizes[number]!
    const shard = this.shards[number]
    if (shard !== undefined && size * 3 <= shard.length * 2) this.place(shard, slot)
    else {
      const larger = new Int32Array(shard === undefined ? 8 : shard.length * 2)
      for (const taken of shard ?? []) if (taken !== 0) this.place(larger, taken - 1)
      this.place(larger, slot)
      this.shards[number] = larger
    }
    return true
  }

  /** Takes a slot from its key, and moves up the keys that had to give way to it. */
  remove(slot: number): void {
    const number = this.word(slot, 0) >>> this.shardShift
    const shard = this.shards[number]!
    const mask = shard.length - 1
    let hole = this.word(slot, 1) & mask
    while (shard[hole] !== slot + 1) hole = (hole + 1) & mask
    for (let at = (hole + 1) & mask; shard[at] !== 0; at = (at + 1) & mask) {
      const distance = (at - this.word(shard[at]! - 1, 1)) & mask
      if (distance < ((at - hole) & mask)) continue
      shard[hole] = shard[at]!
      hole = at
    }
    shard[hole] = 0
    this.sizes[number]! -= 1
  }

  keyOf(slot: number): string {
    const bytes = Buffer.alloc(words * 4)
    for (let word = 0; word < words; word++) bytes.writeUInt32BE(this.word(slot, word), word * 4)
    return bytes.toString("base64url")
  }

  private word(slot: number, word: number): number {
    return this.keys[slot >>> segmentBits]![(slot & segmentMask) * words + word]!
  }

  private isKeyOf(slot: number): boolean {
    const keys = this.keys[slot >>> segmentBits]!
    const start = (slot & segmentMask) * words
    for (let word = 0; word < words; word++) if (keys[start + word] !== this.key[word]) return false
    return true
  }

  private place(shard: Int32Array, slot: number): void {
    const mask = shard.length - 1
    let at = this.word(slot, 1) & mask
    while (shard[at] !== 0) at = (at + 1) & mask
    shard[at] = slot + 1
  }
}

/** True when the text can be a key. */
export const isKey = (text: string): boolean => text.length === keyLength && /^[\w-]+$/.test(text)

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
const valueOfDigit = new Uint8Array(128).fill(255)
for (let i = 0; i < 64; i++) valueOfDigit[digits.charCodeAt(i)] = i

/** Reads 32 digits of 6 bits into 6 words; false for what is no key. */
const readKey = (text: string, out: Uint32Array): boolean => {
  if (text.length !== keyLength) return false
  for (let word = 0, at = 0; word < 6; word += 3, at += 16) {
    const a = quad(text, at)
    const b = quad(text, at + 4)
    const c = quad(text, at + 8)
    const d = quad(text, at + 12)
    if ((a | b | c | d) < 0) return false
    out[word] = (a << 8) | (b >>> 16)
    out[word + 1] = (b << 16) | (c >>> 8)
    out[word + 2] = (c << 24) | d
  }
  return true
}

/** 24 bits of four digits; negative for what is no digit. */
const quad = (text: string, at: number): number => {
  const a = valueOfDigit[text.charCodeAt(at)] ?? 255
  const b = valueOfDigit[text.charCodeAt(at + 1)] ?? 255
  const c = valueOfDigit[text.charCodeAt(at + 2)] ?? 255
  const d = valueOfDigit[text.charCodeAt(at + 3)] ?? 255
  return (a | b | c | d) > 63 ? -1 : (a << 18) | (b << 12) | (c << 6) | d
}
