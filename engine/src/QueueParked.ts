/**
 * Flows that do not take part for a time, because limits of their tenant keep them back.
 *
 * They come back when their time has come or when something of their tenant was given back, without credit for the time
 * between. Parking and coming back take O(log parked).
 */
import type { Flow, Waiter } from "./QueueFlow.ts"
import { QueueHeap } from "./QueueHeap.ts"

export class Parked<W extends Waiter> {
  private readonly tenants = new Map<string, Set<Flow<W>>>()
  private readonly times = new QueueHeap<{ key: number; readonly order: number; readonly flow: Flow<W> }>()

  add(flow: Flow<W>, untilMs: number, order: number): void {
    flow.parkedUntilMs = untilMs
    flow.addReady(-flow.waiting)
    let flows = this.tenants.get(flow.tenant)
    if (flows === undefined) this.tenants.set(flow.tenant, (flows = new Set()))
    flows.add(flow)
    if (untilMs < Number.POSITIVE_INFINITY) this.times.push({ key: untilMs, order, flow })
  }

  release(tenant: string): void {
    const flows = this.tenants.get(tenant)
    if (flows === undefined) return
    this.tenants.delete(tenant)
    for (const flow of flows) this.free(flow)
  }

  releaseDue(nowMs: number): void {
    for (let first = this.times.peek(); first !== undefined && first.key <= nowMs; first = this.times.peek()) {
      this.times.pop()
      if (first.flow.parkedUntilMs !== first.key) continue
      const flows = this.tenants.get(first.flow.tenant)!
      flows.delete(first.flow)
      if (flows.size === 0) this.tenants.delete(first.flow.tenant)
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
    for (const [tenant, flows] of this.tenants) {
      for (const flow of flows) {
        if (flow.waiting > 0) continue
        flows.delete(flow)
        flow.parkedUntilMs = undefined
      }
      if (flows.size === 0) this.tenants.delete(tenant)
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
