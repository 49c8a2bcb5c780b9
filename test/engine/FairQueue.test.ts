import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { FairQueue, type Waiter } from "../../engine/src/FairQueue.ts"

interface Numbered extends Waiter {
  readonly number: number
}

const waiter = (number: number, priority: number, fields: Partial<Numbered> = {}): Numbered => ({
  number,
  priority,
  tenant: "default",
  weight: 1,
  cost: 1,
  line: 0,
  joinedAtMs: number,
  gone: false,
  place: undefined,
  ...fields
})

/** How many waiters can be reached from a queue. */
const heldBy = (queue: FairQueue<Numbered>): number => {
  const seen = new Set<unknown>()
  const open: Array<unknown> = [queue]
  let waiters = 0
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== "object" || value === null || seen.has(value)) continue
    seen.add(value)
    if ("number" in value) waiters++
    open.push(...(value instanceof Map || value instanceof Set ? value.values() : Object.values(value)))
  }
  return waiters
}

const serveAll = (queue: FairQueue<Numbered>): ReadonlyArray<Numbered> => {
  const served: Array<Numbered> = []
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    queue.serve(next)
    served.push(next)
  }
  return served
}

describe("FairQueue", () => {
  it("serves first come, first served within a priority, whoever leaves in between", () => {
    const plan = fc.array(fc.record({ priority: fc.nat({ max: 9 }), leaves: fc.boolean() }), { maxLength: 300 })
    fc.assert(
      fc.property(plan, (joins) => {
        const queue = new FairQueue<Numbered>()
        const waiters = joins.map(({ priority }, index) => waiter(index, priority))
        for (const each of waiters) queue.join(each)
        joins.forEach(({ leaves }, index) => {
          if (leaves) queue.leave(waiters[index]!)
        })
        expect(queue.size).toBe(joins.filter(({ leaves }) => !leaves).length)
        const served = serveAll(queue)
        expect(served.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(
          waiters.filter((_, index) => !joins[index]!.leaves).map(({ number }) => number)
        )
        for (let priority = 0; priority < 10; priority++) {
          const numbers = served.filter((each) => each.priority === priority).map(({ number }) => number)
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
        }
        expect(queue.size).toBe(0)
        expect(queue.oldest()).toBeUndefined()
      })
    )
  })

  it("prefers the lower priority number", () => {
    const queue = new FairQueue<Numbered>()
    for (const [number, priority] of [
      [0, 7],
      [1, 3],
      [2, 0],
      [3, 3]
    ] as const) {
      queue.join(waiter(number, priority))
    }
    expect(serveAll(queue).map(({ number }) => number)).toEqual([2, 1, 3, 0])
  })

  it("starves nobody: the oldest waits at most eight turns, however many better ones come", () => {
    const queue = new FairQueue<Numbered>()
    queue.join(waiter(0, 9))
    let turns = 0
    for (let number = 1; ; number++) {
      queue.join(waiter(number, 0))
      const next = queue.peek()!
      queue.serve(next)
      turns++
      if (next.number === 0) break
      expect(turns).toBeLessThan(9)
    }
    expect(turns).toBe(8)
  })

  it("gives peek and serve the same waiter, and leaving twice changes nothing", () => {
    const queue = new FairQueue<Numbered>()
    const [a, b] = [waiter(0, 3), waiter(1, 3)]
    queue.join(a)
    queue.join(b)
    expect(queue.peek()).toBe(a)
    expect(queue.peek()).toBe(a)
    queue.leave(a)
    queue.leave(a)
    queue.serve(a)
    expect(queue.size).toBe(1)
    expect(queue.peek()).toBe(b)
    expect(queue.oldest()).toBe(b)
  })

  it("forgets who has left, although somebody waits at the head", () => {
    const queue = new FairQueue<Numbered>()
    queue.join(waiter(0, 3))
    for (let number = 1; number <= 10_000; number++) {
      const each = waiter(number, 3)
      queue.join(each)
      queue.leave(each)
    }
    expect(heldBy(queue)).toBeLessThan(5000)
    expect(queue.size).toBe(1)
    expect(queue.peek()!.number).toBe(0)
  })
})

describe("FairQueue between tenants", () => {
  const tenants = ["a", "b", "c"] as const

  it("shares by weight: served cost by weight differs by at most the largest cost of each by its weight", () => {
    const plan = fc.record({
      weights: fc.tuple(...tenants.map(() => fc.constantFrom(0.5, 1, 2, 5))),
      costs: fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 60, maxLength: 60 }),
      /** How many waiters each tenant has at the start, and how many are served before it has all. */
      early: fc.tuple(...tenants.map(() => fc.integer({ min: 1, max: 20 }))),
      served: fc.integer({ min: 1, max: 40 })
    })
    fc.assert(
      fc.property(plan, ({ costs, early, served, weights }) => {
        const queue = new FairQueue<Numbered>()
        const join = (tenant: number, number: number) =>
          queue.join(waiter(number, 3, { tenant: tenants[tenant]!, weight: weights[tenant]!, cost: costs[number]! }))
        const joined = [0, 0, 0]
        const add = (tenant: number, count: number) => {
          for (let i = 0; i < count && joined[tenant]! < 20; i++) join(tenant, tenant * 20 + joined[tenant]!++)
        }
        early.forEach((count, tenant) => add(tenant, count))
        const work = [0, 0, 0]
        const serve = () => {
          const next = queue.peek()!
          queue.serve(next)
          const tenant = tenants.indexOf(next.tenant as "a")
          work[tenant]! += next.cost / weights[tenant]!
          return tenant
        }
        for (let i = 0; i < served && queue.size > 0; i++) serve()
        // From here on everybody waits all the time, until one tenant has nobody left.
        work.fill(0)
        const left = [0, 0, 0]
        for (const tenant of [0, 1, 2]) add(tenant, 20)
        for (const [tenant, name] of tenants.entries()) {
          left[tenant] = queue.groups(3).find((group) => group.tenant === name)?.waiting ?? 0
        }
        const most = costs.reduce((max, cost) => Math.max(max, cost), 0)
        while (left.every((count) => count > 0)) {
          left[serve()]!--
          for (const x of [0, 1, 2]) {
            for (const y of [0, 1, 2]) {
              const bound = most / weights[x]! + most / weights[y]!
              expect(Math.abs(work[x]! - work[y]!)).toBeLessThanOrEqual(bound + 1e-6)
            }
          }
        }
      }),
      { numRuns: 2000 }
    )
  })

  it("gives a tenant that comes late no credit for the time before", () => {
    const queue = new FairQueue<Numbered>()
    for (let number = 0; number < 100; number++) queue.join(waiter(number, 3, { tenant: "early" }))
    for (let i = 0; i < 50; i++) queue.serve(queue.peek()!)
    for (let number = 100; number < 150; number++) queue.join(waiter(number, 3, { tenant: "late" }))
    const served = Array.from({ length: 20 }, () => {
      const next = queue.peek()!
      queue.serve(next)
      return next.tenant
    })
    expect(served.filter((tenant) => tenant === "late")).toHaveLength(10)
  })

  it("lets a single request of another tenant pass a long backlog", () => {
    const queue = new FairQueue<Numbered>()
    for (let number = 0; number < 10_000; number++) queue.join(waiter(number, 3, { tenant: "batch job" }))
    for (let i = 0; i < 10; i++) queue.serve(queue.peek()!)
    queue.join(waiter(10_000, 3, { tenant: "person" }))
    const served = [0, 1].map(() => {
      const next = queue.peek()!
      queue.serve(next)
      return next.tenant
    })
    expect(served).toContain("person")
  })

  it("gives each of n priorities that wait a turn in every 8 (n - 1)", () => {
    const plan = fc.record({
      priorities: fc.uniqueArray(fc.nat({ max: 9 }), { minLength: 2, maxLength: 10 }),
      turns: fc.integer({ min: 100, max: 300 })
    })
    fc.assert(
      fc.property(plan, ({ priorities, turns }) => {
        const queue = new FairQueue<Numbered>()
        for (let number = 0; number < turns; number++) for (const each of priorities) queue.join(waiter(number, each))
        const lastTurn = new Map(priorities.map((each) => [each, 0]))
        for (let turn = 1; turn <= turns; turn++) {
          const next = queue.peek()!
          queue.serve(next)
          lastTurn.set(next.priority, turn)
          for (const at of lastTurn.values()) expect(turn - at).toBeLessThanOrEqual(8 * (priorities.length - 1))
        }
      })
    )
  })
})

describe("FairQueue with waiters that are kept back", () => {
  it("passes over a parked tenant, in its priority and line alone, and closed lines", () => {
    const queue = new FairQueue<Numbered>()
    queue.join(waiter(0, 3, { tenant: "a" }))
    queue.join(waiter(1, 3, { tenant: "b" }))
    queue.join(waiter(2, 3, { tenant: "b", line: 1 }))
    queue.join(waiter(3, 7, { tenant: "a" }))
    queue.park(queue.peek()!, 100)
    expect(queue.ready()).toBe(3)
    expect(queue.peek()!.number).toBe(1)
    queue.serve(queue.peek()!)
    expect(queue.peek(new Set([1]))!.number).toBe(3)
    expect(queue.peek()!.number).toBe(2)
    expect(queue.unparkAtMs()).toBe(100)
    queue.unparkDue(99)
    expect(queue.ready()).toBe(2)
    queue.unparkDue(100)
    expect(queue.ready()).toBe(3)
    expect(queue.unparkAtMs()).toBe(Number.POSITIVE_INFINITY)
  })

  it("serves everybody once, whoever is parked, let go, leaves or joins in between", () => {
    const step = fc.record({
      what: fc.constantFrom("join", "join", "join", "serve", "serve", "leave", "park", "unpark", "unparkDue"),
      tenant: fc.constantFrom("a", "b", "c", "d"),
      priority: fc.constantFrom(0, 3, 9),
      line: fc.nat({ max: 2 }),
      pick: fc.nat()
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new FairQueue<Numbered>()
        const all: Array<Numbered> = []
        const waiting = new Set<Numbered>()
        steps.forEach(({ line, pick, priority, tenant, what }, atMs) => {
          const next = queue.peek()
          if (what === "join") {
            const joined = waiter(all.length, priority, { tenant, line, joinedAtMs: atMs })
            all.push(joined)
            waiting.add(joined)
            queue.join(joined)
          } else if (what === "serve" && next !== undefined) {
            queue.serve(next)
            expect(waiting.delete(next)).toBe(true)
          } else if (what === "leave" && waiting.size > 0) {
            const left = [...waiting][pick % waiting.size]!
            queue.leave(left)
            waiting.delete(left)
          } else if (what === "park" && next !== undefined) {
            queue.park(next, pick % 2 === 0 ? atMs + (pick % 50) + 1 : Number.POSITIVE_INFINITY)
          } else if (what === "unpark") queue.unpark(tenant)
          else if (what === "unparkDue") queue.unparkDue(atMs)
          expect(queue.size).toBe(waiting.size)
          expect(queue.ready()).toBeLessThanOrEqual(waiting.size)
          expect(queue.peek() !== undefined).toBe(queue.ready() > 0)
        })
        for (const tenant of ["a", "b", "c", "d"]) queue.unpark(tenant)
        expect(queue.ready()).toBe(waiting.size)
        const served = serveAll(queue)
        expect(new Set(served)).toEqual(waiting)
        expect(served).toHaveLength(waiting.size)
      }),
      { numRuns: 2000 }
    )
  })
})
