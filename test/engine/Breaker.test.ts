import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { openAttempt } from "../../engine/src/Attempt.ts"
import { Breaker, type BreakerOptions } from "../../engine/src/Breaker.ts"
import { makeCall } from "../../engine/src/Call.ts"
import { Circuit, type Verdict } from "../../engine/src/Circuit.ts"
import {
  DeadlineExceeded,
  type EngineError,
  ProviderAuthFailed,
  ProviderRateLimited,
  ProviderServerError,
  ProviderTimeout,
  RequestRejected,
  StreamTruncated,
  UnsupportedAbility
} from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { makeRequest } from "./requests.ts"

const target = { provider: "a", model: "m" }
const serverError = new ProviderServerError({ ...target, detail: "500" })
const answer = completionOf("m", "x")

const layer = (options: Partial<BreakerOptions> = {}) =>
  Breaker.layer({ failureRate: 0.5, minimumCalls: 4, openForMs: 30_000, ...options })

/** One attempt: its answer, its failure before the first part, or its failure after it. */
const attempt = Effect.fnUntraced(function* (
  result: EngineError | "success" | { readonly later: EngineError } | Effect.Effect<never>,
  at = target
) {
  const breaker = yield* Breaker
  const call = makeCall(makeRequest(), yield* Clock.Clock)
  const open = breaker.stage(() =>
    result === "success" || (typeof result === "object" && "later" in result)
      ? Effect.succeed(Reply.whole(answer))
      : Effect.isEffect(result) && !("fault" in result)
        ? result
        : Effect.fail(result as EngineError)
  )
  const exit = yield* Effect.exit(Effect.scoped(openAttempt(call, at, open)))
  yield* call.settlement.run(
    result === "success" || !(typeof result === "object" && "later" in result)
      ? { _tag: "Success", completion: answer }
      : { _tag: "Failure", error: result.later, partial: undefined }
  )
  return exit
})

const state = Effect.gen(function* () {
  return (yield* Breaker).state(target, yield* Clock.currentTimeMillis)
})

const failTimes = (times: number) => Effect.forEach(Array.from({ length: times }), () => attempt(serverError))

describe("Breaker", () => {
  it.effect("opens at the share of failures, and not before there are enough calls", () =>
    Effect.gen(function* () {
      yield* failTimes(3)
      expect(yield* state).toBe("closed")
      yield* failTimes(1)
      expect(yield* state).toBe("open")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("stays closed below the share", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 30; i++) {
        yield* attempt("success")
        yield* attempt("success")
        yield* attempt(serverError)
      }
      expect(yield* state).toBe("closed")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("forgets what is older than a minute", () =>
    Effect.gen(function* () {
      yield* failTimes(3)
      yield* TestClock.adjust(61_000)
      yield* failTimes(3)
      expect(yield* state).toBe("closed")
      yield* TestClock.adjust("1 day")
      yield* failTimes(3)
      expect(yield* state).toBe("closed")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("counts provider faults and broken streams, and nothing that says nothing about the provider", () =>
    Effect.gen(function* () {
      const counts: ReadonlyArray<readonly [Parameters<typeof attempt>[0], boolean]> = [
        [serverError, true],
        [new ProviderTimeout({ ...target, timeoutMs: 1 }), true],
        [new ProviderAuthFailed({ ...target, detail: "" }), true],
        [{ later: new StreamTruncated({ ...target, detail: "" }) }, true],
        [new ProviderRateLimited({ ...target, detail: "" }), false],
        [new RequestRejected({ ...target, kind: "invalid_request", detail: "" }), false],
        [new UnsupportedAbility({ provider: "a", ability: "seed" }), false],
        [{ later: new DeadlineExceeded({ timeoutMs: 1, where: "stream" }) }, false],
        [Effect.interrupt, false],
        [Effect.die(new Error("boom")), false],
        ["success", false]
      ]
      for (const [result, opens] of counts) {
        const at = { provider: "a", model: `m${counts.findIndex((entry) => entry[0] === result)}` }
        for (let i = 0; i < 10; i++) yield* attempt(result, at)
        expect((yield* Breaker).state(at, 0), JSON.stringify(result)).toBe(opens ? "open" : "closed")
      }
    }).pipe(Effect.provide(layer()))
  )

  it.effect("refuses at once while it is open, and says when to come back", () =>
    Effect.gen(function* () {
      yield* failTimes(4)
      yield* TestClock.adjust(10_000)
      let called = false
      const exit = yield* attempt(
        Effect.suspend(() => {
          called = true
          return Effect.never
        })
      )
      expect(called).toBe(false)
      expect(exit).toMatchObject({ cause: { reasons: [{ error: { _tag: "CircuitOpen", retryAfterMs: 20_000 } }] } })
      expect((yield* Breaker).retryAtMs(target, 10_000)).toBe(30_000)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("lets one probe through when the time is over, and closes when it succeeds", () =>
    Effect.gen(function* () {
      yield* failTimes(4)
      yield* TestClock.adjust(30_000)
      expect(yield* state).toBe("half-open")
      const probe = yield* Effect.forkChild(attempt(Effect.never))
      yield* Effect.yieldNow
      const second = yield* attempt("success")
      expect(second).toMatchObject({ cause: { reasons: [{ error: { _tag: "CircuitOpen", retryAfterMs: 1000 } }] } })
      yield* Fiber.interrupt(probe)
      expect(yield* state).toBe("half-open")
      yield* attempt("success")
      expect(yield* state).toBe("closed")
      yield* failTimes(3)
      expect(yield* state).toBe("closed")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("opens again for the whole time when the probe fails", () =>
    Effect.gen(function* () {
      yield* failTimes(4)
      yield* TestClock.adjust(30_000)
      yield* attempt(serverError)
      expect(yield* state).toBe("open")
      yield* TestClock.adjust(29_999)
      expect(yield* state).toBe("open")
      yield* TestClock.adjust(1)
      expect(yield* state).toBe("half-open")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("frees the probe's place when it was cancelled or ended with a rate limit", () =>
    Effect.gen(function* () {
      yield* failTimes(4)
      yield* TestClock.adjust(30_000)
      for (const result of [Effect.interrupt, new ProviderRateLimited({ ...target, detail: "" })]) {
        yield* attempt(result)
        expect((yield* Breaker).retryAtMs(target, 30_000)).toBe(0)
      }
      yield* attempt("success")
      expect(yield* state).toBe("closed")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("ignores late answers of calls from before it opened", () =>
    Effect.gen(function* () {
      const breaker = yield* Breaker
      const early = makeCall(makeRequest(), yield* Clock.Clock)
      yield* Effect.scoped(
        openAttempt(
          early,
          target,
          breaker.stage(() => Effect.succeed(Reply.whole(answer)))
        )
      )
      yield* failTimes(4)
      yield* early.settlement.run({ _tag: "Success", completion: answer })
      expect(yield* state).toBe("open")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("keeps a circuit for each provider and model", () =>
    Effect.gen(function* () {
      const breaker = yield* Breaker
      yield* failTimes(4)
      expect(breaker.state({ provider: "a", model: "other" }, 0)).toBe("closed")
      expect(breaker.state({ provider: "b", model: "m" }, 0)).toBe("closed")
      expect(breaker.stateOfProvider("a", 0)).toBe("open")
      expect(breaker.stateOfProvider("a", 30_000)).toBe("half-open")
      expect(breaker.stateOfProvider("b", 0)).toBe("closed")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("is opened and closed by hand for every model, also those that nobody has asked for yet", () =>
    Effect.gen(function* () {
      const breaker = yield* Breaker
      yield* attempt("success")
      breaker.set("a", { state: "open" }, 0)
      expect(breaker.state(target, 0)).toBe("open")
      expect(breaker.retryAtMs({ provider: "a", model: "new" }, 0)).toBe(30_000)
      const exit = yield* attempt("success", { provider: "a", model: "new" })
      expect(exit).toMatchObject({ cause: { reasons: [{ error: { _tag: "CircuitOpen" } }] } })
      breaker.set("never called", { state: "open" }, 0)
      expect(breaker.stateOfProvider("never called", 0)).toBe("open")
      breaker.set("a", { state: "closed" }, 0)
      expect(breaker.stateOfProvider("a", 0)).toBe("closed")
      yield* attempt("success", { provider: "a", model: "newer" })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("stays open when a probe of before ends after it was opened by hand", () =>
    Effect.gen(function* () {
      const breaker = yield* Breaker
      yield* failTimes(4)
      yield* TestClock.adjust(30_000)
      const probe = makeCall(makeRequest(), yield* Clock.Clock)
      yield* Effect.scoped(
        openAttempt(
          probe,
          target,
          breaker.stage(() => Effect.succeed(Reply.whole(answer)))
        )
      )
      breaker.set("a", { state: "open" }, 30_000)
      yield* probe.settlement.run({ _tag: "Success", completion: answer })
      expect(yield* state).toBe("open")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("keeps a bounded number of circuits, and the open ones longest", () =>
    Effect.gen(function* () {
      yield* failTimes(4)
      for (let i = 0; i < 3000; i++) yield* attempt("success", { provider: "a", model: `made up ${i}` })
      expect(yield* state).toBe("open")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("opens by failures in a row, however few calls there were, and not by as many with an answer between", () =>
    Effect.gen(function* () {
      yield* failTimes(2)
      yield* attempt("success")
      yield* failTimes(2)
      yield* attempt(new ProviderRateLimited({ ...target, detail: "" }))
      expect(yield* state).toBe("closed")
      yield* failTimes(1)
      expect(yield* state).toBe("open")
    }).pipe(Effect.provide(layer({ minimumCalls: 1000, consecutiveFailures: 3 })))
  )

  it("lets exactly one call through at a time while it is half open, whatever order calls come and end in", () => {
    const step = fc.oneof(
      fc.constant({ kind: "admit" as const }),
      fc.record({
        kind: fc.constant("end" as const),
        which: fc.nat(),
        verdict: fc.constantFrom<Verdict>("success", "failure", "ignored")
      }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 40_000 }) })
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const circuit = new Circuit({ failureRate: 0.5, minimumCalls: 2, openForMs: 30_000 }, "m")
        let nowMs = 0
        const running: Array<number> = []
        let probe: number | undefined
        for (const each of steps) {
          if (each.kind === "wait") nowMs += each.ms
          else if (each.kind === "admit") {
            const before = circuit.state(nowMs)
            const ready = circuit.retryAtMs(nowMs) === 0
            const ticket = circuit.admit(nowMs)
            expect(ticket !== undefined).toBe(ready)
            if (before === "open") expect(ticket).toBeUndefined()
            if (before === "half-open" && ticket !== undefined) {
              expect(probe).toBeUndefined()
              probe = ticket
            }
            if (ticket !== undefined) running.push(ticket)
          } else if (running.length > 0) {
            const [ticket] = running.splice(each.which % running.length, 1)
            circuit.record(each.verdict, nowMs, ticket!)
            if (ticket === probe) probe = undefined
          }
        }
      })
    )
  })

  it.effect("does not count the refusal of one of several keys", () =>
    Effect.gen(function* () {
      const breaker = yield* Breaker
      for (let i = 0; i < 10; i++) {
        const call = makeCall(makeRequest(), yield* Clock.Clock)
        const open = breaker.stage(({ attempt: made }) => {
          made.otherKey = true
          return Effect.fail(new ProviderAuthFailed({ ...target, detail: "" }))
        })
        yield* Effect.exit(Effect.scoped(openAttempt(call, target, open)))
      }
      expect(yield* state).toBe("closed")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("is set by hand for one model, for a time, and left to the outcomes again", () =>
    Effect.gen(function* () {
      const breaker = yield* Breaker
      const other = { provider: "a", model: "other" }
      breaker.set("a", { state: "open", model: "m", forMs: 90_000 }, 0)
      expect([breaker.state(target, 89_999), breaker.state(target, 90_000), breaker.state(other, 0)]).toEqual([
        "open",
        "half-open",
        "closed"
      ])
      expect(breaker.circuits("a", 0)).toMatchObject([{ model: "m", state: "open", manual: true, retryMs: 90_000 }])
      breaker.set("a", { state: "auto" }, 0)
      expect(breaker.state(target, 0)).toBe("closed")
      breaker.set("a", { state: "closed", forMs: 1000 }, 0)
      yield* failTimes(20)
      expect(yield* state).toBe("closed")
      yield* TestClock.adjust(1000)
      yield* failTimes(1)
      expect(yield* state).toBe("open")
      breaker.set("a", { state: "auto" }, 1000)
      expect(yield* state).toBe("open")
    }).pipe(Effect.provide(layer()))
  )
})
