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
