/**
 * A binary heap: the entry with the smallest key first, the earlier one of two with the same key.
 *
 * Keys are fields of the entries. Only the key of the first entry may be changed while it is inside, and only upwards;
 * `sink` puts it where it belongs then. Pushing, popping and sinking take O(log n).
 */

export interface Keyed {
  key: number
  /** Breaks ties: the smaller number is first. */
  readonly order: number
}

export class QueueHeap<E extends Keyed> {
  private entries: Array<E> = []

  get size(): number {
    return this.entries.length
  }

  peek(): E | undefined {
    return this.entries[0]
  }

  push(entry: E): void {
    let at = this.entries.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = this.entries[parent]!
      if (!before(entry, above)) break
      this.entries[at] = above
      at = parent
    }
    this.entries[at] = entry
  }

  /** Takes the first entry out. */
  pop(): E | undefined {
    const first = this.entries[0]
    const last = this.entries.pop()
    if (first !== undefined && first !== last) {
      this.entries[0] = last!
      this.sink()
    }
    return first
  }

  /** Puts the first entry where its key belongs. */
  sink(): void {
    const { entries } = this
    const entry = entries[0]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) child++
      const below = entries[child]!
      if (!before(below, entry)) break
      entries[at] = below
      at = child
    }
    entries[at] = entry
  }

  /** Forgets the entries that `keeps` refuses. */
  filter(keeps: (entry: E) => boolean): void {
    const kept = this.entries.filter(keeps)
    if (kept.length === this.entries.length) return
    this.entries = []
    for (const entry of kept) this.push(entry)
  }
}

const before = (a: Keyed, b: Keyed): boolean => a.key < b.key || (a.key === b.key && a.order < b.order)
