import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { SlidingWindow } from "../../engine/src/SlidingWindow.ts"

interface Taken {
  readonly atMs: number
  readonly amount: number
}

/** The most that any window of `windowMs` holds. */
const fullestWindow = (taken: ReadonlyArray<Taken>, windowMs: number): number => {
  let most = 0
  let sum = 0
  let oldest = 0
  for (const { amount, atMs } of taken) {
    sum += amount
    while (taken[oldest]!.atMs <= atMs - windowMs) sum -= taken[oldest++]!.amount
    most = Math.max(most, sum)
  }
  return most
}

const windows = fc.record({
  limit: fc.integer({ min: 1, max: 5000 }),
  windowMs: fc.oneof(fc.constantFrom(1000, 10_000, 60_000), fc.integer({ min: 1, max: 120_000 })),
  minimumBurst: fc.nat({ max: 2000 })
})

describe("SlidingWindow", () => {
  it("never lets more than the limit pass in any window, counted by the true amounts", () => {
    const steps = fc.array(
      fc.record({
        share: fc.double({ min: 0, max: 1, noNaN: true }),
        used: fc.double({ min: 0, max: 1, noNaN: true }),
        pauseMs: fc.oneof(fc.constant(0), fc.nat({ max: 5000 })),
        settledAfter: fc.nat({ max: 5 })
      }),
      { minLength: 1, maxLength: 200 }
    )
    fc.assert(
      fc.property(windows, steps, fc.nat({ max: 2_000_000_000 }), (options, plan, startMs) => {
        const window = new SlidingWindow(options)
        let nowMs = startMs
        const taken: Array<Taken> = []
        const open: Array<{ due: number; ticket: number; reserved: number; used: number }> = []
        plan.forEach((step, index) => {
          nowMs += step.pauseMs
          for (const held of open.filter(({ due }) => due === index)) {
            window.correct(held.ticket, held.reserved, held.used, nowMs)
          }
          const reserved = Math.max(1, Math.round(step.share * options.limit))
          // Waiting as long as it says is enough, in whole milliseconds too.
          nowMs += Math.ceil(window.waitMs(reserved, nowMs))
          expect(window.waitMs(reserved, nowMs)).toBe(0)
          const used = Math.round(step.used * reserved)
          taken.push({ atMs: nowMs, amount: used })
          open.push({ due: index + 1 + step.settledAfter, ticket: window.take(reserved, nowMs), reserved, used })
        })
        expect(fullestWindow(taken, options.windowMs)).toBeLessThanOrEqual(options.limit)
      }),
      { numRuns: 300 }
    )
  })

  it("lets at least 97 % of the limit pass when everybody takes as soon as there is room", () => {
    fc.assert(
      fc.property(windows, fc.integer({ min: 1, max: 20 }), (options, pieces) => {
        const window = new SlidingWindow(options)
        const amount = Math.max(1, Math.floor(options.limit / pieces))
        const startMs = 1_700_000_000_000
        let passed = 0
        // Windows of few milliseconds can't be filled by a clock of whole milliseconds.
        fc.pre(options.windowMs / (options.limit / amount) >= 100)
        for (let nowMs = startMs; nowMs < startMs + 200 * options.windowMs;) {
          const waitMs = Math.ceil(window.waitMs(amount, nowMs))
          nowMs += waitMs
          if (waitMs === 0) {
            window.take(amount, nowMs)
            passed += amount
          }
        }
        const whole = Math.floor(options.limit / amount) * amount
        expect(passed / (200 * whole)).toBeGreaterThanOrEqual(0.97)
      }),
      { numRuns: 60 }
    )
  })

  it("paces: after the burst it lets one pass at a time", () => {
    const window = new SlidingWindow({ limit: 600, windowMs: 60_000, minimumBurst: 10 })
    const at = 1_000_000
    for (let i = 0; i < 10; i++) {
      expect(window.waitMs(1, at)).toBe(0)
      window.take(1, at)
    }
    expect(window.waitMs(1, at)).toBeCloseTo(60_000 / (0.98 * 600), 5)
  })

  it("gives back what was reserved and not used, and takes what was used beyond", () => {
    const window = new SlidingWindow({ limit: 100, windowMs: 60_000, minimumBurst: 100 })
    const ticket = window.take(100, 0)
    expect(window.available(1)).toBe(0)
    window.correct(ticket, 100, 40, 1)
    expect(window.available(1)).toBe(60)
    window.correct(ticket, 40, 70, 2)
    expect(window.available(2)).toBe(30)
    expect(window.waitMs(30, 2)).toBe(0)
    expect(window.waitMs(31, 2)).toBeGreaterThan(0)
  })

  it("ignores a correction whose window is over", () => {
    const window = new SlidingWindow({ limit: 100, windowMs: 1000, minimumBurst: 100 })
    const ticket = window.take(100, 0)
    window.take(100, 5000)
    window.correct(ticket, 100, 0, 5001)
    expect(window.available(5001)).toBe(0)
  })

  it("takes amounts beyond the limit for the whole limit, and gives that back in full", () => {
    const window = new SlidingWindow({ limit: 100, windowMs: 60_000, minimumBurst: 25 })
    expect(window.waitMs(1_000_000, 0)).toBe(0)
    const ticket = window.take(1_000_000, 0)
    expect(window.available(0)).toBe(0)
    window.correct(ticket, 1_000_000, 0, 1)
    expect(window.available(1)).toBe(100)
    expect(window.waitMs(100, 1)).toBe(0)
  })

  it("makes a window longer that would let less than one pass", () => {
    const window = SlidingWindow.perMinute(30, 1000, () => 10)
    expect(window).toMatchObject({ limit: 1, windowMs: 2000 })
    window.take(1, 0)
    expect(window.waitMs(1, 0)).toBeGreaterThanOrEqual(2000)
    expect(SlidingWindow.perMinute(90, 1000, () => 10)).toMatchObject({ limit: 1, windowMs: 1000 })
    expect(SlidingWindow.perMinute(60, 60_000, () => 10)).toMatchObject({ limit: 60, windowMs: 60_000 })
  })

  it("stands a clock that goes back", () => {
    const window = new SlidingWindow({ limit: 10, windowMs: 1000, minimumBurst: 10 })
    for (let i = 0; i < 10; i++) window.take(1, 10_000)
    expect(window.waitMs(1, 9000)).toBeGreaterThan(0)
    expect(window.available(9000)).toBe(0)
    expect(window.available(20_000)).toBe(10)
  })

  it("never lets more pass in any window than the largest limit that was in force in it, however it is resized", () => {
    const steps = fc.array(
      fc.record({
        share: fc.double({ min: 0, max: 1, noNaN: true }),
        pauseMs: fc.oneof(fc.constant(0), fc.nat({ max: 5000 })),
        resize: fc.option(fc.integer({ min: 1, max: 5000 }), { nil: undefined })
      }),
      { minLength: 1, maxLength: 200 }
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        steps,
        fc.nat({ max: 2_000_000_000 }),
        (perMinute, plan, startMs) => {
          const windowMs = 60_000
          const window = SlidingWindow.perMinute(perMinute, windowMs, (limit) => limit / 4)
          const taken: Array<Taken> = []
          /** Limits and since when they hold. */
          const limits = [{ atMs: startMs, limit: window.limit }]
          let nowMs = startMs
          for (const { pauseMs, resize, share } of plan) {
            nowMs += pauseMs
            if (resize !== undefined) {
              window.resize(resize, windowMs, nowMs)
              limits.push({ atMs: nowMs, limit: window.limit })
            }
            const amount = Math.max(1, Math.round(share * window.limit))
            nowMs += Math.ceil(window.waitMs(amount, nowMs))
            expect(window.waitMs(amount, nowMs)).toBe(0)
            window.take(amount, nowMs)
            taken.push({ atMs: nowMs, amount })
          }
          for (const { atMs } of taken) {
            const inside = taken.filter((one) => one.atMs <= atMs && one.atMs > atMs - windowMs)
            const before = limits.findLastIndex((one) => one.atMs <= atMs - windowMs)
            const inForce = limits.filter((one, index) => index >= before && one.atMs <= atMs)
            const sum = inside.reduce((total, { amount }) => total + amount, 0)
            expect(sum).toBeLessThanOrEqual(Math.max(...inForce.map(({ limit }) => limit)))
          }
        }
      ),
      { numRuns: 200 }
    )
  })

  it("keeps what has passed when the length of its window changes", () => {
    const window = SlidingWindow.perMinute(60, 60_000, () => 60)
    for (let i = 0; i < 40; i++) window.take(1, 1000)
    window.resize(120, 30_000, 2000)
    expect(window).toMatchObject({ limit: 60, windowMs: 30_000, perMinute: 120 })
    expect(window.available(2000)).toBe(20)
    expect(window.available(32_000)).toBe(20)
    expect(window.available(33_000)).toBe(60)
  })

  it("keeps free what others hold, and gives it back evenly until it is told anew", () => {
    const window = new SlidingWindow({ limit: 100, windowMs: 60_000, minimumBurst: 100 })
    window.occupy(80, 61_000, 1000)
    expect(window.available(1000)).toBe(20)
    expect(window.waitMs(20, 1000)).toBe(0)
    expect(window.waitMs(60, 1000)).toBeCloseTo(30_000, 0)
    expect(window.available(31_000)).toBeCloseTo(60, 5)
    window.occupy(10, 91_000, 31_000)
    expect(window.available(31_000)).toBe(90)
    expect(window.available(91_000)).toBe(100)
  })

  it("waits long enough for what it and others hold, whatever they hold", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ amount: fc.integer({ min: 1, max: 60 }), pauseMs: fc.nat({ max: 9000 }) }), {
          maxLength: 40
        }),
        fc.nat({ max: 100 }),
        fc.integer({ min: 1, max: 90_000 }),
        fc.integer({ min: 1, max: 100 }),
        (plan, others, untilMs, wanted) => {
          const window = new SlidingWindow({ limit: 100, windowMs: 60_000, minimumBurst: 100 })
          let nowMs = 0
          for (const { amount, pauseMs } of plan) {
            nowMs += pauseMs + Math.ceil(window.waitMs(amount, nowMs + pauseMs))
            window.take(amount, nowMs)
          }
          window.occupy(others, nowMs + untilMs, nowMs)
          nowMs += Math.ceil(window.waitMs(wanted, nowMs))
          expect(window.waitMs(wanted, nowMs)).toBe(0)
          expect(window.available(nowMs)).toBeGreaterThanOrEqual(wanted - 1e-6)
        }
      )
    )
  })

  it("counts the tokens of an answer from its end, when the provider may have counted them", () => {
    const window = new SlidingWindow({ limit: 100, windowMs: 60_000, minimumBurst: 100 })
    const ticket = window.take(80, 0)
    window.correct(ticket, 80, 70, 30_000, 40)
    expect(window.available(30_000)).toBe(30)
    expect(window.available(61_000)).toBe(60)
    expect(window.available(91_000)).toBe(100)
  })

  it("bounds the burst for providers that count in shorter windows", () => {
    const window = new SlidingWindow({ limit: 600, windowMs: 60_000, minimumBurst: 10 })
    window.boundBurst(1)
    window.take(1, 0)
    expect(window.waitMs(1, 0)).toBeCloseTo(60_000 / (0.98 * 600), 5)
    window.boundBurst(Infinity)
    expect(window.waitMs(1, 0)).toBe(0)
  })
})
