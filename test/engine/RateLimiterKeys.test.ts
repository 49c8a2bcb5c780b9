/**
 * Limits of virtual keys in the limiter: one more scope beside provider, model and tenant. That no window of any of them is
 * ever passed is shown in `laws/Law05ReserveThenSettle`.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { openAttempt, send } from "../../engine/src/Attempt.ts"
import { makeCall } from "../../engine/src/Call.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import type { Grant } from "../../engine/src/Grant.ts"
import type { RateLimits } from "../../engine/src/Provider.ts"
import { RateLimiter } from "../../engine/src/RateLimiter.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { limits } from "../support/engine.ts"
import { makeRequest } from "./requests.ts"

type Own = Partial<RateLimits>

const layer = (options: { readonly a?: Own; readonly b?: Own; readonly tenant?: Own } = {}) =>
  RateLimiter.layer({
    providers: ["a", "b"].map((name) => ({
      name,
      maxTokens: undefined,
      rateLimits: limits({ concurrent: 100, ...(name === "a" ? options.a : options.b) })
    })),
    tenants: {
      listed:
        options.tenant === undefined
          ? {}
          : { acme: { weight: 1, rateLimits: limits({ concurrent: 100, ...options.tenant }) } },
      others: { weight: 1, rateLimits: undefined }
    },
    queue: { maxWaiting: 1000, maxWaitMs: 60_000 }
  })

const keyOf = (keyId: string, own: Partial<RateLimits>, changedAtMs = 0): Grant => ({
  keyId,
  name: keyId,
  tenant: "acme",
  rateLimits: limits({ concurrent: 100, ...own }),
  changedAtMs
})

interface Ask {
  readonly key?: Grant
  readonly provider?: string
  readonly tenant?: string
  readonly tokens?: number
  readonly work?: Effect.Effect<unknown, EngineError>
  readonly onSent?: (nowMs: number) => void
}

const attempt = Effect.fnUntraced(function* ({ key, onSent, provider = "a", tenant = "acme", tokens = 1, work }: Ask) {
  const limiter = yield* RateLimiter
  const call = makeCall(makeRequest({ maxTokens: tokens, tenant, key }), yield* Clock.Clock)
  const answer = completionOf("m", "x", { uncachedInput: 0, output: tokens })
  const open = limiter.stage(
    send((inner) => {
      onSent?.(inner.clock.currentTimeMillisUnsafe())
      return Effect.as(work ?? Effect.void, Reply.whole(answer))
    })
  )
  yield* Effect.scoped(openAttempt(call, { provider, model: "m" }, open))
  yield* call.settlement.run({ _tag: "Success", completion: answer })
  return call
})

const start = (ask: Ask) => Effect.tap(Effect.forkChild(attempt(ask)), () => Effect.yieldNow)

describe("limits of a key", () => {
  it.effect("hold over all providers, and a place that comes free at one is given to a waiter at another at once", () =>
    Effect.gen(function* () {
      const key = keyOf("one", { concurrent: 1 })
      const sent: Array<number> = []
      const first = yield* start({ key, work: Effect.sleep(700) })
      const second = yield* start({ key, provider: "b", onSent: (nowMs) => void sent.push(nowMs) })
      yield* TestClock.adjust(699)
      expect(sent).toEqual([])
      yield* TestClock.adjust(1)
      yield* Fiber.joinAll([first, second])
      expect(sent).toEqual([700])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("are what a refusal names, not those of a provider that has room", () =>
    Effect.gen(function* () {
      const key = keyOf("mobile", { requestsPerMinute: 1, windowMs: 3_600_000 })
      const refused = { _tag: "RateLimitExceeded", fault: "policy" }
      for (let i = 0; i < 60; i++) yield* start({ key })
      expect(yield* Effect.flip(attempt({ key }))).toMatchObject({ ...refused, limit: "key mobile rate limit" })
      const tokens = 1_000_000
      for (let i = 0; i < 10; i++) yield* start({ provider: "b", tenant: "other", tokens })
      const error = yield* Effect.flip(attempt({ provider: "b", tenant: "other", tokens }))
      expect(error).toMatchObject({ ...refused, limit: "b rate limit" })
    }).pipe(Effect.provide(layer({ b: { tokensPerMinute: 1_000_000 } })))
  )

  it.effect("keep no other key of the same tenant waiting, nor the tenant without a key", () =>
    Effect.gen(function* () {
      const slow = keyOf("slow", { concurrent: 1 })
      yield* start({ key: slow, work: Effect.never })
      for (let i = 0; i < 5; i++) yield* start({ key: slow })
      const sent: Array<string> = []
      yield* Effect.all([
        attempt({ key: keyOf("quick", { concurrent: 1 }), onSent: () => void sent.push("quick") }),
        attempt({ onSent: () => void sent.push("without a key") }),
        attempt({ key: { keyId: "free", name: "free", tenant: "acme" }, onSent: () => void sent.push("free") })
      ])
      expect(sent).toEqual(["quick", "without a key", "free"])
      const limiter = yield* RateLimiter
      expect(limiter.status("a", 0)).toMatchObject({ active: 1, queued: 5 })
      expect(limiter.waitMs("a", 1, 0)).toBe(0)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("give nobody more of the tenant's share: keys of a tenant take turns within it", () =>
    Effect.gen(function* () {
      const first = yield* start({ tenant: "other", work: Effect.sleep(10) })
      const sent: Array<string> = []
      for (const name of ["x", "y", "z"]) {
        const key = keyOf(name, {})
        for (let i = 0; i < 4; i++) yield* start({ key, work: Effect.sleep(10), onSent: () => void sent.push(name) })
      }
      for (let i = 0; i < 12; i++) {
        yield* start({ tenant: "other", work: Effect.sleep(10), onSent: () => void sent.push("other") })
      }
      yield* TestClock.adjust(10_000)
      yield* Fiber.join(first)
      const half = sent.slice(0, 12)
      expect(half.filter((name) => name === "other").length).toBeGreaterThanOrEqual(5)
      expect(half.filter((name) => name === "other").length).toBeLessThanOrEqual(7)
      for (const name of ["x", "y", "z"]) expect(half.filter((each) => each === name).length).toBeGreaterThanOrEqual(1)
      expect(sent).toHaveLength(24)
    }).pipe(Effect.provide(layer({ a: { concurrent: 1 } })))
  )

  it.effect("change with the next request: what was taken counts, and who waits goes when there is room", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const before = keyOf("one", { concurrent: 1, requestsPerMinute: 60 }, 1)
      const after = keyOf("one", { concurrent: 3, requestsPerMinute: 120 }, 2)
      const sent: Array<string> = []
      yield* start({ key: before, work: Effect.never })
      yield* start({ key: before, work: Effect.never, onSent: () => void sent.push("waited") })
      expect(sent).toEqual([])
      yield* start({ key: after, work: Effect.never, onSent: () => void sent.push("new") })
      yield* TestClock.adjust(1)
      expect(sent.toSorted()).toEqual(["new", "waited"])
      expect(limiter.key("one", 0)).toMatchObject({
        active: 3,
        limits: { requestsPerMinute: { configured: 120, available: 117 } }
      })
      // A request that came before the change can't undo it.
      yield* start({ key: before, work: Effect.never })
      expect(limiter.key("one", 0)).toMatchObject({
        active: 3,
        limits: { concurrent: { configured: 3, available: 0 } }
      })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("are told together with the tenant's, whichever has less left", () =>
    Effect.gen(function* () {
      const key = keyOf("one", { requestsPerMinute: 10, tokensPerMinute: 5000 })
      const call = yield* attempt({ key, tokens: 100 })
      expect(call.journal.callerLimits).toMatchObject({
        requests: { limit: 10, remaining: 9 },
        tokens: { limit: 1000, remaining: 900 }
      })
      const alone = yield* attempt({ key: { ...key, keyId: "two", tenant: "none" }, tenant: "none", tokens: 100 })
      expect(alone.journal.callerLimits).toMatchObject({ tokens: { limit: 5000, remaining: 4900 } })
    }).pipe(Effect.provide(layer({ tenant: { requestsPerMinute: 30, tokensPerMinute: 1000 } })))
  )

  it.effect("refuse what is larger than a window, by the key's name", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(attempt({ key: keyOf("one", { tokensPerMinute: 50 }), tokens: 51 }))
      expect(error).toMatchObject({ _tag: "RateLimitExceeded", limit: "key one tokens per minute" })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("are forgotten with a key that is gone, and what still runs is settled", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const key = keyOf("one", { concurrent: 1 })
      const running = yield* start({ key, work: Effect.sleep(10) })
      limiter.forgetKey("one")
      expect(limiter.key("one", 0)).toBeUndefined()
      yield* TestClock.adjust(10)
      yield* Fiber.join(running)
      expect(limiter.status("a", 0)).toMatchObject({ active: 0, queued: 0 })
    }).pipe(Effect.provide(layer()))
  )
})
