import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Cache, type CacheOptions } from "../../engine/src/Cache.ts"
import { makeCall, type Target } from "../../engine/src/Call.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { makeRequest } from "./requests.ts"

const target: Target = { provider: "a", model: "m" }

const layer = (options: Partial<CacheOptions> = {}) =>
  Cache.layer({ enabled: true, maxSize: 3, ttlMs: 60_000, maxTemperature: undefined, ...options })

/** A call through the cache alone; what is below answers with the prompt. */
const through = Effect.fnUntraced(function* (prompt: string, fields: Partial<Request> = {}, at = target) {
  const cache = yield* Cache
  const call = makeCall(makeRequest({ messages: [{ role: "user", content: prompt }], ...fields }), yield* Clock.Clock)
  call.journal.candidates = [at]
  const completion = completionOf("m", prompt)
  const open = cache.stage((inner) => {
    inner.journal.target = at
    return Effect.succeed(Reply.whole(completion))
  })
  const reply = yield* Effect.scoped(open(call))
  yield* call.settlement.run({ _tag: "Success", completion })
  return { call, reply }
})

const hits = (...prompts: ReadonlyArray<string>) =>
  Effect.forEach(prompts, (prompt) =>
    Effect.map(through(prompt, { cacheMode: "only" }), () => true).pipe(Effect.orElseSucceed(() => false))
  )

describe("Cache", () => {
  it.effect("holds at most as many entries as it was told, and drops the one that was used longest ago", () =>
    Effect.gen(function* () {
      for (const prompt of ["one", "two", "three"]) yield* through(prompt)
      yield* through("one")
      yield* through("four")
      expect((yield* Cache).stats().entries).toBe(3)
      expect(yield* hits("one", "two", "three", "four")).toEqual([true, false, true, true])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("counts lookups, and the bytes that it holds, down to 0 when it is purged", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      expect(cache.stats()).toEqual({
        enabled: true,
        entries: 0,
        bytes: 0,
        maxSize: 3,
        maxBytes: 128_000_000,
        hits: 0,
        semanticHits: 0,
        coalesced: 0,
        misses: 0,
        hitRate: null,
        missReasons: { absent: 0, expired: 0, refresh: 0 },
        staleHits: 0,
        refreshes: 0,
        evictions: 0,
        store: { kind: "memory", healthy: true, dropped: 0, reason: null }
      })
      yield* through("12345")
      yield* through("12345")
      yield* through("12345", { cacheMode: "refresh" })
      expect(cache.stats()).toMatchObject({ entries: 1, hits: 1, misses: 1, hitRate: 0.5 })
      expect(cache.stats().missReasons).toEqual({ absent: 1, expired: 0, refresh: 1 })
      const one = cache.stats().bytes
      yield* through("12345678")
      expect(cache.stats().bytes).toBe(2 * one + 3)
      for (let i = 0; i < 10; i++) yield* through(`prompt ${i}`)
      expect(cache.stats()).toMatchObject({ entries: 3, evictions: 9, bytes: 3 * (one + 3) })
      expect(yield* cache.purge()).toBe(3)
      expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("holds at most as many bytes as it was told, and nothing that is larger by itself", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      for (let i = 0; i < 50; i++) yield* through(`${i} ${"x".repeat(100)}`)
      expect(cache.stats().bytes).toBeLessThanOrEqual(3000)
      expect(cache.stats().entries).toBeGreaterThan(3)
      expect(yield* hits(`49 ${"x".repeat(100)}`, `0 ${"x".repeat(100)}`)).toEqual([true, false])
      const before = cache.stats().entries
      yield* through("x".repeat(3000))
      expect(cache.stats().entries).toBe(before)
    }).pipe(Effect.provide(layer({ maxSize: 1000, maxBytes: 3000 })))
  )

  it.effect("counts a character as one byte in Latin-1 and as two in other scripts", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      const sizes: Array<number> = []
      for (const text of ["aaaa", "éééé", "日本日本"]) {
        yield* cache.purge()
        yield* through(text)
        sizes.push(cache.stats().bytes)
      }
      expect([sizes[1]! - sizes[0]!, sizes[2]! - sizes[0]!]).toEqual([0, 4])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("tells with a hit what had been left out of the request when the answer was made", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      const call = makeCall(makeRequest(), yield* Clock.Clock)
      call.journal.candidates = [target]
      call.journal.target = target
      yield* Effect.scoped(cache.stage(() => Effect.succeed(Reply.whole(completionOf("m", "x"))))(call))
      call.journal.omitted = ["logit_bias"]
      yield* call.settlement.run({ _tag: "Success", completion: completionOf("m", "x") })
      const hit = makeCall(makeRequest(), yield* Clock.Clock)
      hit.journal.candidates = [target]
      yield* Effect.scoped(cache.stage(() => Effect.die("unused"))(hit))
      expect(hit.journal).toMatchObject({ cache: "hit", omitted: ["logit_bias"] })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("explains two requests by themselves", () =>
    Effect.gen(function* () {
      expect(yield* Cache.explain({ prompt: "a" }, { prompt: "a", temperature: 0 })).toEqual(["temperature"])
      expect(
        yield* Cache.explain({ prompt: "a", stream: true }, { messages: [{ role: "user", content: "a" }] })
      ).toEqual([])
      expect((yield* Effect.flip(Cache.explain({ prompt: "" }, { prompt: "a" })))._tag).toBe("InvalidRequest")
    })
  )

  it.effect("purges by provider and by model", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      yield* through("one")
      yield* through("two", {}, { provider: "b", model: "m" })
      yield* through("three", {}, { provider: "b", model: "n" })
      expect(yield* cache.purge({ provider: "c" })).toBe(0)
      expect(yield* cache.purge({ provider: "b", model: "n" })).toBe(1)
      expect(yield* cache.purge({ model: "m" })).toBe(2)
      expect(cache.stats().entries).toBe(0)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("tells the age of a hit, from virtual time 0 on", () =>
    Effect.gen(function* () {
      yield* through("one")
      expect((yield* through("one")).call.journal).toMatchObject({ cache: "hit", cacheAgeMs: 0, target })
      yield* TestClock.adjust(59_999)
      expect((yield* through("one")).call.journal).toMatchObject({ cache: "hit", cacheAgeMs: 59_999 })
      yield* TestClock.adjust(1)
      expect((yield* through("one")).call.journal.cache).toBe("miss")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("keeps an entry alive by storing it again, not by reading it", () =>
    Effect.gen(function* () {
      yield* through("one")
      yield* TestClock.adjust(40_000)
      yield* through("one")
      yield* TestClock.adjust(20_000)
      expect(yield* hits("one")).toEqual([false])
      yield* through("one")
      yield* TestClock.adjust(40_000)
      yield* through("one", { cacheMode: "refresh" })
      yield* TestClock.adjust(40_000)
      expect(yield* hits("one")).toEqual([true])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("takes the shortest times to live as they are", () =>
    Effect.gen(function* () {
      yield* through("one", { cacheTtlMs: 0.25 })
      expect(yield* hits("one")).toEqual([true])
      yield* TestClock.adjust(1)
      expect(yield* hits("one")).toEqual([false])
    }).pipe(Effect.provide(layer({ ttlMs: 1.5 })))
  )

  it.effect("leaves out temperatures above its bound; without a temperature it is 1", () =>
    Effect.gen(function* () {
      for (const temperature of [0.6, 2, undefined]) {
        yield* through("one", { temperature })
        expect((yield* through("one", { temperature })).call.journal.cache).toBe("bypass")
      }
      yield* through("one", { temperature: 0.5 })
      expect((yield* through("one", { temperature: 0.5 })).call.journal.cache).toBe("hit")
    }).pipe(Effect.provide(layer({ maxTemperature: 0.5 })))
  )

  it.effect("leaves out requests for several choices", () =>
    Effect.gen(function* () {
      for (const [n, cache] of [
        [2, "bypass"],
        [1, "hit"],
        [null, "hit"]
      ] as const) {
        const wire = { dialect: "openai-chat" as const, body: { n, messages: [] }, needs: [] }
        yield* through("one", { wire })
        expect((yield* through("one", { wire })).call.journal.cache).toBe(cache)
      }
    }).pipe(Effect.provide(layer()))
  )

  it.effect("notes the key of every lookup, and explains why two requests have different ones", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      const first = (yield* through("one")).call
      const second = (yield* through("two", { seed: 1 })).call
      expect(first.journal.cacheKey).toMatch(/^[\w-]{32}$/)
      expect(second.journal.cacheKey).not.toBe(first.journal.cacheKey)
      expect(
        cache.explain(
          { request: first.request, candidates: [target] },
          { request: second.request, candidates: [{ provider: "a", model: "n" }] }
        )
      ).toEqual(["model", "messages[0].content", "seed"])
    }).pipe(Effect.provide(layer()))
  )
})
