/**
 * Waiters in the order in which they are served: by priority, first come first served within one.
 *
 * Every eighth turn goes to the waiter that has waited longest, whatever its priority, so nobody starves. Joining,
 * leaving and taking the next are O(1) on average; whoever is gone is skipped, and swept out once the gone outnumber the
 * waiting.
 */

export interface Waiter {
  /** 0 is served first, 9 last. */
  readonly priority: number
  readonly joinedAtMs: number
  /** Set when the waiter was served or has left. */
  gone: boolean
}

export class FairQueue<W extends Waiter> {
  private readonly lanes: Array<Fifo<W> | undefined> = new Array<Fifo<W> | undefined>(10)
  private readonly arrivals = new Fifo<W>()
  private turns = 0
  private waiting = 0
  /** Waiters that have gone since the last sweep. */
  private left = 0

  /** Waiters that are still there. */
  get size(): number {
    return this.waiting
  }

  join(waiter: W): void {
    const lane = (this.lanes[waiter.priority] ??= new Fifo<W>())
    lane.push(waiter)
    this.arrivals.push(waiter)
    this.waiting++
  }

  /** Takes a waiter out, served or not. */
  leave(waiter: W): void {
    if (waiter.gone) return
    waiter.gone = true
    this.waiting--
    this.left++
    if (this.waiting === 0 || this.left > this.waiting + sweepMin) this.sweep()
  }

  /** Who is next, without taking it out. */
  peek(): W | undefined {
    if (this.waiting === 0) return undefined
    if (this.turns % 8 === 7) return this.oldest()
    for (const lane of this.lanes) {
      const waiter = lane?.peek()
      if (waiter !== undefined) return waiter
    }
    return undefined
  }

  /** Takes the waiter that `peek` gave. */
  serve(waiter: W): void {
    this.turns++
    this.leave(waiter)
  }

  /** The waiter that has waited longest. */
  oldest(): W | undefined {
    return this.arrivals.peek()
  }

  private sweep(): void {
    this.left = 0
    for (const lane of this.lanes) lane?.sweep()
    this.arrivals.sweep()
  }
}

/** So many may be gone before a sweep is worth its while. */
const sweepMin = 1024

/** First in, first out; entries that are gone are skipped. */
class Fifo<W extends Waiter> {
  private items: Array<W> = []
  private head = 0

  push(item: W): void {
    this.items.push(item)
  }

  peek(): W | undefined {
    while (this.head < this.items.length && this.items[this.head]!.gone) this.head++
    return this.items[this.head]
  }

  /** Forgets those who are gone. */
  sweep(): void {
    this.items = this.items.filter((item) => !item.gone)
    this.head = 0
  }
}
