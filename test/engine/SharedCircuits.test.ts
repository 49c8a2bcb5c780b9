/**
 * Circuits of several instances in virtual time: they open and close together, by what all have seen and by hand, and one
 * probe is made among all; out of each other's reach every instance goes by what it sees itself.
 */
import { expect, it } from "@effect/vitest"
import { Clock, Context, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { openAttempt } from "../../engine/src/Attempt.ts"
import { Breaker, type BreakerOptions } from "../../engine/src/Breaker.ts"
import { makeCall } from "../../engine/src/Call.ts"
import { type EngineError, ProviderServerError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { SharedBeat } from "../../engine/src/SharedBeat.ts"
import { BreakerMemory } from "../../engine/src/stores/BreakerMemory.ts"
import { LimiterMemory } from "../../engine/src/stores/LimiterMemory.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { makeRequest } from "./requests.ts"

const target = { provider: "a", model: "m" }
const other = { provider: "a", model: "other" }
const failure = new ProviderServerError({ ...target, detail: "500" })
const answer = completionOf("m", "x")

/** Instances that share everything. */
const together = (count: number, options: Partial<BreakerOptions> = {}) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const nowMs = () => clock.currentTimeMillisUnsafe()
    const [circuits, members] = [new BreakerMemory({ nowMs }), new LimiterMemory({ nowMs })]
    const join = (index: number) =>
      Effect.gen(function* () {
        const access = circuits.access()
        const member = members.open()
        const beat = yield* SharedBeat.make({ instance: `instance-${index}`, store: member.members })
        const context = yield* Layer.build(
          Breaker.layer({
            failureRate: 0.5,
            minimumCalls: 6,
            openForMs: 30_000,
            ...options,
            shared: { store: access.store, beat }
          })
        )
        const breaker = Context.get(context, Breaker)
        const reach = (up: boolean) => {
          access.reach(up)
          member.reach(up)
        }
        return { breaker, reach, state: (at = target) => breaker.state(at, nowMs()) }
      })
    const instances = yield* Effect.forEach(Array.from({ length: count }), (_, index) => join(index))
    return { instances, join, states: (at = target) => instances.map(({ state }) => state(at)), circuits }
  })

type Instance = { readonly breaker: Breaker["Service"] }

/** One attempt: an answer or a failure, or one that never ends. */
const attempt = Effect.fnUntraced(function* (
  { breaker }: Instance,
  result: "success" | EngineError | Effect.Effect<never>,
  at = target
) {
  const call = makeCall(makeRequest(), yield* Clock.Clock)
  const open = breaker.stage(() =>
    result === "success" ? Effect.succeed(Reply.whole(answer)) : "fault" in result ? Effect.fail(result) : result
  )
  const exit = yield* Effect.exit(Effect.scoped(openAttempt(call, at, open)))
  yield* call.settlement.run({ _tag: "Success", completion: answer })
  return exit._tag === "Success" ? "success" : exit.cause.reasons.find((each) => each._tag === "Fail")?.error._tag
})

const times = (count: number, effect: Effect.Effect<unknown>) =>
  Effect.forEach(Array.from({ length: count }), () => effect, { discard: true })

describe("circuits of several instances", () => {
  it.effect("open everywhere at once when one opens, and who comes later finds them open", () =>
    Effect.gen(function* () {
      const { instances, join, states } = yield* together(3)
      yield* times(6, attempt(instances[0]!, failure))
      expect(states()).toEqual(["open", "open", "open"])
      expect(states(other)).toEqual(["closed", "closed", "closed"])
      expect(yield* attempt(instances[1]!, "success")).toBe("CircuitOpen")
      yield* TestClock.adjust(10_000)
      const late = yield* join(3)
      expect(late.state()).toBe("open")
      expect(late.breaker.retryAtMs(target, 10_000)).toBe(30_000)
    })
  )

  it.effect("open by what all have seen together, within a second", () =>
    Effect.gen(function* () {
      const { instances, states } = yield* together(3)
      for (const instance of instances) yield* times(2, attempt(instance, failure))
      expect(states()).toEqual(["closed", "closed", "closed"])
      yield* TestClock.adjust(2000)
      expect(states()).toEqual(["open", "open", "open"])
    })
  )

  it.effect("stay closed where the answers of others keep the share of failures below the limit", () =>
    Effect.gen(function* () {
      const { instances, states } = yield* together(2)
      yield* times(20, attempt(instances[0]!, "success"))
      yield* attempt(instances[1]!, "success")
      yield* attempt(instances[1]!, failure)
      yield* TestClock.adjust(2000)
      yield* times(8, attempt(instances[1]!, failure))
      yield* TestClock.adjust(2000)
      expect(states()).toEqual(["closed", "closed"])
    })
  )

  it.effect("are probed by one call among all; its success closes all, and what was before is forgotten", () =>
    Effect.gen(function* () {
      const { instances, states } = yield* together(3)
      for (const instance of instances) yield* times(3, attempt(instance, failure))
      yield* TestClock.adjust(2000)
      expect(states()).toEqual(["open", "open", "open"])
      yield* TestClock.adjust(30_000)
      expect(states()).toEqual(["half-open", "half-open", "half-open"])
      const probe = yield* Effect.forkChild(attempt(instances[1]!, Effect.never), { startImmediately: true })
      for (const instance of instances) expect(yield* attempt(instance, "success")).toBe("CircuitOpen")
      yield* Fiber.interrupt(probe)
      yield* TestClock.adjust(1000)
      expect(yield* attempt(instances[2]!, "success")).toBe("success")
      expect(states()).toEqual(["closed", "closed", "closed"])
      yield* attempt(instances[0]!, failure)
      yield* TestClock.adjust(10_000)
      expect(states()).toEqual(["closed", "closed", "closed"])
    })
  )

  it.effect("open again everywhere for the whole time when the probe fails", () =>
    Effect.gen(function* () {
      const { instances, states } = yield* together(3)
      yield* times(6, attempt(instances[0]!, failure))
      yield* TestClock.adjust(30_000)
      expect(yield* attempt(instances[2]!, failure)).toBe("ProviderServerError")
      yield* TestClock.adjust(29_999)
      expect(states()).toEqual(["open", "open", "open"])
      yield* TestClock.adjust(1)
      expect(states()).toEqual(["half-open", "half-open", "half-open"])
    })
  )

  it.effect("obey an order that was given at any of them, and an instance that comes later does too", () =>
    Effect.gen(function* () {
      const { instances, join, states } = yield* together(2)
      instances[0]!.breaker.set("a", { state: "open", forMs: 90_000 }, 0)
      expect([...states(), ...states(other)]).toEqual(["open", "open", "open", "open"])
      const late = yield* join(2)
      expect([late.state(), late.state(other)]).toEqual(["open", "open"])
      instances[1]!.breaker.set("a", { state: "auto" }, 0)
      expect([...states(), late.state(), late.state(other)]).toEqual(["closed", "closed", "closed", "closed"])
      instances[1]!.breaker.set("a", { state: "closed", model: "m", forMs: 60_000 }, 0)
      yield* times(20, attempt(instances[0]!, failure))
      yield* TestClock.adjust(5000)
      expect(states()).toEqual(["closed", "closed"])
      yield* TestClock.adjust(56_000)
      yield* times(20, attempt(instances[0]!, failure))
      expect(states()).toEqual(["open", "open"])
    })
  )

  it.effect("go by what each sees while they are out of reach, and agree when they are back", () =>
    Effect.gen(function* () {
      const { instances, states } = yield* together(2)
      const [one, two] = instances
      yield* times(2, attempt(one!, failure))
      yield* TestClock.adjust(2000)
      two!.reach(false)
      yield* times(4, attempt(one!, failure))
      expect(states()).toEqual(["open", "closed"])
      expect(yield* attempt(two!, "success")).toBe("success")
      two!.breaker.set("b", { state: "open", forMs: 90_000 }, 2000)
      two!.reach(true)
      expect(states()).toEqual(["open", "open"])
      expect(one!.state({ provider: "b", model: "x" })).toBe("open")
      two!.reach(false)
      yield* TestClock.adjust(30_000)
      expect(yield* attempt(one!, "success")).toBe("success")
      // A probe of its own: the store can't say whose turn it is.
      expect(yield* attempt(two!, "success")).toBe("success")
      expect(states()).toEqual(["closed", "closed"])
      one!.breaker.set("b", { state: "auto" }, 32_000)
      two!.reach(true)
      expect(two!.state({ provider: "b", model: "x" })).toBe("closed")
    })
  )

  it.effect("are told again to a store that has forgotten them", () =>
    Effect.gen(function* () {
      const { circuits, instances, join, states } = yield* together(2)
      yield* times(6, attempt(instances[0]!, failure))
      instances[1]!.breaker.set("b", { state: "open", forMs: 90_000 }, 0)
      yield* TestClock.adjust(5000)
      circuits.clear()
      expect(states()).toEqual(["open", "open"])
      const late = yield* join(2)
      expect([late.state(), late.state({ provider: "b", model: "x" })]).toEqual(["open", "open"])
      expect(late.breaker.retryAtMs(target, 5000)).toBe(30_000)
    })
  )
})
