/**
 * What has come of a shared answer, kept for those who read it later.
 *
 * Every reader has a cursor of its own over the same chunks; nothing is copied. Up to the bound all is kept, so that a
 * late reader starts at the beginning; past it only what somebody has still to read, and who is further behind than the
 * bound has to go. It waits for nobody and reads nothing itself.
 */
import type { Part } from "./Reply.ts"

export type Chunk = readonly [Part, ...Array<Part>]

export interface Reader {
  /** Chunks that it has read; infinite for one that reads none. */
  cursor: number
}

export class FlightBuffer {
  private readonly bytesMax: number
  private chunks: Array<Chunk> = []
  /** Chunks that everybody has read and that are kept no more. */
  private forgotten = 0
  private bytes = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  /** Adds a chunk; false when the whole is longer than the bound. */
  push(chunk: Chunk): boolean {
    this.chunks.push(chunk)
    this.bytes += bytesOf(chunk)
    return this.bytes <= this.bytesMax
  }

  /** All that a reader has not read yet, or undefined when it has read all there is. */
  take(reader: Reader): Chunk | undefined {
    const next = reader.cursor - this.forgotten
    if (next >= this.chunks.length) return undefined
    reader.cursor = this.forgotten + this.chunks.length
    return next === this.chunks.length - 1 ? this.chunks[next] : (this.chunks.slice(next).flat() as unknown as Chunk)
  }

  /** Forgets what all readers have read; returns those who are too far behind the fastest of them. */
  trim<R extends Reader>(readers: Iterable<R>): ReadonlyArray<R> {
    const late: Array<R> = []
    let kept = [...readers]
    const front = Math.min(
      this.forgotten + this.chunks.length - 1,
      kept.reduce((most, { cursor }) => Math.max(most, cursor), 0)
    )
    for (;;) {
      const slowest = kept.reduce((least, { cursor }) => Math.min(least, cursor), front)
      for (const chunk of this.chunks.splice(0, slowest - this.forgotten)) this.bytes -= bytesOf(chunk)
      this.forgotten = slowest
      if (slowest === front || this.bytes <= this.bytesMax) return late
      late.push(...kept.filter(({ cursor }) => cursor === slowest))
      kept = kept.filter(({ cursor }) => cursor !== slowest)
    }
  }
}

/** Two for each UTF-16 unit of what a part says, and a little for the part itself. */
const bytesOf = (chunk: Chunk): number => {
  let bytes = 0
  for (let i = 0; i < chunk.length; i++) bytes += 64 + 2 * unitsOf(chunk[i]!)
  return bytes
}

const unitsOf = (part: Part): number => {
  switch (part.type) {
    case "text":
    case "refusal":
    case "reasoning":
      return part.text.length
    case "wire":
      return part.data.length
    case "tool-call":
      return part.arguments.length
    default:
      return 0
  }
}
