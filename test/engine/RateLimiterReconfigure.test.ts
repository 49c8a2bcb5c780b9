import { expect, it } from "@effect/vitest"
import { Clock, Deferred, Effect } from "effect"
import fc from "fast-check"
import { TestClock } from "effect/testing"
import { openAttempt, send } from "../../engine/src/Attempt.ts"
import { makeCall } from "../../engine/src/Call.ts"
import type { RateLimits } from "../../engine/src/Provider.ts"
import { RateLimiter, type RateLimiterOptions } from "../../engine/src/RateLimiter.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { limits } from "../support/engine.ts"
import { property } from "../support/property.ts"
import { makeRequest } from "./requests.ts"

const queue: RateLimiterOptions["queue"] = { maxWaiting: 1000, maxWaitMs: 3_600_000 }

const options = (a: Partial<RateLimits>): RateLimiterOptions => ({
  providers: [{ name: "a", maxTokens: undefined, rateLimits: limits({ concurrent: 100, ...a }) }],
  queue
})

/** An attempt that runs until `done`, and when it was sent. */
const attempt = (sent: Array<number>, done: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function* () {
    const limiter = yield* RateLimiter
    const call = makeCall(makeRequest({ maxTokens: 1 }), yield* Clock.Clock)
    const answer = completionOf("m", "x", { uncachedInput: 0, output: 1 })
    const open = limiter.stage(
      send(({ clock }) => {
        sent.push(clock.currentTimeMillisUnsafe())
        return Effect.as(done, Reply.whole(answer))
      })
    )
    yield* Effect.scoped(openAttempt(call, { provider: "a", model: "m" }, open))
    yield* call.settlement.run({ _tag: "Success", completion: answer })
  })

const start = (sent: Array<number>, done?: Effect.Effect<void>) =>
  Effect.tap(Effect.forkChild(attempt(sent, done)), () => Effect.yieldNow)

const reconfigure = (a: Partial<RateLimits>) =>
  Effect.gen(function* () {
    const limiter = yield* RateLimiter
    limiter.reconfigure(options(a), yield* Clock.currentTimeMillis)
    yield* Effect.yieldNow
    yield* Effect.yieldNow
  })

it.effect("what went in the last window counts under a lower limit", () =>
  Effect.gen(function* () {
    const sent: Array<number> = []
    for (let i = 0; i < 20; i++) yield* start(sent)
    const before = sent.length
    yield* reconfigure({ requestsPerMinute: before })
    for (let i = 0; i < 5; i++) yield* start(sent)
    yield* TestClock.adjust("59 seconds")
    expect(sent.length).toBe(before)
    yield* TestClock.adjust("60 seconds")
    expect(sent.length).toBeGreaterThan(before)
  }).pipe(Effect.provide(RateLimiter.layer(options({ requestsPerMinute: 6000 }))))
)

it.effect("a limit that changes again and again delays nobody by more than the window", () =>
  Effect.gen(function* () {
    const sent: Array<number> = []
    for (let i = 0; i < 20; i++) yield* start(sent)
    yield* TestClock.adjust("30 seconds")
    expect(sent.length).toBe(20)
    for (const requestsPerMinute of [21, 22, 20, 23, 21]) {
      yield* start(sent)
      yield* reconfigure({ requestsPerMinute })
      yield* TestClock.adjust("7 seconds")
    }
    expect(sent.length).toBe(25)
  }).pipe(Effect.provide(RateLimiter.layer(options({ requestsPerMinute: 60 }))))
)

it.effect("who waits goes as soon as a raised limit has room", () =>
  Effect.gen(function* () {
    const sent: Array<number> = []
    const done = yield* Deferred.make<void>()
    for (let i = 0; i < 3; i++) yield* start(sent, Deferred.await(done))
    expect(sent.length).toBe(1)
    yield* reconfigure({ concurrent: 3 })
    expect(sent.length).toBe(3)
  }).pipe(Effect.provide(RateLimiter.layer(options({ concurrent: 1 }))))
)

it.effect("calls that run when fewer are allowed finish, and nobody goes before there is a place", () =>
  Effect.gen(function* () {
    const limiter = yield* RateLimiter
    const sent: Array<number> = []
    const done = yield* Effect.all(Array.from({ length: 4 }, () => Deferred.make<void>()))
    for (const each of done) yield* start(sent, Deferred.await(each))
    yield* reconfigure({ concurrent: 2 })
    yield* start(sent)
    for (const each of done.slice(0, 2)) {
      expect(sent.length).toBe(4)
      yield* Deferred.succeed(each, undefined)
      yield* TestClock.adjust(1)
    }
    expect(sent.length).toBe(4)
    yield* Deferred.succeed(done[2]!, undefined)
    yield* TestClock.adjust(1)
    expect(sent.length).toBe(5)
    yield* Deferred.succeed(done[3]!, undefined)
    yield* TestClock.adjust(1)
    expect(limiter.status("a", 0)?.active).toBe(0)
  }).pipe(Effect.provide(RateLimiter.layer(options({ concurrent: 4 }))))
)

property(
  "whatever limits follow each other, no window holds more than the largest of them",
  fc.array(
    fc.record({
      limit: fc.integer({ min: 20, max: 200 }),
      calls: fc.integer({ min: 0, max: 60 }),
      waitMs: fc.integer({ min: 0, max: 40_000 })
    }),
    { minLength: 1, maxLength: 8 }
  ),
  (steps) =>
    Effect.gen(function* () {
      const sent: Array<number> = []
      const inForce: Array<{ readonly fromMs: number; readonly limit: number }> = []
      for (const { calls, limit, waitMs } of steps) {
        inForce.push({ fromMs: yield* Clock.currentTimeMillis, limit })
        yield* reconfigure({ requestsPerMinute: limit })
        for (let i = 0; i < calls; i++) yield* start(sent)
        yield* TestClock.adjust(waitMs)
      }
      yield* TestClock.adjust("40 minutes")
      expect(sent.length).toBe(steps.reduce((sum, { calls }) => sum + calls, 0))
      for (const [i, sentAtMs] of sent.entries()) {
        const held = sent.slice(0, i + 1).filter((atMs) => atMs > sentAtMs - 60_000).length
        const most = Math.max(
          ...inForce
            .filter(({ fromMs }, j) => fromMs <= sentAtMs && (inForce[j + 1]?.fromMs ?? Infinity) > sentAtMs - 60_000)
            .map(({ limit }) => limit)
        )
        expect(held).toBeLessThanOrEqual(most)
      }
    }).pipe(Effect.provide(RateLimiter.layer(options({ requestsPerMinute: 200 })))),
  { runs: 60 }
)
