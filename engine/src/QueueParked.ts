/**
 * Flows that do not take part for a time, because limits of their tenant or their key keep them back.
 *
 * They come back when their time has come or when something of those limits was given back, without credit for the time
 * between. Parking and coming back take O(log parked).
 */
import type { Flow, Waiter } from "./QueueFlow.ts"
import { QueueHeap } from "./QueueHeap.ts"

export class Parked<W extends Waiter> {
  private readonly keepers = new Map<string, Set<Flow<W>>>()
  private readonly times = new QueueHeap<{ key: number; readonly order: number; readonly flow: Flow<W> }>()

  /** Parks a flow until a time or until `by` is released, whose limits keep it back. */
  add(flow: Flow<W>, by: string, untilMs: number, order: number): void {
    flow.parkedUntilMs = untilMs
    flow.parkedBy = by
    flow.addReady(-flow.waiting)
    let flows = this.keepers.get(by)
    if (flows === undefined) this.keepers.set(by, (flows = new Set()))
    flows.add(flow)
    if (untilMs < Number.POSITIVE_INFINITY) this.times.push({ key: untilMs, order, flow })
  }

  release(by: string): void {
    const flows = this.keepers.get(by)
    if (flows === undefined) return
    this.keepers.delete(by)
    for (const flow of flows) this.free(flow)
  }

  releaseDue(nowMs: number): void {
    for (let first = this.times.peek(); first !== undefined && first.key <= nowMs; first = this.times.peek()) {
      this.times.pop()
      if (first.flow.parkedUntilMs !== first.key) continue
      const { parkedBy } = first.flow
      const flows = this.keepers.get(parkedBy)!
      flows.delete(first.flow)
      if (flows.size === 0) this.keepers.delete(parkedBy)
      this.free(first.flow)
    }
  }

  nextAtMs(): number {
    for (let first = this.times.peek(); first !== undefined; first = this.times.peek()) {
      if (first.flow.parkedUntilMs === first.key && first.flow.waiting > 0) return first.key
      this.times.pop()
      if (first.flow.parkedUntilMs === first.key) first.flow.parkedUntilMs = Number.POSITIVE_INFINITY
    }
    return Number.POSITIVE_INFINITY
  }

  /** Those without a waiter need no parking. */
  sweep(): void {
    for (const [by, flows] of this.keepers) {
      for (const flow of flows) {
        if (flow.waiting > 0) continue
        flows.delete(flow)
        flow.parkedUntilMs = undefined
      }
      if (flows.size === 0) this.keepers.delete(by)
    }
    this.times.filter(({ flow, key }) => flow.parkedUntilMs === key)
  }

  /** Comes back without credit for the time in which it did not take part. */
  private free(flow: Flow<W>): void {
    flow.parkedUntilMs = undefined
    const { priority, share } = flow
    flow.addReady(flow.waiting)
    share.tag = Math.max(share.tag, priority.virtual)
    if (flow.waiting > 0) priority.offer(flow)
  }
}
