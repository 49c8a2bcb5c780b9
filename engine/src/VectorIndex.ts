/**
 * Nearest vectors by cosine: every row is read, without graph, training or anything to tune.
 *
 * Rows are int8 with a scale each, a quarter of their size as floats. A search reads the upper four bits of every row in
 * WebAssembly SIMD, and of the best of them all eight bits against the query in floats, so that what it returns is
 * ordered by a score that is off by the rounding of the row alone. A `VectorSpace` holds the rows of many indexes (one for
 * each partition of the semantic cache) in one memory that grows with them up to its capacity; rows of removed vectors are
 * used again. It keeps no text and no float vector, and a search reads no rows but those of its own index.
 */
import { makeKernel, type Score, type WasmMemory } from "./VectorKernel.ts"

export interface VectorSpaceOptions {
  /** Numbers in a vector, 1 to 16,384. */
  readonly dimensions: number
  /** Rows over all indexes, 1 or more. */
  readonly capacity: number
}

export interface Neighbour<Id> {
  readonly id: Id
  /** Cosine, -1 to 1. */
  readonly score: number
}

export const dimensionsMax = 16_384
const pageBytes = 65_536
/** Rows of a block: the high nibbles of all of them, then the low ones. As in the kernel. */
const blockRows = 128
/** Rows that one call of the kernel scores; their slots and scores stay in the first-level cache. */
const batchRows = 2048
/** Candidates by the coarse score whose true score is worked out, beyond the number that was asked for. */
const spareCandidates = 24

/** The rows of all indexes whose vectors have one length. */
export class VectorSpace {
  readonly dimensions: number
  readonly capacity: number
  /** Bytes of a row's high nibbles, and of its low ones. */
  private readonly half: number
  private readonly at: {
    readonly slots: number
    readonly scores: number
    readonly scales: number
    readonly rows: number
  }
  private readonly memory: WasmMemory
  private readonly kernel: Score
  /** The asked vector with length 1, filled up with zeros. */
  private readonly query: Float64Array
  private readonly free: Array<number> = []
  private used = 0
  private bias = 0
  private views: Views

  constructor(options: VectorSpaceOptions) {
    const { dimensions } = options
    if (!Number.isSafeInteger(dimensions) || dimensions < 1 || dimensions > dimensionsMax) {
      throw new RangeError(`expected 1 to ${dimensionsMax} dimensions, got ${dimensions}`)
    }
    this.dimensions = dimensions
    this.half = 64 * Math.ceil(dimensions / 128)
    this.query = new Float64Array(2 * this.half)
    const slots = 2 * this.half
    const scores = slots + 4 * batchRows
    const scales = scores + 4 * batchRows
    // Addresses have 32 bits.
    const most = Math.floor((2 ** 32 - 2 * pageBytes - scales) / (2 * this.half + 4) / blockRows) * blockRows
    this.capacity = Math.max(1, Math.min(options.capacity, most))
    const rows = 64 * Math.ceil((scales + 4 * this.capacity) / 64)
    this.at = { slots, scores, scales, rows }
    const { memory, score } = makeKernel(Math.ceil(rows / pageBytes))
    this.memory = memory
    this.kernel = score
    this.views = new Views(memory.buffer)
  }

  /** Rows that are taken. */
  get size(): number {
    return this.used - this.free.length
  }

  /** Bytes of the memory. Its first part is reserved for the scales of all rows and takes no memory where no row is. */
  get bytes(): number {
    return this.memory.buffer.byteLength
  }

  /** Takes a row; undefined when all are taken, or when the vector has another length or no direction. */
  put(vector: ArrayLike<number>): number | undefined {
    const largest = this.largestOf(vector)
    if (largest === undefined) return undefined
    const slot = this.free.pop() ?? (this.used < this.capacity ? this.used++ : undefined)
    if (slot === undefined) return undefined
    this.reserve()
    const { bytes, floats } = this.views
    const high = this.rowAt(slot)
    const low = high + blockRows * this.half
    bytes.fill(0, high, high + this.half)
    bytes.fill(0, low, low + this.half)
    const factor = 127 / largest
    let sum = 0
    for (let i = 0; i < this.dimensions; i++) {
      const rounded = Math.round(vector[i]! * factor)
      const value = rounded + 128
      const byte = byteOf(i)
      const shift = i & 16 ? 4 : 0
      bytes[high + byte]! |= (value >> 4) << shift
      bytes[low + byte]! |= (value & 15) << shift
      sum += rounded * rounded
    }
    floats[this.at.scales / 4 + slot] = 1 / Math.sqrt(sum)
    return slot
  }

  release(slot: number): void {
    this.free.push(slot)
  }

  /** Makes a vector the one that scores are asked for; false when it has another length or no direction. */
  ask(vector: ArrayLike<number>): boolean {
    const largest = this.largestOf(vector)
    if (largest === undefined) return false
    const factor = 127 / largest
    let norm = 0
    let sum = 0
    for (let i = 0; i < this.dimensions; i++) {
      const value = vector[i]! / largest
      norm += value * value
      const rounded = Math.round(vector[i]! * factor)
      this.views.signed[i] = rounded
      sum += rounded
    }
    this.views.signed.fill(0, this.dimensions, 2 * this.half)
    const length = Math.sqrt(norm)
    // A row's number is 16 * high + low - 128, and 7.5 is the middle of what its low nibble may be.
    this.bias = Math.round((128 - 7.5) * sum)
    for (let i = 0; i < this.dimensions; i++) this.query[i] = vector[i]! / largest / length
    return true
  }

  /** In the order of the cosines of the asked vector with at most a batch of rows, nearly; valid until the next call. */
  coarse(slots: Uint32Array, from: number, count: number): Float32Array {
    const { at, half, views } = this
    const padded = Math.ceil(count / 4) * 4
    const first = at.slots / 4
    views.integers.set(slots.subarray(from, from + count), first)
    for (let i = count; i < padded; i++) views.integers[first + i] = slots[from]!
    this.kernel(at.slots, padded, 0, this.bias, at.rows, half, at.scales, at.scores)
    return views.floats.subarray(at.scores / 4, at.scores / 4 + count)
  }

  /** Cosine of the asked vector with a row, by all its bits. */
  cosine(slot: number): number {
    const { query } = this
    const { bytes, floats } = this.views
    const high = this.rowAt(slot)
    const low = high + blockRows * this.half
    let sum = 0
    for (let byte = 0, i = 0; i < query.length; byte++, i++) {
      const upper = bytes[high + byte]!
      const lower = bytes[low + byte]!
      sum += query[i]! * (((upper & 15) << 4) + (lower & 15) - 128)
      sum += query[i + 16]! * ((upper & 240) + (lower >> 4) - 128)
      if ((byte & 15) === 15) i += 16
    }
    return Math.max(-1, Math.min(1, sum * floats[this.at.scales / 4 + slot]!))
  }

  private rowAt(slot: number): number {
    const inBlock = slot % blockRows
    return this.at.rows + this.half * (2 * (slot - inBlock) + inBlock)
  }

  /** The largest number of a vector by amount; undefined when it has another length or no direction. */
  private largestOf(vector: ArrayLike<number>): number | undefined {
    if (vector.length !== this.dimensions) return undefined
    let largest = 0
    for (let i = 0; i < this.dimensions; i++) {
      const amount = Math.abs(vector[i]!)
      if (!(amount <= largest)) largest = amount
    }
    return largest > 0 && largest < Infinity ? largest : undefined
  }

  /** Makes room for the block of the last row that is used. */
  private reserve(): void {
    const { byteLength } = this.memory.buffer
    const blockBytes = 2 * blockRows * this.half
    const wanted = this.at.rows + Math.ceil(this.used / blockRows) * blockBytes
    if (wanted <= byteLength) return
    // Grown by an eighth at a time, so that views are made anew only now and then.
    const most = this.at.rows + Math.ceil(this.capacity / blockRows) * blockBytes
    const generous = Math.min(most, Math.max(wanted, byteLength + byteLength / 8))
    this.memory.grow(Math.ceil((generous - byteLength) / pageBytes))
    this.views = new Views(this.memory.buffer)
  }
}

/** Vectors of one partition; others of the same space don't slow it down. */
export class VectorIndex<Id> {
  private readonly space: VectorSpace
  private slots = new Uint32Array(8)
  private readonly ids: Array<Id> = []
  private readonly positions = new Map<Id, number>()

  constructor(space: VectorSpace) {
    this.space = space
  }

  get size(): number {
    return this.ids.length
  }

  /** Adds a vector or replaces that of the id; false when the space is full or the vector is none of its own. */
  add(id: Id, vector: ArrayLike<number>): boolean {
    this.remove(id)
    const slot = this.space.put(vector)
    if (slot === undefined) return false
    const position = this.ids.length
    if (position === this.slots.length) {
      const larger = new Uint32Array(2 * position)
      larger.set(this.slots)
      this.slots = larger
    }
    this.slots[position] = slot
    this.ids.push(id)
    this.positions.set(id, position)
    return true
  }

  /** Does nothing when there is no such id. */
  remove(id: Id): void {
    const position = this.positions.get(id)
    if (position === undefined) return
    this.space.release(this.slots[position]!)
    this.positions.delete(id)
    const last = this.ids.length - 1
    const moved = this.ids.pop()!
    if (position === last) return
    this.ids[position] = moved
    this.slots[position] = this.slots[last]!
    this.positions.set(moved, position)
  }

  /** The nearest `limit` vectors, nearest first. */
  search(vector: ArrayLike<number>, limit: number): ReadonlyArray<Neighbour<Id>> {
    const size = this.ids.length
    if (size === 0 || limit < 1 || !this.space.ask(vector)) return []
    const best = new Best(Math.min(limit + spareCandidates, size))
    for (let from = 0; from < size; from += batchRows) {
      best.see(this.space.coarse(this.slots, from, Math.min(batchRows, size - from)), from)
    }
    return best.positions
      .map((position) => ({ id: this.ids[position]!, score: this.space.cosine(this.slots[position]!) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, limit)
  }
}

/** The highest scores seen so far, highest first. */
class Best {
  readonly positions: Array<number> = []
  private readonly scores: Array<number> = []
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  see(scores: Float32Array, from: number): void {
    const { length } = scores
    let least = this.least()
    for (let i = 0; i < length; i++) {
      if (scores[i]! > least) {
        this.insert(from + i, scores[i]!)
        least = this.least()
      }
    }
  }

  private least(): number {
    return this.positions.length < this.limit ? -Infinity : this.scores[this.limit - 1]!
  }

  private insert(position: number, score: number): void {
    let rank = Math.min(this.positions.length, this.limit - 1)
    while (rank > 0 && this.scores[rank - 1]! < score) {
      this.positions[rank] = this.positions[rank - 1]!
      this.scores[rank] = this.scores[rank - 1]!
      rank--
    }
    this.positions[rank] = position
    this.scores[rank] = score
  }
}

/** The byte of a plane that holds the nibble of a number: 16 bytes hold 32 numbers, the first 16 in the lower bits. */
const byteOf = (index: number): number => ((index >> 5) << 4) + (index & 15)

/** The memory as numbers of each size; made anew when it has grown. */
class Views {
  readonly bytes: Uint8Array
  readonly signed: Int8Array
  readonly integers: Uint32Array
  readonly floats: Float32Array

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer)
    this.signed = new Int8Array(buffer)
    this.integers = new Uint32Array(buffer)
    this.floats = new Float32Array(buffer)
  }
}
