import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { openAttempt, send } from "../../engine/src/Attempt.ts"
import { type Call, makeCall } from "../../engine/src/Call.ts"
import { type EngineError, ProviderServerError } from "../../engine/src/Errors.ts"
import type { RateLimits } from "../../engine/src/Provider.ts"
import { RateLimiter, type RateLimiterOptions } from "../../engine/src/RateLimiter.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { limits } from "../support/engine.ts"
import { makeRequest } from "./requests.ts"

const layer = (options: {
  readonly a?: Partial<RateLimits>
  readonly b?: Partial<RateLimits>
  readonly models?: { readonly [model: string]: Partial<RateLimits> }
  readonly tenants?: { readonly [tenant: string]: { readonly weight?: number; readonly limits?: Partial<RateLimits> } }
  readonly others?: Partial<RateLimits>
  readonly queue?: Partial<RateLimiterOptions["queue"]>
}) =>
  RateLimiter.layer({
    providers: [
      {
        name: "a",
        maxTokens: undefined,
        rateLimits: limits({ concurrent: 100, ...options.a }),
        modelLimits: Object.fromEntries(
          Object.entries(options.models ?? {}).map(([model, each]) => [model, limits({ concurrent: 100, ...each })])
        )
      },
      { name: "b", maxTokens: undefined, rateLimits: limits({ concurrent: 100, ...options.b }) }
    ],
    tenants: {
      listed: Object.fromEntries(
        Object.entries(options.tenants ?? {}).map(([tenant, { limits: own, weight = 1 }]) => [
          tenant,
          { weight, rateLimits: own === undefined ? undefined : limits({ concurrent: 100, ...own }) }
        ])
      ),
      others: {
        weight: 1,
        rateLimits: options.others === undefined ? undefined : limits({ concurrent: 100, ...options.others })
      }
    },
    queue: { maxWaiting: 1000, maxWaitMs: 60_000, ...options.queue }
  })

interface Ask extends Partial<Pick<Request, "tenant" | "priority" | "timeoutMs">> {
  readonly provider?: string
  readonly model?: string
  readonly tokens?: number
  readonly work?: Effect.Effect<unknown, EngineError>
  readonly onSent?: (nowMs: number) => void
  readonly onCall?: (call: Call) => void
}

const attempt = Effect.fnUntraced(function* (ask: Ask = {}) {
  const limiter = yield* RateLimiter
  const { model = "m", priority = 3, provider = "a", tenant = "default", timeoutMs, tokens = 1 } = ask
  const call = makeCall(makeRequest({ maxTokens: tokens, priority, tenant, timeoutMs }), yield* Clock.Clock)
  ask.onCall?.(call)
  const answer = completionOf(model, "x", { uncachedInput: 0, output: tokens })
  const open = limiter.stage(
    send((inner) => {
      ask.onSent?.(inner.clock.currentTimeMillisUnsafe())
      return Effect.as(ask.work ?? Effect.void, Reply.whole(answer))
    })
  )
  yield* Effect.scoped(openAttempt(call, { provider, model }, open))
  yield* call.settlement.run({ _tag: "Success", completion: answer })
  return call
})

/** Asks and goes on when the attempt runs or waits. */
const start = (ask: Ask = {}) => Effect.tap(Effect.forkChild(attempt(ask)), () => Effect.yieldNow)

const statusOf = (provider: string) =>
  Effect.gen(function* () {
    return (yield* RateLimiter).status(provider, yield* Clock.currentTimeMillis)!
  })

describe("limits of a tenant", () => {
  it.effect("hold over all providers, and a place that comes free at one is given to a waiter at another at once", () =>
    Effect.gen(function* () {
      const sent: Array<number> = []
      const first = yield* start({ provider: "a", tenant: "acme", work: Effect.sleep(700) })
      const second = yield* start({ provider: "b", tenant: "acme", onSent: (nowMs) => void sent.push(nowMs) })
      yield* TestClock.adjust(699)
      expect(sent).toEqual([])
      yield* TestClock.adjust(1)
      yield* Fiber.joinAll([first, second])
      expect(sent).toEqual([700])
    }).pipe(Effect.provide(layer({ tenants: { acme: { limits: { concurrent: 1 } } } })))
  )

  it.effect("keep nobody else waiting: who is kept back is overtaken, and goes when its own window has room", () =>
    Effect.gen(function* () {
      const sent: Array<string> = []
      for (let i = 0; i < 10; i++) yield* attempt({ tenant: "acme" })
      const acme = yield* start({ tenant: "acme", onSent: (nowMs) => void sent.push(`acme ${nowMs}`) })
      expect((yield* statusOf("a")).queued).toBe(1)
      const other = yield* start({ tenant: "other", priority: 9, onSent: () => void sent.push("other") })
      yield* Fiber.join(other)
      expect(sent).toEqual(["other"])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(acme)
      const at = Number(sent[1]!.split(" ")[1])
      expect(at).toBeGreaterThan(0)
      expect(at).toBeLessThan(60_000)
    }).pipe(Effect.provide(layer({ tenants: { acme: { limits: { requestsPerMinute: 11 } } } })))
  )

  it.effect("are each tenant's own where the defaults say so", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      for (const tenant of ["x", "y"]) yield* start({ tenant, work: Effect.never })
      yield* start({ tenant: "x" })
      expect(yield* statusOf("a")).toMatchObject({ active: 2, queued: 1 })
      expect(limiter.tenants(0, 10).map(({ active, name }) => [name, active])).toEqual([
        ["x", 1],
        ["y", 1]
      ])
    }).pipe(Effect.provide(layer({ others: { concurrent: 1 } })))
  )

  it.effect("count a call once, however many attempts fail before one answers", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const fails = Effect.fail(new ProviderServerError({ provider: "a", model: "m", detail: "" }))
      for (let i = 0; i < 3; i++) yield* Effect.exit(attempt({ tenant: "acme", work: fails }))
      yield* attempt({ tenant: "acme" })
      expect(limiter.tenants(0, 1)[0]!.limits.requestsPerMinute.available).toBe(29)
    }).pipe(Effect.provide(layer({ tenants: { acme: { limits: { requestsPerMinute: 30 } } } })))
  )

  it.effect("are noted in the journal, with what is left", () =>
    Effect.gen(function* () {
      const call = yield* attempt({ tenant: "acme", tokens: 100 })
      expect(call.journal.callerLimits).toMatchObject({
        requests: { limit: 30, remaining: 29 },
        tokens: { limit: 1000, remaining: 900 }
      })
      expect(call.journal.callerLimits!.requests!.resetMs).toBeGreaterThan(0)
      expect((yield* attempt({ tenant: "other" })).journal.callerLimits).toBeUndefined()
    }).pipe(Effect.provide(layer({ tenants: { acme: { limits: { requestsPerMinute: 30, tokensPerMinute: 1000 } } } })))
  )

  it.effect("let a large request through beside a stream of small ones", () =>
    Effect.gen(function* () {
      let largeAtMs: number | undefined
      yield* attempt({ tenant: "acme", tokens: 900 })
      yield* start({ tenant: "acme", priority: 7, tokens: 900, onSent: (nowMs) => (largeAtMs = nowMs) })
      for (let i = 0; i < 300 && largeAtMs === undefined; i++) {
        yield* start({ tenant: "acme", priority: 3, tokens: 100 })
        yield* TestClock.adjust(1000)
      }
      expect(largeAtMs).toBeDefined()
    }).pipe(
      Effect.provide(
        layer({ tenants: { acme: { limits: { tokensPerMinute: 1000 } } }, queue: { maxWaitMs: 1_000_000 } })
      )
    )
  )
})

describe("limits of a model", () => {
  it.effect("keep no other model of the provider waiting", () =>
    Effect.gen(function* () {
      const sent: Array<string> = []
      yield* start({ model: "big", work: Effect.sleep(500) })
      const big = yield* start({ model: "big", onSent: () => void sent.push("big") })
      const small = yield* start({ model: "small", priority: 9, onSent: () => void sent.push("small") })
      yield* Fiber.join(small)
      expect(sent).toEqual(["small"])
      yield* TestClock.adjust(500)
      yield* Fiber.join(big)
      expect(yield* statusOf("a")).toMatchObject({ queued: 0, models: [{ name: "big", active: 0 }] })
    }).pipe(Effect.provide(layer({ models: { big: { concurrent: 1 } } })))
  )

  it.effect("take from model and provider together or from none of them", () =>
    Effect.gen(function* () {
      yield* start({ model: "big", tokens: 400, work: Effect.never })
      yield* start({ model: "big", tokens: 400, work: Effect.never })
      const status = yield* statusOf("a")
      expect(status).toMatchObject({
        active: 1,
        queued: 1,
        limits: { tokensPerMinute: { available: 9600 } },
        models: [{ active: 1, limits: { tokensPerMinute: { available: 100 } } }]
      })
    }).pipe(
      Effect.provide(
        layer({
          a: { tokensPerMinute: 10_000 },
          models: { big: { tokensPerMinute: 500 } },
          queue: { maxWaitMs: 200_000 }
        })
      )
    )
  )

  it.effect("keep their place for a large request that small ones have overtaken", () =>
    Effect.gen(function* () {
      let largeAtMs: number | undefined
      yield* attempt({ model: "big", tokens: 900 })
      yield* start({ model: "big", priority: 7, tokens: 900, onSent: (nowMs) => (largeAtMs = nowMs) })
      for (let i = 0; i < 300 && largeAtMs === undefined; i++) {
        yield* start({ model: "big", priority: 3, tokens: 100 })
        yield* start({ model: "small", priority: 3 })
        yield* TestClock.adjust(1000)
      }
      expect(largeAtMs).toBeDefined()
    }).pipe(Effect.provide(layer({ models: { big: { tokensPerMinute: 1000 } }, queue: { maxWaitMs: 1_000_000 } })))
  )
})

describe("the expected wait", () => {
  it.effect("sheds a request at once whose own timeout it would pass, with the time to come back", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 10; i++) yield* attempt()
      for (let i = 0; i < 5; i++) yield* start()
      const error = yield* Effect.flip(attempt({ timeoutMs: 2000 }))
      expect(error).toMatchObject({ _tag: "RateLimitExceeded", fault: "policy", status: 429, retryable: true })
      expect(error.message).toMatch(/longer than what the request's timeout leaves \(2000 ms\)$/)
      const { retryAfterMs } = error as { readonly retryAfterMs: number }
      expect(retryAfterMs).toBeGreaterThan(2000)
      yield* TestClock.adjust(retryAfterMs)
      const again = yield* start({ timeoutMs: 2000 })
      yield* TestClock.adjust(2000)
      yield* Fiber.join(again)
    }).pipe(Effect.provide(layer({ a: { requestsPerMinute: 60 } })))
  )

  it.effect("follows how long calls hold their place, where calls at once are the limit", () =>
    Effect.gen(function* () {
      const slow = { work: Effect.sleep(4000) }
      const first = yield* start(slow)
      yield* TestClock.adjust(4000)
      yield* Fiber.join(first)
      for (let i = 0; i < 4; i++) yield* start(slow)
      const { queue } = yield* statusOf("a")
      expect(queue.expectedWaitMs).toBe(16_000)
      expect(queue.waiters.map(({ expectedWaitMs, position }) => [position, expectedWaitMs])).toEqual([
        [0, 4000],
        [1, 8000],
        [2, 12_000]
      ])
      const error = yield* Effect.flip(attempt({ timeoutMs: 10_000 }))
      expect(error).toMatchObject({ _tag: "RateLimitExceeded", retryAfterMs: 6000 })
    }).pipe(Effect.provide(layer({ a: { concurrent: 1 } })))
  )

  it.effect("does not count those whom only their own tenant keeps waiting", () =>
    Effect.gen(function* () {
      yield* start({ tenant: "acme", work: Effect.never })
      for (let i = 0; i < 50; i++) yield* start({ tenant: "acme" })
      const limiter = yield* RateLimiter
      expect((yield* statusOf("a")).queued).toBe(50)
      expect((yield* statusOf("a")).queue.expectedWaitMs).toBe(0)
      expect(limiter.waitMs("a", 1, 0)).toBe(0)
      yield* attempt({ tenant: "other", timeoutMs: 1 })
    }).pipe(Effect.provide(layer({ a: { requestsPerMinute: 60 }, tenants: { acme: { limits: { concurrent: 1 } } } })))
  )
})

describe("the queue in the status", () => {
  it.effect("tells who waits, by priority and tenant, and the longest waits", () =>
    Effect.gen(function* () {
      yield* start({ work: Effect.never })
      yield* start({ tenant: "x", priority: 7 })
      yield* TestClock.adjust(1000)
      for (let i = 0; i < 30; i++) yield* start({ tenant: "y" })
      const { queue, queued } = yield* statusOf("a")
      expect(queued).toBe(31)
      expect(queue.oldestWaitMs).toBe(1000)
      expect(queue.groups).toEqual([
        { priority: 3, tenant: "y", waiting: 30 },
        { priority: 7, tenant: "x", waiting: 1 }
      ])
      expect(queue.waiters).toHaveLength(20)
      expect(queue.waiters[0]).toMatchObject({ tenant: "x", model: "m", priority: 7, waitedMs: 1000 })
      expect(queue.waiters[1]).toMatchObject({ tenant: "y", position: 0 })
    }).pipe(Effect.provide(layer({ a: { concurrent: 1 } })))
  )
})

describe("a pause", () => {
  it.effect("refuses with the provider's own 429 who would wait longer than it may", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      limiter.pause("a", 10_000)
      const error = yield* Effect.flip(attempt({ timeoutMs: 4000 }))
      expect(error).toMatchObject({ _tag: "ProviderRateLimited", fault: "provider", retryAfterMs: 10_000 })
      const waiting = yield* start()
      yield* TestClock.adjust(10_000)
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(layer({})))
  )

  it.effect("that outlasts the wait ends it with the provider's own 429 too", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      yield* start({ work: Effect.never })
      const waiting = yield* Effect.forkChild(Effect.flip(attempt()))
      yield* Effect.yieldNow
      limiter.pause("a", 20_000)
      yield* TestClock.adjust(5000)
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "ProviderRateLimited", retryAfterMs: 15_000 })
    }).pipe(Effect.provide(layer({ a: { concurrent: 1 }, queue: { maxWaitMs: 5000 } })))
  )
})

describe("closing", () => {
  it.effect("refuses everybody who waits, in slices, and serves nobody meanwhile", () => {
    const outcomes: Array<string> = []
    return Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* start({ tenant: "acme", work: Effect.never })
          for (let i = 0; i < 500; i++) {
            const ended = Effect.map(Effect.flip(attempt({ tenant: "acme" })), ({ _tag }) => void outcomes.push(_tag))
            yield* Effect.forkDetach(ended)
          }
          yield* Effect.yieldNow
          expect((yield* statusOf("a")).queued).toBe(500)
        }).pipe(Effect.provide(layer({ tenants: { acme: { limits: { concurrent: 1 } } } })))
      )
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow
      expect(outcomes).toHaveLength(500)
      expect(new Set(outcomes)).toEqual(new Set(["ShuttingDown"]))
    })
  })
})
