import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { openAttempt, send } from "../../engine/src/Attempt.ts"
import { makeCall } from "../../engine/src/Call.ts"
import {
  type EngineError,
  ProviderRateLimited,
  ProviderServerError,
  ProviderUnreachable
} from "../../engine/src/Errors.ts"
import { RateLimiter, type RateLimiterOptions } from "../../engine/src/RateLimiter.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { limits } from "../support/engine.ts"
import { property } from "../support/property.ts"
import { makeRequest } from "./requests.ts"

const target = { provider: "a", model: "m" }

const layer = (
  rateLimits: Parameters<typeof limits>[0],
  queue: Partial<RateLimiterOptions["queue"]> = {},
  onWait?: RateLimiterOptions["onWait"]
) =>
  RateLimiter.layer({
    providers: [{ name: "a", maxTokens: undefined, rateLimits: limits(rateLimits) }],
    queue: { maxWaiting: 10_000, maxWaitMs: 60_000, ...queue },
    onWait
  })

interface Ask {
  /** Tokens of the prompt, and of the answer that are reserved. */
  readonly prompt?: number
  readonly completion?: number
  /** Tokens of the answer that were used; all that were reserved unless told. */
  readonly used?: number
  readonly priority?: number
  readonly work?: Effect.Effect<unknown, EngineError>
  readonly onAdmitted?: (nowMs: number) => void
}

/** One attempt at the provider, from its admission to its settlement. */
const attempt = Effect.fnUntraced(function* (ask: Ask = {}) {
  const limiter = yield* RateLimiter
  const { completion = 1, prompt = 0, used = completion } = ask
  const call = makeCall(makeRequest({ maxTokens: completion, priority: ask.priority ?? 3 }), yield* Clock.Clock)
  call.journal.promptTokens = prompt
  const answer = completionOf("m", "x", { uncachedInput: prompt, output: used })
  const open = limiter.stage(
    send((inner) => {
      ask.onAdmitted?.(inner.clock.currentTimeMillisUnsafe())
      return Effect.as(ask.work ?? Effect.void, Reply.whole(answer))
    })
  )
  yield* Effect.scoped(openAttempt(call, target, open))
  yield* call.settlement.run({ _tag: "Success", completion: answer })
  return call
})

const statusOf = Effect.gen(function* () {
  return (yield* RateLimiter).status("a", yield* Clock.currentTimeMillis)!
})

/** The most that any window of `windowMs` holds; `taken` is in the order of time. */
const fullestWindow = (taken: ReadonlyArray<{ readonly atMs: number; readonly amount: number }>, windowMs: number) => {
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

describe("RateLimiter", () => {
  it.effect("lets a call through at once when there is room, and takes its reservation", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(attempt({ prompt: 100, completion: 50, work: Effect.sleep(1000) }))
      yield* Effect.yieldNow
      expect(yield* statusOf).toMatchObject({
        active: 1,
        queued: 0,
        queue: { oldestWaitMs: 0 },
        limits: {
          requestsPerMinute: { configured: 60, learned: null, available: 59 },
          tokensPerMinute: { configured: 1000, learned: null, available: 850 },
          concurrent: { configured: 2, learned: null, available: 1 }
        }
      })
      yield* TestClock.adjust(1000)
      yield* Fiber.join(fiber)
      expect(yield* statusOf).toMatchObject({ active: 0, limits: { concurrent: { available: 2 } } })
    }).pipe(Effect.provide(layer({ concurrent: 2, requestsPerMinute: 60, tokensPerMinute: 1000 })))
  )

  it.effect("replaces the reservation by what was used", () =>
    Effect.gen(function* () {
      yield* attempt({ prompt: 100, completion: 500, used: 20 })
      expect((yield* statusOf).limits.tokensPerMinute.available).toBe(880)
      yield* attempt({ prompt: 100, completion: 10, used: 300 })
      expect((yield* statusOf).limits.tokensPerMinute.available).toBe(480)
    }).pipe(Effect.provide(layer({ tokensPerMinute: 1000 })))
  )

  it.effect(
    "refunds the tokens of a call that failed or was interrupted, and the request only if it was never sent",
    () =>
      Effect.gen(function* () {
        const server = new ProviderServerError({ ...target, detail: "500" })
        yield* Effect.exit(attempt({ completion: 500, work: Effect.fail(server) }))
        expect((yield* statusOf).limits).toMatchObject({
          tokensPerMinute: { available: 1000 },
          requestsPerMinute: { available: 59 }
        })
        const unreachable = new ProviderUnreachable({ ...target, detail: "ECONNREFUSED" })
        yield* Effect.exit(attempt({ completion: 500, work: Effect.fail(unreachable) }))
        const fiber = yield* Effect.forkChild(attempt({ completion: 500, work: Effect.never }))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        expect((yield* statusOf).limits).toMatchObject({
          tokensPerMinute: { available: 1000 },
          requestsPerMinute: { available: 58 }
        })
      }).pipe(Effect.provide(layer({ requestsPerMinute: 60, tokensPerMinute: 1000 })))
  )

  it.effect("refunds the reservation when a stream stops early: what had come is what counts", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const call = makeCall(makeRequest({ maxTokens: 500 }), yield* Clock.Clock)
      call.journal.promptTokens = 100
      yield* Effect.scoped(
        openAttempt(
          call,
          target,
          limiter.stage(() => Effect.succeed(Reply.whole(completionOf("m", "x"))))
        )
      )
      expect((yield* statusOf).limits.tokensPerMinute.available).toBe(400)
      const partial = completionOf("m", "x", { uncachedInput: 100, output: 3, estimated: true })
      yield* call.settlement.run({ _tag: "Cancelled", partial })
      expect((yield* statusOf).limits.tokensPerMinute.available).toBe(897)
    }).pipe(Effect.provide(layer({ tokensPerMinute: 1000 })))
  )

  it.effect("reserves what answers typically take when the request names no bound", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const ask = Effect.fnUntraced(function* (output: number) {
        const call = makeCall(makeRequest(), yield* Clock.Clock)
        const open = limiter.stage(() => Effect.succeed(Reply.whole(completionOf("m", "x"))))
        yield* Effect.scoped(openAttempt(call, target, open))
        const reserved = 100_000 - (yield* statusOf).limits.tokensPerMinute.available!
        const completion = completionOf("m", "x", { uncachedInput: 0, output })
        yield* call.settlement.run({ _tag: "Success", completion })
        yield* TestClock.adjust("2 minutes")
        return reserved
      })
      expect(yield* ask(20)).toBe(256)
      for (let i = 0; i < 100; i++) yield* ask(20)
      expect(yield* ask(20)).toBeLessThan(25)
    }).pipe(Effect.provide(layer({ tokensPerMinute: 100_000 })))
  )

  it.effect("refuses a request that is larger than the whole window, and says so", () =>
    Effect.gen(function* () {
      for (const ask of [{ prompt: 1000 }, { prompt: 900, completion: 101 }]) {
        const error = yield* Effect.flip(attempt(ask))
        expect(error).toMatchObject({ _tag: "RateLimitExceeded", fault: "policy", status: 429, retryable: false })
        expect(error.message).toBe(
          "a tokens per minute: prompt and answer may have 1001 tokens, the limit of a window is 1000"
        )
      }
      yield* attempt({ prompt: 900, completion: 100, used: 1 })
      expect((yield* statusOf).limits.tokensPerMinute.available).toBe(99)
    }).pipe(Effect.provide(layer({ tokensPerMinute: 1000 })))
  )

  it.effect("serves waiters first come, first served within a priority, better priorities first", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const ask = (name: string, priority: number) =>
        Effect.forkChild(attempt({ priority, work: Effect.sleep(1000), onAdmitted: () => void order.push(name) }))
      yield* ask("running", 3)
      const asked: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const [name, priority] of [
        ["batch 1", 7],
        ["batch 2", 7],
        ["interactive 1", 3],
        ["interactive 2", 3],
        ["first", 0]
      ] as const) {
        asked.push(yield* ask(name, priority))
        yield* TestClock.adjust(1)
      }
      yield* TestClock.adjust(10_000)
      yield* Fiber.joinAll(asked)
      expect(order).toEqual(["running", "first", "interactive 1", "interactive 2", "batch 1", "batch 2"])
    }).pipe(Effect.provide(layer({ concurrent: 1 })))
  )

  it.effect("starves nobody under a steady stream of better priorities", () =>
    Effect.gen(function* () {
      let servedAtMs: number | undefined
      yield* Effect.forkChild(attempt({ work: Effect.sleep(100) }))
      yield* Effect.yieldNow
      yield* Effect.forkChild(
        attempt({ priority: 9, work: Effect.sleep(100), onAdmitted: (nowMs) => (servedAtMs = nowMs) })
      )
      for (let i = 0; i < 40; i++) {
        yield* Effect.forkChild(attempt({ priority: 0, work: Effect.sleep(100) }))
        yield* TestClock.adjust(50)
      }
      expect(servedAtMs).toBeLessThanOrEqual(900)
    }).pipe(Effect.provide(layer({ concurrent: 1 })))
  )

  it.effect("refuses the waiter beyond the bound at once, with the time to come back", () =>
    Effect.gen(function* () {
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(attempt({ work: Effect.sleep(5000) })))
      yield* Effect.yieldNow
      expect(yield* statusOf).toMatchObject({ active: 1, queued: 2 })
      const error = yield* Effect.flip(attempt())
      expect(error).toMatchObject({ _tag: "QueueFull", status: 429, maxWaiting: 2, retryable: true })
      expect(error).toHaveProperty("retryAfterMs", 1000)
      yield* Fiber.interrupt(fibers[2]!)
      expect((yield* statusOf).queued).toBe(1)
      yield* Effect.forkChild(attempt())
      yield* Effect.yieldNow
      expect((yield* statusOf).queued).toBe(2)
    }).pipe(Effect.provide(layer({ concurrent: 1 }, { maxWaiting: 2 })))
  )

  it.effect("drops a waiter at its deadline, not before and not after", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(attempt({ work: Effect.never }))
      yield* Effect.yieldNow
      const waiting = yield* Effect.forkChild(Effect.flip(attempt()))
      yield* TestClock.adjust(4999)
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(waiting)
      expect(error).toMatchObject({ _tag: "RateLimitExceeded", retryable: true })
      expect(error.message).toBe("a queue: waited 5000 ms for room (queue.maxWait)")
      expect(yield* statusOf).toMatchObject({ active: 1, queued: 0, queue: { oldestWaitMs: 0 } })
    }).pipe(Effect.provide(layer({ concurrent: 1 }, { maxWaitMs: 5000 })))
  )

  it.effect("refuses at once what would wait too long, and is honest about when it will not", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 10; i++) yield* attempt()
      const waiting = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(attempt()))
      yield* Effect.yieldNow
      const error = yield* Effect.flip(attempt())
      expect(error).toMatchObject({ _tag: "RateLimitExceeded", status: 429, retryable: true })
      const { retryAfterMs } = error as { readonly retryAfterMs: number }
      yield* TestClock.adjust(retryAfterMs)
      const again = yield* Effect.forkChild(attempt())
      yield* TestClock.adjust(5000)
      yield* Fiber.join(again)
      yield* Fiber.joinAll(waiting)
    }).pipe(Effect.provide(layer({ requestsPerMinute: 60 }, { maxWaitMs: 5000 })))
  )

  it.effect("lets nothing through while the provider asks for a pause, and tells how long it lasts", () =>
    Effect.gen(function* () {
      const refused = new ProviderRateLimited({ ...target, detail: "429", retryAfterMs: 3000 })
      yield* Effect.exit(attempt({ work: Effect.fail(refused) }))
      const limiter = yield* RateLimiter
      expect(limiter.pausedUntilMs("a")).toBe(3000)
      expect(limiter.waitMs("a", 1, 0)).toBe(3000)
      const admitted: Array<number> = []
      const fibers = yield* Effect.forEach([1, 2], () =>
        Effect.forkChild(attempt({ onAdmitted: (nowMs) => void admitted.push(nowMs) }))
      )
      yield* TestClock.adjust(2999)
      expect(admitted).toEqual([])
      yield* TestClock.adjust(1)
      yield* Fiber.joinAll(fibers)
      expect(admitted).toEqual([3000, 3000])
      limiter.pause("a", 200_000)
      limiter.pause("a", 100_000)
      const error = yield* Effect.flip(attempt())
      expect(error).toMatchObject({
        _tag: "ProviderRateLimited",
        fault: "provider",
        status: 429,
        upstreamStatus: 429,
        retryAfterMs: 197_000
      })
      expect(error.message).toContain("Retry-After")
    }).pipe(Effect.provide(layer({})))
  )

  it.effect("lets a cancelled waiter leave at once, and the next one in", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const running = yield* Effect.forkChild(attempt({ work: Effect.never }))
      yield* Effect.yieldNow
      const large = yield* Effect.forkChild(attempt({ prompt: 900, onAdmitted: () => void order.push("large") }))
      const small = yield* Effect.forkChild(attempt({ onAdmitted: () => void order.push("small") }))
      yield* Effect.yieldNow
      expect((yield* statusOf).queued).toBe(2)
      yield* Fiber.interrupt(large)
      expect((yield* statusOf).queued).toBe(1)
      yield* Fiber.interrupt(running)
      yield* Fiber.join(small)
      expect(order).toEqual(["small"])
      expect(yield* statusOf).toMatchObject({ active: 0, queued: 0, limits: { tokensPerMinute: { available: 999 } } })
    }).pipe(Effect.provide(layer({ concurrent: 1, tokensPerMinute: 1000 })))
  )

  it.effect("gives a place to a small request when the large one before it leaves or runs out of time", () =>
    Effect.gen(function* () {
      yield* attempt({ prompt: 800, completion: 0, used: 0 })
      const large = yield* Effect.forkChild(Effect.exit(attempt({ prompt: 1000, completion: 0 })))
      yield* TestClock.adjust(100)
      const small = yield* Effect.forkChild(attempt({ prompt: 100, completion: 0 }))
      yield* TestClock.adjust(100)
      expect((yield* statusOf).queued).toBe(2)
      yield* Fiber.interrupt(large)
      yield* TestClock.adjust(45_000)
      yield* Fiber.join(small)
    }).pipe(Effect.provide(layer({ tokensPerMinute: 1000 }, { maxWaitMs: 200_000 })))
  )

  it.effect("tells how long it would take to start, behind those who wait and for a free place", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      expect(limiter.waitMs("a", 10, 0)).toBe(0)
      expect(limiter.waitMs("unknown", 10, 0)).toBe(0)
      yield* Effect.forkChild(attempt({ work: Effect.never }))
      yield* Effect.yieldNow
      expect(limiter.waitMs("a", 10, 0)).toBe(1)
      yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(attempt()))
      yield* Effect.yieldNow
      expect(limiter.waitMs("a", 10, 0)).toBeGreaterThan(3000)
    }).pipe(Effect.provide(layer({ concurrent: 1, requestsPerMinute: 60 })))
  )

  it.effect("reports the wait of those who were admitted, in milliseconds", () => {
    const waits: Array<readonly [string, number]> = []
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(attempt({ work: Effect.sleep(700) }))
      yield* Effect.yieldNow
      const second = yield* Effect.forkChild(attempt())
      yield* TestClock.adjust(700)
      yield* Fiber.join(first)
      const call = yield* Fiber.join(second)
      expect(waits).toEqual([["a", 700]])
      expect(call.journal.queueMs).toBe(700)
      expect(call.journal.attempts[0]).toMatchObject({ queueMs: 700, startedAtMs: 0, sentAtMs: 700 })
    }).pipe(Effect.provide(layer({ concurrent: 1 }, {}, (provider, waitedMs) => void waits.push([provider, waitedMs]))))
  })

  it.effect("passes providers that it does not know", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const call = makeCall(makeRequest(), yield* Clock.Clock)
      const open = limiter.stage(() => Effect.succeed(Reply.whole(completionOf("m", "x"))))
      yield* Effect.scoped(openAttempt(call, { provider: "other", model: "m" }, open))
      expect(limiter.status("other", 0)).toBeUndefined()
    }).pipe(Effect.provide(layer({ concurrent: 1 })))
  )

  it.live("serves a long queue of calls that end at once, without a deep stack", () =>
    Effect.gen(function* () {
      const gate = yield* Scope.make()
      const first = yield* Effect.forkChild(
        attempt({
          work: Effect.callback<void>(
            (resume) =>
              void Effect.runSync(
                Scope.addFinalizer(
                  gate,
                  Effect.sync(() => resume(Effect.void))
                )
              )
          )
        })
      )
      yield* Effect.yieldNow
      const fibers = yield* Effect.forEach(Array.from({ length: 9000 }), () => Effect.forkChild(attempt()))
      yield* Effect.yieldNow
      expect((yield* statusOf).queued).toBe(9000)
      yield* Scope.close(gate, Exit.void)
      yield* Fiber.join(first)
      yield* Fiber.joinAll(fibers)
      expect(yield* statusOf).toMatchObject({ active: 0, queued: 0 })
    }).pipe(Effect.provide(layer({ concurrent: 1 })))
  )
})

describe("RateLimiter under load", () => {
  const arrivals = fc.record({
    concurrent: fc.integer({ min: 1, max: 8 }),
    requestsPerMinute: fc.option(fc.integer({ min: 30, max: 600 }), { nil: undefined }),
    tokensPerMinute: fc.option(fc.integer({ min: 2000, max: 20_000 }), { nil: undefined }),
    windowMs: fc.constantFrom(5000, 10_000, 60_000),
    calls: fc.array(
      fc.record({
        gapMs: fc.nat({ max: 400 }),
        prompt: fc.nat({ max: 300 }),
        completion: fc.integer({ min: 1, max: 300 }),
        usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
        workMs: fc.nat({ max: 3000 }),
        priority: fc.nat({ max: 9 }),
        leavesAfterMs: fc.option(fc.nat({ max: 8000 }), { nil: undefined, freq: 4 }),
        fate: fc.constantFrom("answers", "answers", "fails", "429")
      }),
      { minLength: 50, maxLength: 120 }
    )
  })

  property(
    "never breaks a limit in any window, nor the concurrency, and ends with nothing reserved",
    arrivals,
    ({ calls, ...rateLimits }) =>
      Effect.gen(function* () {
        const sent: Array<{ atMs: number; amount: number }> = []
        const tokens: Array<{ atMs: number; amount: number }> = []
        let running = 0
        let mostRunning = 0
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const each of calls) {
          yield* TestClock.adjust(each.gapMs)
          const used = Math.round(each.usedShare * each.completion)
          const counted = { atMs: 0, amount: 0 }
          const work = Effect.andThen(
            Effect.sleep(each.workMs),
            each.fate === "answers"
              ? Effect.sync(() => {
                  counted.amount = each.prompt + used
                })
              : Effect.fail(
                  each.fate === "429"
                    ? new ProviderRateLimited({ ...target, detail: "", retryAfterMs: each.workMs })
                    : new ProviderServerError({ ...target, detail: "" })
                )
          ).pipe(Effect.ensuring(Effect.sync(() => running--)))
          const ask: Effect.Effect<unknown, EngineError, RateLimiter> = attempt({
            ...each,
            used,
            work,
            onAdmitted: (atMs) => {
              running++
              mostRunning = Math.max(mostRunning, running)
              sent.push({ atMs, amount: 1 })
              counted.atMs = atMs
              tokens.push(counted)
            }
          })
          fibers.push(
            yield* Effect.forkChild(
              Effect.exit(each.leavesAfterMs === undefined ? ask : Effect.timeoutOption(ask, each.leavesAfterMs))
            )
          )
        }
        for (let i = 0; i < 100; i++) yield* TestClock.adjust(3000)
        yield* Fiber.joinAll(fibers)
        const { requestsPerMinute, tokensPerMinute, windowMs } = rateLimits
        expect(mostRunning).toBeLessThanOrEqual(rateLimits.concurrent)
        if (requestsPerMinute !== undefined) {
          expect(fullestWindow(sent, windowMs)).toBeLessThanOrEqual((requestsPerMinute * windowMs) / 60_000)
        }
        if (tokensPerMinute !== undefined) {
          expect(fullestWindow(tokens, windowMs)).toBeLessThanOrEqual((tokensPerMinute * windowMs) / 60_000)
        }
        expect(yield* statusOf).toMatchObject({ active: 0, queued: 0 })
      }).pipe(Effect.provide(layer(rateLimits, { maxWaitMs: 20_000, maxWaiting: 50 }))),
    { runs: 40, timeout: 120_000 }
  )

  for (const { name, rateLimits } of [
    { name: "requests", rateLimits: { requestsPerMinute: 120 } },
    { name: "tokens", rateLimits: { tokensPerMinute: 12_000 } },
    { name: "few requests", rateLimits: { requestsPerMinute: 6 } }
  ]) {
    it.effect(
      `uses at least 97 % of the limit of ${name} at 150 % load over two hours, and never more`,
      () =>
        Effect.gen(function* () {
          const perMinute = rateLimits.requestsPerMinute ?? 120
          const everyMs = 60_000 / (1.5 * perMinute)
          const sent: Array<{ atMs: number; amount: number }> = []
          let mostRunning = 0
          let running = 0
          const hours = 2
          yield* Effect.forkChild(
            Effect.gen(function* () {
              for (let i = 0; i < hours * 60 * 1.5 * perMinute; i++) {
                const work = Effect.ensuring(
                  Effect.sleep(300),
                  Effect.sync(() => running--)
                )
                yield* Effect.forkChild(
                  Effect.exit(
                    attempt({
                      prompt: 60,
                      completion: 40,
                      work,
                      onAdmitted: (atMs) => {
                        mostRunning = Math.max(mostRunning, ++running)
                        sent.push({ atMs, amount: 1 })
                      }
                    })
                  )
                )
                yield* Effect.sleep(everyMs)
              }
            })
          )
          yield* TestClock.adjust(`${hours} hours`)
          expect(sent.length / (hours * 60 * perMinute)).toBeGreaterThanOrEqual(0.97)
          expect(fullestWindow(sent, 60_000)).toBeLessThanOrEqual(perMinute)
          expect(mostRunning).toBeLessThanOrEqual(64)
        }).pipe(Effect.provide(layer(rateLimits, { maxWaitMs: 30_000 }))),
      120_000
    )
  }
})
