import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { type Call, makeCall, type Target } from "../../engine/src/Call.ts"
import { ProviderServerError } from "../../engine/src/Errors.ts"
import { type Order, orderBy, type OrderOptions, type Strategy } from "../../engine/src/RoutingStrategy.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { makeRequest } from "./requests.ts"

const targets: ReadonlyArray<Target> = ["a", "b", "c"].map((provider) => ({ provider, model: "m" }))
const names = (ordered: ReadonlyArray<Target>): string => ordered.map(({ provider }) => provider).join("")

const order = (strategy: Strategy, options: Partial<OrderOptions> = {}): Order =>
  orderBy(strategy, { weight: () => 1, typicalUsd: () => undefined, ...options })

const newCall = Effect.map(Clock.Clock, (clock) => makeCall(makeRequest(), clock))

/** Orders the targets for a new call and ends it as its first candidate would: an answer after a time, or a failure. */
const answered = Effect.fnUntraced(function* (by: Order, tookMs: (provider: string) => number | "fails") {
  const call = yield* newCall
  const ordered = by(targets, call)
  yield* end(call, ordered[0]!, tookMs(ordered[0]!.provider))
  return names(ordered)
})

const end = Effect.fnUntraced(function* (call: Call, target: Target, took: number | "fails") {
  const sentAtMs = yield* Clock.currentTimeMillis
  const times = { target, startedAtMs: sentAtMs, queueMs: 0, sentAtMs }
  if (took === "fails") {
    const error = new ProviderServerError({ ...target, detail: "" })
    call.journal.attempts.push({ ...times, firstPartAtMs: undefined, endedAtMs: sentAtMs, error })
    return yield* call.settlement.run({ _tag: "Failure", error, partial: undefined })
  }
  yield* TestClock.adjust(took)
  call.journal.attempts.push({ ...times, firstPartAtMs: sentAtMs + took, endedAtMs: sentAtMs + took, error: undefined })
  yield* call.settlement.run({ _tag: "Success", completion: completionOf("m", "x") })
})

describe("orderBy", () => {
  it.effect("gives every candidate exactly once, whatever the strategy", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      fc.assert(
        fc.property(
          fc.constantFrom<Strategy>("fallback", "round-robin", "weighted", "least-latency", "lowest-cost"),
          fc.array(fc.record({ size: fc.integer({ min: 2, max: 6 }), weight: fc.nat({ max: 100 }) }), {
            minLength: 1,
            maxLength: 30
          }),
          (strategy, calls) => {
            const by = order(strategy, { weight: (name) => 1 + name.length, typicalUsd: () => Math.random() })
            for (const { size } of calls) {
              const some = Array.from({ length: size }, (_, i) => ({ provider: "p".repeat(i + 1), model: "m" }))
              expect(
                by(some, makeCall(makeRequest(), clock)).toSorted((x, y) => x.provider.length - y.provider.length)
              ).toEqual(some)
            }
          }
        )
      )
    })
  )

  it.effect("fallback keeps the configured order", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 3; i++) expect(names(order("fallback")(targets, yield* newCall))).toBe("abc")
    })
  )

  it.effect("round-robin gives each its turn, and keeps the others as fallbacks in order", () =>
    Effect.gen(function* () {
      const by = order("round-robin")
      const seen: Array<string> = []
      for (let i = 0; i < 4; i++) seen.push(names(by(targets, yield* newCall)))
      expect(seen).toEqual(["abc", "bca", "cab", "abc"])
    })
  )

  it.effect("weighted spreads by weight, smoothly", () =>
    Effect.gen(function* () {
      const weights: Record<string, number> = { a: 5, b: 1, c: 1 }
      const by = order("weighted", { weight: (name) => weights[name]! })
      let firsts = ""
      for (let i = 0; i < 14; i++) firsts += by(targets, yield* newCall)[0]!.provider
      expect(firsts).toBe("aabacaaaabacaa")
    })
  )

  it.effect("lowest-cost takes the cheapest by the price of the day, and the unpriced last", () =>
    Effect.gen(function* () {
      const prices = (name: string, atMs: number) =>
        name === "a" ? undefined : name === "b" ? (atMs < 1000 ? 1 : 3) : 2
      const by = order("lowest-cost", { typicalUsd: ({ provider }, atMs) => prices(provider, atMs) })
      expect(names(by(targets, yield* newCall))).toBe("bca")
      yield* TestClock.adjust(1000)
      expect(names(by(targets, yield* newCall))).toBe("cba")
      expect(names(order("lowest-cost")(targets, yield* newCall))).toBe("abc")
    })
  )

  it.effect("weighted keeps the shares over any stretch, and gives 0 to one that only stands in for others", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const weights = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 3, maxLength: 3 })
      fc.assert(
        fc.property(
          weights.filter((some) => some.some((weight) => weight > 0)),
          fc.integer({ min: 1, max: 200 }),
          (shares, calls) => {
            const weightOf = (name: string) => shares["abc".indexOf(name)]!
            const by = order("weighted", { weight: weightOf })
            const counts: Record<string, number> = { a: 0, b: 0, c: 0 }
            for (let i = 0; i < calls; i++) counts[by(targets, makeCall(makeRequest(), clock))[0]!.provider]!++
            const total = shares.reduce((sum, weight) => sum + weight, 0)
            for (const name of "abc") {
              expect(Math.abs(counts[name]! - (calls * weightOf(name)) / total)).toBeLessThan(3)
              if (weightOf(name) === 0) expect(counts[name]).toBe(0)
            }
          }
        )
      )
    })
  )

  describe("least-latency", () => {
    const share = (firsts: string, name: string) => firsts.split(name).length - 1

    it.effect("tries everybody, then never the slowest of three, and the fastest whenever it is drawn", () =>
      Effect.gen(function* () {
        const by = order("least-latency")
        const took = (name: string) => ({ a: 3000, b: 100, c: 200 })[name]!
        let firsts = ""
        for (let i = 0; i < 20; i++) firsts += (yield* answered(by, took))[0]
        expect(share(firsts, "a")).toBe(1)
        let later = ""
        for (let i = 0; i < 90; i++) later += (yield* answered(by, took))[0]
        // Two of three pairs hold the fastest.
        expect(share(later, "b")).toBeGreaterThan(45)
        expect(share(later, "a")).toBeLessThanOrEqual(3)
      })
    )

    it.effect("with two candidates takes the faster one", () =>
      Effect.gen(function* () {
        const by = order("least-latency")
        const two = targets.slice(0, 2)
        let firsts = ""
        for (let i = 0; i < 20; i++) {
          const call = yield* newCall
          const [first] = by(two, call)
          yield* end(call, first!, first!.provider === "a" ? 300 : 100)
          firsts += first!.provider
        }
        expect(share(firsts, "a")).toBe(1)
      })
    )

    it.effect("counts calls in flight, so that a burst is spread", () =>
      Effect.gen(function* () {
        const by = order("least-latency")
        for (let i = 0; i < 12; i++) yield* answered(by, () => 100)
        let firsts = ""
        const calls: Array<Call> = []
        for (let i = 0; i < 60; i++) {
          const call = yield* newCall
          calls.push(call)
          firsts += by(targets, call)[0]!.provider
        }
        for (const name of "abc") {
          expect(share(firsts, name)).toBeGreaterThanOrEqual(17)
          expect(share(firsts, name)).toBeLessThanOrEqual(23)
        }
        for (const call of calls) yield* call.settlement.run({ _tag: "Cancelled", partial: undefined })
        expect(by(targets, yield* newCall)).toHaveLength(3)
      })
    )

    it.effect("rises at once with a slow answer and falls slowly with fast ones", () =>
      Effect.gen(function* () {
        const by = order("least-latency")
        const two = targets.slice(0, 2)
        const once = Effect.fnUntraced(function* (took: (name: string) => number) {
          const call = yield* newCall
          const [first] = by(two, call)
          yield* end(call, first!, took(first!.provider))
          return first!.provider
        })
        for (let i = 0; i < 6; i++) yield* once((name) => (name === "a" ? 50 : 100))
        expect(yield* once((name) => (name === "a" ? 2000 : 100))).toBe("a")
        // One slow answer is enough: the other one is asked from now on.
        let firsts = ""
        for (let i = 0; i < 10; i++) firsts += yield* once((name) => (name === "a" ? 50 : 100))
        expect(firsts).toBe("bbbbbbbbbb")
      })
    )

    it.effect("takes a failure for no fast answer, however soon it comes", () =>
      Effect.gen(function* () {
        const by = order("least-latency")
        const took = (name: string) => (name === "a" ? "fails" : 500)
        let firsts = ""
        for (let i = 0; i < 30; i++) firsts += (yield* answered(by, took))[0]
        expect(share(firsts, "a")).toBe(1)
      })
    )

    it.effect("learns from an attempt that lost to another how long it took at least", () =>
      Effect.gen(function* () {
        const by = order("least-latency")
        const two = targets.slice(0, 2)
        for (let i = 0; i < 4; i++) {
          const call = yield* newCall
          yield* end(call, by(two, call)[0]!, 100)
        }
        const call = yield* newCall
        const [first, second] = by(two, call)
        const now = yield* Clock.currentTimeMillis
        const times = { startedAtMs: now, queueMs: 0, sentAtMs: now, error: undefined }
        const usage = completionOf("m", "x").usage
        call.journal.attempts.push({
          ...times,
          target: first!,
          firstPartAtMs: undefined,
          endedAtMs: now + 900,
          lost: { usage, cost: undefined }
        })
        call.journal.attempts.push({ ...times, target: second!, firstPartAtMs: now + 100, endedAtMs: now + 100 })
        yield* call.settlement.run({ _tag: "Success", completion: completionOf("m", "x") })
        expect(by(two, yield* newCall)[0]).toBe(second)
      })
    )

    it.effect("comes back to one that was slow, after a while", () =>
      Effect.gen(function* () {
        const by = order("least-latency")
        let slow = true
        const took = (name: string) => (name === "a" && slow ? 5000 : name === "a" ? 10 : 400)
        for (let i = 0; i < 12; i++) yield* answered(by, took)
        slow = false
        let firsts = ""
        for (let i = 0; i < 200; i++) firsts += (yield* answered(by, took))[0]
        expect(firsts).toContain("a")
      })
    )
  })
})
