/**
 * Answers whose time is over: served while they are renewed, or when the call fails at the provider.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Engine } from "../../engine/src/Engine.ts"
import { type EngineError, ProviderServerError, RequestRejected } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { AIRequest } from "../../engine/src/Request.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { requestOf, samples, status, withEngine } from "../support/engine.ts"

const ask = (fields: Partial<AIRequest> = {}) => Engine.generateText({ prompt: "hello", ...fields })

const settled = Effect.andThen(Effect.yieldNow, Effect.andThen(TestClock.adjust(1), Effect.yieldNow))

const journalOf = Effect.fnUntraced(function* (fields: Partial<AIRequest> = {}) {
  const engine = yield* Engine
  const call = yield* engine.call(yield* requestOf({ prompt: "hello", ...fields }))
  yield* Effect.scoped(engine.open(call))
  return call.journal
})

describe("staleWhileRevalidate", () => {
  const config = { cache: { ttl: 1000, staleWhileRevalidate: 5000 }, retry: { maxAttempts: 1 } }

  it.effect("serves the stale answer with its age and renews it by one call of its own", () => {
    const providers = [
      scriptedProvider(
        "a",
        (_, index) => (index === 0 ? "old" : Effect.delay(Effect.succeed(Reply.whole(completionOf("m", "new"))), 100)),
        {
          model: "m"
        }
      )
    ]
    return Effect.gen(function* () {
      yield* ask()
      yield* TestClock.adjust(1500)
      const answers = yield* Effect.all(
        Array.from({ length: 20 }, () => ask()),
        { concurrency: "unbounded" }
      )
      expect(answers.map(({ cached, content }) => [content, cached])).toEqual(answers.map(() => ["old", true]))
      expect(yield* journalOf()).toMatchObject({
        cache: "hit",
        cacheStale: "revalidating",
        cacheAgeMs: 1500,
        attempts: []
      })
      expect(providers[0]!.calls).toHaveLength(2)
      yield* TestClock.adjust(200)
      yield* settled
      expect(yield* ask()).toMatchObject({ content: "new", cached: true })
      expect(providers[0]!.calls).toHaveLength(2)
      const { cache, totals } = yield* status
      expect(cache).toMatchObject({ refreshes: 1, staleHits: 21, hits: 22, misses: 1 })
      expect(cache.missReasons).toEqual({ absent: 1, expired: 0, refresh: 0 })
      // The renewal is a call like any other: it is in the totals, and its tokens were paid.
      expect(totals).toMatchObject({ requests: 24, errors: 0 })
      expect((yield* samples).get('ai_cache_hits_total{type="hit"}')).toBe(22)
    }).pipe(withEngine({ providers, config }))
  })

  it.effect("is over with its time, asks nobody for only, and goes on serving when the renewal fails", () => {
    const providers = [
      scriptedProvider("a", (_, index) => (index === 0 ? "old" : Effect.fail(failure)), { model: "m" })
    ]
    return Effect.gen(function* () {
      yield* ask()
      yield* TestClock.adjust(1000)
      expect(yield* ask({ cache: { mode: "only" } })).toMatchObject({ content: "old", cacheAge: 1000 })
      yield* settled
      expect(providers[0]!.calls).toHaveLength(1)
      expect((yield* ask()).content).toBe("old")
      yield* settled
      expect(providers[0]!.calls).toHaveLength(2)
      expect((yield* ask()).content).toBe("old")
      yield* TestClock.adjust(5000)
      expect((yield* Effect.flip(ask()))._tag).toBe("ProviderServerError")
      expect((yield* status).cache.entries).toBe(0)
    }).pipe(withEngine({ providers, config }))
  })

  it.effect("ends its calls with the engine", () => {
    let interrupted = 0
    const providers = [
      scriptedProvider(
        "a",
        (_, index) =>
          index === 0 ? "old" : Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++)),
        { model: "m" }
      )
    ]
    return Effect.gen(function* () {
      yield* Effect.gen(function* () {
        yield* ask()
        yield* TestClock.adjust(1500)
        yield* ask()
        yield* settled
      }).pipe(withEngine({ providers, config }))
      expect(interrupted).toBe(1)
    })
  })
})

const failure: EngineError = new ProviderServerError({ provider: "a", model: "m", detail: "down" })

describe("staleIfError", () => {
  const config = { cache: { ttl: 1000, staleIfError: 5000 }, retry: { maxAttempts: 1 } }
  const failing = (error: EngineError) =>
    scriptedProvider("a", (_, index) => (index === 0 ? "old" : Effect.fail(error)), { model: "m" })

  it.effect("serves the stale answer when the provider fails, whole or streamed, and stores it not again", () => {
    const providers = [failing(failure)]
    return Effect.gen(function* () {
      yield* ask()
      yield* TestClock.adjust(1500)
      const journal = yield* journalOf()
      expect(journal).toMatchObject({ cache: "hit", cacheStale: "error", cacheAgeMs: 1500 })
      expect(journal.attempts).toHaveLength(1)
      expect(yield* ask()).toMatchObject({ content: "old", cached: true, cost: 0, cacheAge: 1500 })
      const parts = yield* Stream.runCollect(Engine.streamText({ prompt: "hello" }))
      expect(parts.some((part) => part.type === "text" && part.text === "old")).toBe(true)
      expect((yield* status).cache).toMatchObject({ hits: 3, staleHits: 3, misses: 1 })
      yield* TestClock.adjust(4500)
      expect((yield* Effect.flip(ask()))._tag).toBe("ProviderServerError")
    }).pipe(withEngine({ providers, config }))
  })

  it.effect("never hides what the caller did wrong, nor what a refresh was asked for", () => {
    const wrong = new RequestRejected({ provider: "a", model: "m", kind: "invalid_request", detail: "no" })
    return Effect.gen(function* () {
      yield* Effect.gen(function* () {
        yield* ask()
        yield* TestClock.adjust(1500)
        expect((yield* Effect.flip(ask()))._tag).toBe("RequestRejected")
      }).pipe(withEngine({ providers: [failing(wrong)], config }))
      yield* Effect.gen(function* () {
        yield* ask()
        yield* TestClock.adjust(1500)
        expect((yield* Effect.flip(ask({ cache: { mode: "refresh" } })))._tag).toBe("ProviderServerError")
      }).pipe(withEngine({ providers: [failing(failure)], config }))
    })
  })

  it.effect("renews the answer when the provider is well", () => {
    const providers = [scriptedProvider("a", (_, index) => `answer ${index}`, { model: "m" })]
    return Effect.gen(function* () {
      yield* ask()
      yield* TestClock.adjust(1500)
      expect(yield* ask()).toMatchObject({ content: "answer 1", cached: false })
      expect(yield* ask()).toMatchObject({ content: "answer 1", cached: true, cacheAge: 0 })
    }).pipe(withEngine({ providers, config }))
  })
})
