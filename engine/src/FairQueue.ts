/**
 * Waiters in the order in which they are served: by priority, fairly among tenants, first come first served within one.
 *
 * Seven turns of eight go to the best priority that has somebody, the eighth to the priority that has been without a turn
 * for longest, so each of n priorities has a turn in every 8 (n - 1). Within a priority tenants share by weight, by
 * start-time fair queueing (Goyal, Vin, Cheng 1996): of two tenants that both wait all the time, the served cost divided
 * by the weight differs by at most the largest cost of each, divided by its weight. A tenant that its own limits keep back is parked
 * and overtaken; it comes back without credit. Every operation takes O(log tenants); nobody is looked at who is not next.
 */
import { Fifo, type Flow, type Place, PriorityClass, type Waiter } from "./QueueFlow.ts"
import { Parked } from "./QueueParked.ts"

export type { Waiter } from "./QueueFlow.ts"

/** How many wait before a new waiter, by its priority and tenant. */
export interface Standing {
  /** Those who will be served before it. */
  readonly ahead: number
  /** Those among them that are of the same tenant. */
  readonly own: number
}

/** So many may be gone before a sweep is worth its while. */
const sweepMin = 1024

const turnsOfBest = 7

export class FairQueue<W extends Waiter> {
  private readonly classes: Array<PriorityClass<W> | undefined> = new Array<PriorityClass<W> | undefined>(10)
  private readonly arrivals = new Fifo<W>()
  private readonly parked = new Parked<W>()
  private turns = 0
  private joined = 0
  private waiting = 0
  /** Waiters that have gone since the last sweep. */
  private left = 0

  /** Waiters that are still there. */
  get size(): number {
    return this.waiting
  }

  join(waiter: W): void {
    const priority = (this.classes[waiter.priority] ??= new PriorityClass<W>())
    if (priority.waiting === 0) priority.lastTurn = this.turns
    const flow = priority.flowOf(waiter, this.joined++)
    waiter.place = flow as unknown as Place
    flow.fifo.push(waiter)
    this.arrivals.push(waiter)
    this.waiting++
    flow.add(1)
  }

  /** Takes a waiter out, served or not. */
  leave(waiter: W): void {
    if (waiter.gone) return
    waiter.gone = true
    const flow = waiter.place as unknown as Flow<W>
    waiter.place = undefined
    flow.add(-1)
    this.waiting--
    this.left++
    if (this.waiting === 0 || this.left > this.waiting + sweepMin) this.sweep()
  }

  /** Who is next, without taking it out; waiters of `closed` lines are passed over. */
  peek(closed?: ReadonlySet<number>): W | undefined {
    if (this.waiting === 0) return undefined
    let found: W | undefined
    let lastTurn = Number.POSITIVE_INFINITY
    const best = this.turns % (turnsOfBest + 1) < turnsOfBest
    for (const priority of this.classes) {
      if (priority === undefined || priority.lastTurn >= lastTurn) continue
      const waiter = priority.peek(closed)
      if (waiter === undefined) continue
      if (best) return waiter
      found = waiter
      lastTurn = priority.lastTurn
    }
    return found
  }

  /** Takes the waiter that `peek` gave. */
  serve(waiter: W): void {
    if (waiter.gone) return
    const flow = waiter.place as unknown as Flow<W>
    const { priority, share } = flow
    this.turns++
    priority.lastTurn = this.turns
    priority.virtual = Math.max(priority.virtual, share.tag)
    share.tag += waiter.cost / share.weight
    flow.nextOrder = this.joined++
    this.leave(waiter)
    if (flow.waiting === 0) flow.line.drop(flow)
  }

  /** The waiter that has waited longest. */
  oldest(): W | undefined {
    return this.arrivals.peek()
  }

  /** The waiters that have waited longest, at most `count`. */
  oldestOf(count: number): ReadonlyArray<W> {
    return this.arrivals.first(count)
  }

  /**
   * Passes over the tenant of a waiter that `peek` gave, or those of its flow, in its priority and line, until a time (epoch
   * milliseconds, infinite for no time) or until `unpark` names `by`, the tenant unless told.
   */
  park(waiter: W, untilMs: number, by: string = waiter.tenant): void {
    const flow = waiter.place as unknown as Flow<W>
    flow.offered = false
    flow.line.offered.pop()
    this.parked.add(flow, by, untilMs, this.joined++)
  }

  /** Lets a tenant take part again, or whoever is kept back by that name, wherever they are parked. */
  unpark(by: string): void {
    this.parked.release(by)
  }

  /** Lets those take part again whose time has come. */
  unparkDue(nowMs: number): void {
    this.parked.releaseDue(nowMs)
  }

  /** When the next tenant takes part again; infinite when no time is known. */
  unparkAtMs(): number {
    return this.parked.nextAtMs()
  }

  /**
   * How a waiter of a tenant stands that has `before` of its own tenant before it; all of them when not told, as for a
   * new one. Parked tenants and `closed` lines don't count, but for its own.
   */
  standing(
    priority: number,
    tenant: string,
    weight: number,
    options: { readonly closed?: ReadonlySet<number>; readonly before?: number } = {}
  ): Standing {
    const { before, closed } = options
    let better = 0
    let lower = 0
    this.classes.forEach((each, index) => {
      if (each === undefined) return
      if (index < priority) better += each.readyBeside(closed)
      else if (index > priority) lower += each.readyBeside(closed)
    })
    const equal = this.classes[priority]
    const share = equal?.shares.get(tenant)
    const all = share?.waiting ?? 0
    const own = before ?? all
    let ahead = better + own
    if (equal !== undefined) {
      const others = Math.max(0, equal.readyBeside(closed) - all)
      const otherWeights = equal.weights - (all > 0 ? share!.weight : 0)
      ahead += Math.min(others, ((own + 1) * otherWeights) / weight)
    }
    return { ahead: ahead + Math.min(lower, ahead / turnsOfBest), own }
  }

  /** Waiters that are not parked, without those of `closed` lines. */
  ready(closed?: ReadonlySet<number>): number {
    let count = 0
    for (const each of this.classes) count += each?.readyBeside(closed) ?? 0
    return count
  }

  /** Waiters of a line that are not parked and have this priority or a better one. */
  inLine(line: number, priority: number): number {
    let count = 0
    for (let each = 0; each <= priority; each++) count += this.classes[each]?.readyIn(line) ?? 0
    return count
  }

  /** Waiters by priority and tenant, the largest groups first, at most `count`. */
  groups(
    count: number
  ): ReadonlyArray<{ readonly priority: number; readonly tenant: string; readonly waiting: number }> {
    const largest: Array<{ readonly priority: number; readonly tenant: string; readonly waiting: number }> = []
    this.classes.forEach((each, priority) => {
      for (const [tenant, { waiting }] of each?.shares ?? []) {
        if (waiting === 0 || (largest.length === count && waiting <= largest.at(-1)!.waiting)) continue
        const at = largest.findIndex((group) => group.waiting < waiting)
        largest.splice(at < 0 ? largest.length : at, 0, { priority, tenant, waiting })
        if (largest.length > count) largest.pop()
      }
    })
    return largest
  }

  private sweep(): void {
    this.left = 0
    for (const priority of this.classes) priority?.sweep()
    this.arrivals.sweep()
    this.parked.sweep()
  }
}
