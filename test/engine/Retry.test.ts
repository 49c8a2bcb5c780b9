import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { ProviderOverloaded, ProviderRateLimited, ProviderServerError } from "../../engine/src/Errors.ts"
import { Retry, type RetryOptions } from "../../engine/src/Retry.ts"
import { SharedBeat } from "../../engine/src/SharedBeat.ts"
import { LimiterMemory } from "../../engine/src/stores/LimiterMemory.ts"
import { property } from "../support/property.ts"

const target = { provider: "a", model: "m" }
const serverError = new ProviderServerError({ ...target, detail: "500" })

const layer = (options: Partial<RetryOptions> = {}) =>
  Retry.layer({ maxAttempts: 3, baseDelayMs: 1000, maxDelayMs: 30_000, budget: 0.2, ...options })

describe("Retry.backoff", () => {
  it.effect("draws each delay between the base and three times the one before, up to the longest delay", () =>
    Effect.gen(function* () {
      const retry = yield* Retry
      let longest = 0
      for (let run = 0; run < 50; run++) {
        const backoff = yield* retry.backoff
        let before = 1000
        for (let step = 0; step < 8; step++) {
          const delayMs = (yield* backoff.next(serverError, 0))!
          expect(delayMs).toBeGreaterThanOrEqual(1000)
          expect(delayMs).toBeLessThanOrEqual(Math.min(30_000, before * 3 + 1))
          before = delayMs
          longest = Math.max(longest, delayMs)
        }
      }
      expect(longest).toBe(30_000)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("gives the same delays for the same seed", () => {
    const delays = Effect.gen(function* () {
      const backoff = yield* (yield* Retry).backoff
      return yield* Effect.forEach([1, 2, 3, 4], () => backoff.next(serverError, 0))
    })
    return Effect.gen(function* () {
      const first = yield* delays.pipe(Random.withSeed("a"))
      expect(yield* delays.pipe(Random.withSeed("a"))).toEqual(first)
      expect(yield* delays.pipe(Random.withSeed("b"))).not.toEqual(first)
    }).pipe(Effect.provide(layer()))
  })

  it.effect("never passes the longest delay, also where that is shorter than the base", () =>
    Effect.gen(function* () {
      const backoff = yield* (yield* Retry).backoff
      for (let step = 0; step < 5; step++) expect(yield* backoff.next(serverError, 0)).toBe(200)
    }).pipe(Effect.provide(layer({ maxDelayMs: 200 })))
  )

  it.effect("spreads the retries of many calls", () =>
    Effect.gen(function* () {
      const retry = yield* Retry
      const delays = new Set<number>()
      for (let i = 0; i < 100; i++) delays.add((yield* (yield* retry.backoff).next(serverError, 0))!)
      expect(delays.size).toBeGreaterThan(30)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("waits for exactly the Retry-After, at least for the base, and not at all beyond the longest delay", () =>
    Effect.gen(function* () {
      const retry = yield* Retry
      const asked = (retryAfterMs: number) => new ProviderRateLimited({ ...target, detail: "", retryAfterMs })
      expect(yield* (yield* retry.backoff).next(asked(7000), 0)).toBe(7000)
      expect(yield* (yield* retry.backoff).next(asked(30_000), 0)).toBe(30_000)
      expect(yield* (yield* retry.backoff).next(asked(30_001), 0)).toBeUndefined()
      const overloaded = new ProviderOverloaded({ ...target, detail: "", retryAfterMs: 5000 })
      expect(yield* (yield* retry.backoff).next(overloaded, 0)).toBe(5000)
      expect(yield* (yield* retry.backoff).next(asked(1), 0)).toBe(1000)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("gives every call a backoff of its own", () =>
    Effect.gen(function* () {
      const retry = yield* Retry
      const first = yield* retry.backoff
      for (let i = 0; i < 5; i++) yield* first.next(serverError, 0)
      expect(yield* (yield* retry.backoff).next(serverError, 0)).toBeLessThanOrEqual(3001)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("needs no pause when the base delay is 0", () =>
    Effect.gen(function* () {
      const backoff = yield* (yield* Retry).backoff
      for (let i = 0; i < 5; i++) expect(yield* backoff.next(serverError, 0)).toBe(0)
    }).pipe(Effect.provide(layer({ baseDelayMs: 0 })))
  )
})

describe("Retry.spend", () => {
  it.effect("always allows ten retries in ten seconds", () =>
    Effect.gen(function* () {
      const retry = yield* Retry
      for (let i = 0; i < 10; i++) expect(retry.spend(i * 100)).toBe(true)
      expect(retry.spend(1000)).toBe(false)
      expect(retry.spend(9999)).toBe(false)
      expect(retry.spend(10_000)).toBe(true)
    }).pipe(Effect.provide(layer({ budget: 0 })))
  )

  it.effect("allows a share of the calls of the last ten seconds", () =>
    Effect.gen(function* () {
      const retry = yield* Retry
      for (let i = 0; i < 1000; i++) retry.onCall(50_000 + (i % 5000))
      let allowed = 0
      while (retry.spend(55_000)) allowed++
      expect(allowed).toBe(200)
      expect(retry.recent(55_000)).toEqual({ calls: 1000, retries: 200 })
      expect(retry.recent(70_000)).toEqual({ calls: 0, retries: 0 })
    }).pipe(Effect.provide(layer()))
  )

  it("never lets the retries of any ten seconds pass the share of calls or the floor", () => {
    const plan = fc.array(
      fc.record({ gapMs: fc.nat({ max: 3000 }), calls: fc.nat({ max: 60 }), tries: fc.nat({ max: 30 }) }),
      {
        minLength: 1,
        maxLength: 60
      }
    )
    fc.assert(
      fc.property(plan, fc.double({ min: 0, max: 1, noNaN: true }), (steps, budget) => {
        const retry = Effect.runSync(Effect.provide(Retry, layer({ budget })))
        let nowMs = 1_000_000
        const calls: Array<number> = []
        const spent: Array<number> = []
        for (const step of steps) {
          nowMs += step.gapMs
          for (let i = 0; i < step.calls; i++) {
            retry.onCall(nowMs)
            calls.push(nowMs)
          }
          for (let i = 0; i < step.tries; i++) {
            if (!retry.spend(nowMs)) continue
            spent.push(nowMs)
            // Slices are whole seconds: the true window is between nine and ten seconds long.
            const recent = spent.filter((at) => at > nowMs - 9000).length
            const traffic = calls.filter((at) => at > nowMs - 10_000).length
            expect(recent).toBeLessThanOrEqual(Math.max(10, Math.ceil(budget * traffic)))
          }
        }
      }),
      { numRuns: 200 }
    )
  })
})

describe("a retry budget of several instances", () => {
  const instances = (count: number, budget: number) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const members = new LimiterMemory({ nowMs: () => clock.currentTimeMillisUnsafe() })
      const made = yield* Effect.forEach(Array.from({ length: count }), (_, index) =>
        Effect.gen(function* () {
          const member = members.open()
          const beat = yield* SharedBeat.make({ instance: `instance-${index}`, store: member.members })
          const retry = Context.get(
            yield* Layer.build(
              Retry.layer({ maxAttempts: 3, baseDelayMs: 1000, maxDelayMs: 30_000, budget, shared: beat })
            ),
            Retry
          )
          return { retry, reach: member.reach }
        })
      )
      yield* TestClock.adjust(2000)
      return made
    })

  const spendAll = (retry: Retry["Service"], nowMs: number): number => {
    let spent = 0
    while (spent < 10_000 && retry.spend(nowMs)) spent++
    return spent
  }

  property(
    "is passed by two retries for each at most, whoever asks when and whoever is called",
    fc.record({
      count: fc.integer({ min: 2, max: 5 }),
      budget: fc.constantFrom(0, 0.1, 0.5),
      calls: fc.array(fc.nat({ max: 200 }), { minLength: 5, maxLength: 5 }),
      asks: fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 700 })), { maxLength: 30 })
    }),
    ({ asks, budget, calls, count }) =>
      Effect.gen(function* () {
        const made = yield* instances(count, budget)
        const startMs = yield* Clock.currentTimeMillis
        for (const [index, { retry }] of made.entries()) for (let i = 0; i < calls[index]!; i++) retry.onCall(startMs)
        const all = calls.slice(0, count).reduce((sum, n) => sum + n, 0)
        yield* TestClock.adjust(2000)
        let spent = 0
        for (const [who, pauseMs] of asks) {
          const nowMs = yield* Clock.currentTimeMillis
          // All of it counts while the calls do.
          if (nowMs - startMs + pauseMs > 8000) break
          spent += spendAll(made[who % count]!.retry, nowMs)
          yield* TestClock.adjust(pauseMs)
        }
        expect(spent).toBeLessThanOrEqual(Math.max(10, budget * all) + 2 * count)
      }),
    { runs: 50 }
  )

  it.effect("is one instance's own while it is out of reach, and nothing of it is lost to who is alone", () =>
    Effect.gen(function* () {
      const [one, two] = yield* instances(2, 0)
      expect(spendAll(one!.retry, 2000)).toBe(3)
      yield* TestClock.adjust(1000)
      expect(spendAll(two!.retry, 3000)).toBe(2)
      two!.reach(false)
      expect(spendAll(two!.retry, 3000)).toBe(8)
      yield* TestClock.adjust(60_000)
      expect(spendAll(one!.retry, 63_000)).toBe(10)
    })
  )
})
