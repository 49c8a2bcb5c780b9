/**
 * The entries of the exact cache in memory: a hash table with an order of use, bounded by entries and by bytes.
 *
 * Figures are in typed arrays, in segments of 1,024 slots, and the index is cut into small tables, so that nothing ever
 * moves a million entries at once, as a `Map` does when it is rebuilt. Whatever goes over many entries (purging, listing,
 * exporting) is done in steps by its caller. It knows no clock and decides nothing about what is fresh.
 */
import { type Group, type GroupFilter, matches } from "./CacheGroup.ts"
import { CacheIndex, isKey } from "./CacheIndex.ts"
import type { Completion } from "./Reply.ts"

export { type Group, type GroupFilter, matches } from "./CacheGroup.ts"

/** What an entry has beside its answer, when it has more than a fingerprint. */
export interface Extra {
  readonly fields: string | undefined
  readonly omitted: ReadonlyArray<string>
  readonly pacing: string | undefined
}

/** An entry as it is put in. Times are epoch milliseconds. */
export interface NewEntry {
  readonly key: string
  readonly group: Group
  readonly completion: Completion
  readonly fields: string | undefined
  readonly omitted: ReadonlyArray<string>
  readonly pacing: string | undefined
  readonly storedAtMs: number
  readonly expiresAtMs: number
  readonly latencyMs: number
  readonly bytes: number
  /** A copy of what another instance made. */
  readonly isCopy?: boolean | undefined
}

export interface CacheTableOptions {
  readonly maxEntries: number
  readonly maxBytes: number
}

/** Bytes of the columns and the index for one entry. */
export const slotBytes = 100

const segmentBits = 10
const segmentSize = 1 << segmentBits
const segmentMask = segmentSize - 1
const none = -1

/** Evictions of one insertion; what is left over a bound goes with the next ones. */
const evictionsMax = 4096

/** Places of a slot's figures: 48 bytes beside each other, so that a lookup waits for memory once. */
const doubles = 6
const integers = 12
const storedAt = 0
const expiresAt = 1
const previous = 4
const next = 5
const used = 6
const hits = 7
const bytes = 8
/** 0 while the slot is free. */
const group = 9
const latency = 10
/** Flags: 1 where there is more than a fingerprint, 2 for a copy of what another instance made. */
const more = 11

class Segment {
  readonly times: Float64Array
  readonly figures: Int32Array
  readonly completions = new Array<Completion | undefined>(segmentSize).fill(undefined)
  readonly extras = new Array<Extra | string | undefined>(segmentSize).fill(undefined)

  constructor() {
    const buffer = new ArrayBuffer(segmentSize * doubles * 8)
    this.times = new Float64Array(buffer)
    this.figures = new Int32Array(buffer)
  }
}

interface CountedGroup extends Group {
  readonly id: number
  readonly name: string
  entries: number
  /** Purged: its entries are no longer there for anybody, and are taken out step by step. */
  dead: boolean
}

export class CacheTable {
  entries = 0
  bytes = 0
  evictions = 0
  private readonly maxEntries: number
  private readonly maxBytes: number
  private segments: Array<Segment> = []
  private index: CacheIndex
  private groups: Array<CountedGroup | undefined> = [undefined]
  private groupByName = new Map<string, CountedGroup>()
  private freeGroups: Array<number> = []
  private freeSlot = none
  /** Slots that were ever used; those above it are free. */
  private top = 0
  private first = none
  private last = none
  private uses = 0

  constructor(options: CacheTableOptions) {
    this.maxEntries = options.maxEntries
    this.maxBytes = options.maxBytes
    this.index = new CacheIndex(options.maxEntries)
  }

  /** Slot of a key; -1 when it has none. */
  find(key: string): number {
    const slot = this.index.find(key)
    return slot === none || this.groupOf(slot).dead ? none : slot
  }

  /** The entry was used: it is the last to be evicted now. */
  use(slot: number): void {
    const { figures } = this.at(slot)
    const at = (slot & segmentMask) * integers
    figures[at + hits]! += 1
    figures[at + used] = ++this.uses
    if (this.first === slot) return
    this.unlink(slot)
    this.link(slot)
  }

  /** Puts an entry in the place of one with its key, else evicts what is over the bounds. False when it is too large. */
  set(entry: NewEntry): boolean {
    if (!isKey(entry.key) || entry.bytes > this.maxBytes) return false
    const present = this.index.find(entry.key)
    if (present !== none) this.remove(present)
    this.evict(entry.bytes)
    const slot = this.takeSlot()
    const i = slot & segmentMask
    const segment = this.at(slot)
    const owner = this.groupFor(entry.group)
    owner.entries += 1
    this.index.add(entry.key, slot)
    const { figures, times } = segment
    times[i * doubles + storedAt] = entry.storedAtMs
    times[i * doubles + expiresAt] = entry.expiresAtMs
    const at = i * integers
    figures[at + latency] = Math.min(Math.round(entry.latencyMs), 0x7fff_ffff)
    figures[at + hits] = 0
    figures[at + bytes] = entry.bytes
    figures[at + group] = owner.id
    figures[at + used] = ++this.uses
    segment.completions[i] = entry.completion
    const { fields, omitted, pacing } = entry
    const plain = omitted.length === 0 && pacing === undefined
    figures[at + more] = (plain ? 0 : 1) | (entry.isCopy === true ? 2 : 0)
    segment.extras[i] = plain ? fields : { fields, omitted, pacing }
    this.link(slot)
    this.entries += 1
    this.bytes += entry.bytes
    return true
  }

  remove(slot: number): void {
    const i = slot & segmentMask
    const segment = this.at(slot)
    this.index.remove(slot)
    this.unlink(slot)
    this.entries -= 1
    this.bytes -= this.bytesOf(slot)
    const owner = this.groupOf(slot)
    owner.entries -= 1
    if (owner.entries === 0) this.forget(owner)
    segment.figures[i * integers + group] = 0
    segment.figures[i * integers + next] = this.freeSlot
    segment.completions[i] = undefined
    segment.extras[i] = undefined
    this.freeSlot = slot
  }

  /** Forgets everything at once, however much it is. */
  clear(): void {
    this.segments = []
    this.index = new CacheIndex(this.maxEntries)
    this.groups = [undefined]
    this.groupByName = new Map()
    this.freeGroups = []
    this.freeSlot = none
    this.top = 0
    this.first = none
    this.last = none
    this.entries = 0
    this.bytes = 0
  }

  /** Makes the entries of the groups that match invisible at once, and returns their number. */
  bury(filter: GroupFilter): number {
    let buried = 0
    for (const found of this.groupByName.values()) {
      if (!matches(filter, found)) continue
      found.dead = true
      buried += found.entries
      this.groupByName.delete(found.name)
    }
    return buried
  }

  /** Takes out what is buried or over, among `count` slots from `from` on; returns the next slot, -1 at the end. */
  sweep(from: number, count: number, nowMs: number, graceMs: number): number {
    const end = Math.min(this.top, from + count)
    for (let slot = from; slot < end; slot++) {
      if (!this.isTaken(slot)) continue
      const over = nowMs >= this.expiresAtMs(slot) + graceMs
      if (over || this.groupOf(slot).dead) this.remove(slot)
    }
    return end >= this.top ? none : end
  }

  /** Slots below it were used before; they may be free now. */
  get slots(): number {
    return this.top
  }

  /** True when the slot holds an entry that is not buried. */
  isLive(slot: number): boolean {
    return this.isTaken(slot) && !this.groupOf(slot).dead
  }

  completionOf(slot: number): Completion {
    return this.at(slot).completions[slot & segmentMask]!
  }

  /** True when an answer came with more than a fingerprint; cheaper to ask than `extraOf`. */
  hasMore(slot: number): boolean {
    return (this.figure(slot, more) & 1) !== 0
  }

  /** True for a copy of what another instance made. */
  isCopy(slot: number): boolean {
    return (this.figure(slot, more) & 2) !== 0
  }

  extraOf(slot: number): Extra | undefined {
    const extra = this.at(slot).extras[slot & segmentMask]
    return typeof extra === "string" ? { fields: extra, omitted: [], pacing: undefined } : extra
  }

  groupOf(slot: number): CountedGroup {
    return this.groups[this.figure(slot, group)]!
  }

  keyOf(slot: number): string {
    return this.index.keyOf(slot)
  }

  storedAtMs(slot: number): number {
    return this.at(slot).times[(slot & segmentMask) * doubles + storedAt]!
  }

  expiresAtMs(slot: number): number {
    return this.at(slot).times[(slot & segmentMask) * doubles + expiresAt]!
  }

  latencyMs(slot: number): number {
    return this.figure(slot, latency)
  }

  hitsOf(slot: number): number {
    return this.figure(slot, hits)
  }

  bytesOf(slot: number): number {
    return this.figure(slot, bytes) >>> 0
  }

  /** A number that is higher the later the entry was put in or used. */
  usedOf(slot: number): number {
    return this.figure(slot, used) >>> 0
  }

  private at(slot: number): Segment {
    return this.segments[slot >>> segmentBits]!
  }

  private isTaken(slot: number): boolean {
    return slot < this.top && this.figure(slot, group) !== 0
  }

  private evict(coming: number): void {
    for (let i = 0; i < evictionsMax && this.last !== none; i++) {
      if (this.entries < this.maxEntries && this.bytes + coming <= this.maxBytes) return
      this.remove(this.last)
      this.evictions += 1
    }
  }

  private takeSlot(): number {
    const slot = this.freeSlot
    if (slot !== none) {
      this.freeSlot = this.figure(slot, next)
      return slot
    }
    if ((this.top & segmentMask) === 0) this.segments.push(new Segment())
    return this.top++
  }

  private figure(slot: number, which: number): number {
    return this.at(slot).figures[(slot & segmentMask) * integers + which]!
  }

  private setFigure(slot: number, which: number, value: number): void {
    this.at(slot).figures[(slot & segmentMask) * integers + which] = value
  }

  private link(slot: number): void {
    this.setFigure(slot, previous, none)
    this.setFigure(slot, next, this.first)
    if (this.first === none) this.last = slot
    else this.setFigure(this.first, previous, slot)
    this.first = slot
  }

  private unlink(slot: number): void {
    const before = this.figure(slot, previous)
    const after = this.figure(slot, next)
    if (before === none) this.first = after
    else this.setFigure(before, next, after)
    if (after === none) this.last = before
    else this.setFigure(after, previous, before)
  }

  private groupFor({ namespace, target, tenant }: Group): CountedGroup {
    const name = JSON.stringify([target.provider, target.model, tenant, namespace])
    const known = this.groupByName.get(name)
    if (known !== undefined) return known
    const id = this.freeGroups.pop() ?? this.groups.length
    const made = { id, name, target, tenant, namespace, entries: 0, dead: false }
    this.groups[id] = made
    this.groupByName.set(name, made)
    return made
  }

  private forget(owner: CountedGroup): void {
    if (!owner.dead) this.groupByName.delete(owner.name)
    this.groups[owner.id] = undefined
    this.freeGroups.push(owner.id)
  }
}
