/**
 * What a fair queue is made of: a priority with its tenants' shares, their flows by lines, and the waiters of a flow.
 *
 * A flow holds the waiters of one tenant, of one priority and one line, in the order in which they came. Flows of a tenant
 * in several lines share one tag, so that a line gives nobody more. Nothing here decides whose turn it is.
 */
import { QueueHeap } from "./QueueHeap.ts"

export interface Waiter {
  /** 0 is served first, 9 last. */
  readonly priority: number
  readonly tenant: string
  /** Share of the tenant within its priority, over 0. */
  readonly weight: number
  /** What serving this one takes of the tenant's share, over 0. */
  readonly cost: number
  /** Waiters of one line can be passed over together. */
  readonly line: number
  /** Those of a tenant that are kept back together, by a name that only they have; all of them without it. */
  readonly flow?: string | undefined
  readonly joinedAtMs: number
  /** Set when the waiter was served or has left. */
  gone: boolean
  /** Where the queue keeps it. */
  place: Place | undefined
}

/** What the queue keeps with a waiter that is in it; of no use to anybody else. */
export type Place = Flow<Waiter>

/** A tenant's share of one priority. */
export interface Share {
  readonly weight: number
  /** Start tag of its next waiter: the work it has been given, divided by its weight. */
  tag: number
  waiting: number
}

/** Waiters of one tenant that are kept back together, in one line of a priority, in the order in which they came. */
export class Flow<W extends Waiter> {
  key = 0
  order: number
  /** Its order from the next time on that it is put in its place: whoever of a tenant was served goes behind the others. */
  nextOrder: number
  readonly name: string
  readonly priority: PriorityClass<W>
  readonly share: Share
  readonly tenant: string
  readonly line: Line<W>
  readonly fifo = new Fifo<W>()
  waiting = 0
  /** True while it is in the heap of its line. */
  offered = false
  /** While it is parked: when it takes part again, epoch milliseconds or infinite. */
  parkedUntilMs: number | undefined
  /** Whose limits keep it back while it is parked. */
  parkedBy: string

  constructor(priority: PriorityClass<W>, line: Line<W>, share: Share, waiter: Waiter, order: number) {
    const { flow = waiter.tenant, tenant } = waiter
    this.priority = priority
    this.line = line
    this.share = share
    this.tenant = tenant
    this.name = flow
    this.parkedBy = tenant
    this.order = order
    this.nextOrder = order
  }

  /** Counts waiters that came (or, below 0, went). */
  add(count: number): void {
    const { priority, share } = this
    if (share.waiting === 0) priority.weights += share.weight
    this.waiting += count
    share.waiting += count
    priority.waiting += count
    if (this.parkedUntilMs === undefined) this.addReady(count)
    if (share.waiting === 0) priority.weights -= share.weight
  }

  addReady(count: number): void {
    this.priority.ready += count
    this.line.ready += count
  }
}

/** The tenants of one priority, by lines. */
export class PriorityClass<W extends Waiter> {
  readonly shares = new Map<string, Share>()
  waiting = 0
  /** Waiters that are not parked. */
  ready = 0
  /** Weights of the tenants that wait. */
  weights = 0
  /** Turns of the queue when this priority had its last one, or when it began to wait. */
  lastTurn = 0
  /** Start tag of the waiter that was served last. */
  virtual = 0
  private readonly lines: Array<Line<W> | undefined> = []

  flowOf(waiter: Waiter, order: number): Flow<W> {
    let share = this.shares.get(waiter.tenant)
    if (share === undefined) this.shares.set(waiter.tenant, (share = { weight: waiter.weight, tag: 0, waiting: 0 }))
    if (share.waiting === 0) share.tag = Math.max(share.tag, this.virtual)
    const line = (this.lines[waiter.line] ??= new Line<W>())
    const name = waiter.flow ?? waiter.tenant
    let flow = line.flows.get(name)
    if (flow === undefined) line.flows.set(name, (flow = new Flow<W>(this, line, share, waiter, order)))
    if (!flow.offered && flow.parkedUntilMs === undefined) this.offer(flow)
    return flow
  }

  offer(flow: Flow<W>): void {
    flow.offered = true
    flow.key = flow.share.tag
    flow.order = flow.nextOrder
    flow.line.offered.push(flow)
  }

  /** Waiters that are not parked, without those of `closed` lines. */
  readyBeside(closed: ReadonlySet<number> | undefined): number {
    let { ready } = this
    if (closed !== undefined) for (const line of closed) ready -= this.readyIn(line)
    return ready
  }

  readyIn(line: number): number {
    return this.lines[line]?.ready ?? 0
  }

  peek(closed: ReadonlySet<number> | undefined): W | undefined {
    if (this.ready === 0) return undefined
    let best: Flow<W> | undefined
    for (let at = 0; at < this.lines.length; at++) {
      const line = this.lines[at]
      if (line === undefined || line.ready === 0 || closed?.has(at) === true) continue
      const flow = firstOf(line.offered)
      if (flow !== undefined && (best === undefined || flow.key < best.key)) best = flow
    }
    return best?.fifo.peek()
  }

  sweep(): void {
    if (this.waiting === 0) this.virtual = 0
    for (const line of this.lines) line?.sweep()
    for (const [tenant, share] of this.shares) {
      if (share.waiting === 0 && (this.waiting === 0 || share.tag <= this.virtual)) this.shares.delete(tenant)
    }
  }
}

/** The tenants of one line of a priority. */
class Line<W extends Waiter> {
  /** Waiters that are not parked. */
  ready = 0
  readonly flows = new Map<string, Flow<W>>()
  /** Flows that take part, by start tag. */
  readonly offered = new QueueHeap<Flow<W>>()

  /** Forgets a flow that has nobody left, where that costs nothing: when it is first. */
  drop(flow: Flow<W>): void {
    if (this.offered.peek() !== flow) return
    this.offered.pop()
    flow.offered = false
    this.flows.delete(flow.name)
  }

  sweep(): void {
    this.offered.filter((flow) => {
      flow.offered = flow.waiting > 0
      return flow.offered
    })
    for (const [name, flow] of this.flows) {
      flow.fifo.sweep()
      if (flow.waiting === 0) this.flows.delete(name)
    }
  }
}

/** The flow with the smallest tag; flows whose tag has grown sink, those without a waiter are taken out. */
const firstOf = <W extends Waiter>(heap: QueueHeap<Flow<W>>): Flow<W> | undefined => {
  for (let flow = heap.peek(); flow !== undefined; flow = heap.peek()) {
    if (flow.waiting === 0) {
      flow.offered = false
      heap.pop()
    } else if (flow.key < flow.share.tag) {
      flow.key = flow.share.tag
      flow.order = flow.nextOrder
      heap.sink()
    } else return flow
  }
  return undefined
}

/** First in, first out; entries that are gone are skipped. */
export class Fifo<W extends Waiter> {
  private items: Array<W> = []
  private head = 0

  push(item: W): void {
    this.items.push(item)
  }

  peek(): W | undefined {
    while (this.head < this.items.length && this.items[this.head]!.gone) this.head++
    return this.items[this.head]
  }

  first(count: number): ReadonlyArray<W> {
    const out: Array<W> = []
    for (let at = this.head; at < this.items.length && out.length < count; at++) {
      if (!this.items[at]!.gone) out.push(this.items[at]!)
    }
    return out
  }

  /** Forgets those who are gone. */
  sweep(): void {
    if (this.items.length === 0) return
    this.items = this.items.filter((item) => !item.gone)
    this.head = 0
  }
}
