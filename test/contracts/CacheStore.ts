/**
 * What every store of cache entries promises: the same suite runs on memory and on SQLite.
 */
import { expect, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { describe } from "vitest"
import type { CacheRecord } from "../../engine/src/CacheRecord.ts"
import type { CacheStore } from "../../engine/src/CacheStore.ts"
import { completionOf } from "../../engine/src/testing.ts"

/** Epoch milliseconds in the year 2096: whatever the clock of a store says, it is not over. */
export const laterMs = 4e12

export const keyOf = (index: number): string => index.toString(36).padStart(32, "A")

export const recordOf = (index: number, fields: Partial<CacheRecord> = {}): CacheRecord => ({
  key: keyOf(index),
  provider: "openai",
  model: "m",
  tenant: "default",
  namespace: null,
  storedAtMs: laterMs + 1000 + index,
  expiresAtMs: laterMs + 100_000,
  latencyMs: 12,
  completion: completionOf("m", `answer ${index}`),
  ...fields
})

/** `reopened` gives what the next process would find, where a store survives one. */
export interface OpenStore {
  readonly store: CacheStore
  readonly reopened: Effect.Effect<CacheStore, never, Scope.Scope>
}

export const cacheStoreContract = (name: string, open: Effect.Effect<OpenStore, never, Scope.Scope>): void => {
  const test = (title: string, body: (open: OpenStore) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(Effect.flatMap(open, body)))

  const loaded = (store: CacheStore, maxEntries = 1000, nowMs = laterMs + 5000) =>
    Effect.gen(function* () {
      const out: Array<CacheRecord> = []
      yield* store.load({ nowMs, maxEntries }, (records) => out.push(...records))
      return out
    })

  const keys = (records: ReadonlyArray<CacheRecord>) => records.map(({ key }) => key)

  describe(`cache store: ${name}`, () => {
    test("gives back what was put, as it was, to the next process, the oldest first", ({ reopened, store }) =>
      Effect.gen(function* () {
        const full = recordOf(2, {
          tenant: "naïve 🦆 '; DROP TABLE cache_entries; --",
          namespace: "public",
          omitted: ["logit_bias"],
          pacing: "\u0001\u0002\ud7ff",
          fields: { "messages[0]": 123 },
          completion: { ...completionOf("m", "x"), wire: { dialect: "openai-chat", body: "{}" } }
        })
        for (const record of [recordOf(3), full, recordOf(1)]) store.put(record)
        yield* store.flush
        const found = yield* loaded(yield* reopened)
        expect(keys(found)).toEqual([keyOf(1), keyOf(2), keyOf(3)])
        expect(found[1]).toEqual(full)
      }))

    test("keeps one entry a key, the last one", ({ reopened, store }) =>
      Effect.gen(function* () {
        store.put(recordOf(1))
        store.put(recordOf(1, { storedAtMs: laterMs + 2000, completion: completionOf("m", "newer") }))
        yield* store.flush
        const found = yield* loaded(yield* reopened)
        expect(found).toMatchObject([{ storedAtMs: laterMs + 2000, completion: { content: [{ text: "newer" }] } }])
      }))

    test("hands over the newest when there are more than are asked for, and nothing that is over", ({
      reopened,
      store
    }) =>
      Effect.gen(function* () {
        for (let i = 0; i < 450; i++) store.put(recordOf(i, i % 2 === 0 ? {} : { expiresAtMs: laterMs + 4000 }))
        yield* store.flush
        const next = yield* reopened
        const found = yield* loaded(next)
        expect(keys(found)).toEqual(Array.from({ length: 225 }, (_, i) => keyOf(2 * i)))
        expect(keys(yield* loaded(next, 3))).toEqual([keyOf(444), keyOf(446), keyOf(448)])
        expect(yield* loaded(next, 3, laterMs + 100_000)).toEqual([])
      }))

    test("forgets what was removed or purged, in the order in which it was told", ({ reopened, store }) =>
      Effect.gen(function* () {
        store.put(recordOf(1))
        store.put(recordOf(2, { tenant: "acme" }))
        store.put(recordOf(3, { tenant: "acme", namespace: "public" }))
        store.put(recordOf(4, { provider: "other", model: "n" }))
        store.remove(keyOf(1))
        store.remove(keyOf(99))
        store.purge({ tenant: "acme", namespace: "public" })
        store.purge({ provider: "other", model: "m" })
        store.put(recordOf(5))
        yield* store.flush
        const next = yield* reopened
        expect(keys(yield* loaded(next))).toEqual([keyOf(2), keyOf(4), keyOf(5)])
        next.purge({})
        next.put(recordOf(6))
        yield* next.flush
        expect(keys(yield* loaded(next))).toEqual([keyOf(6)])
        expect(next.health()).toMatchObject({ healthy: true, dropped: 0, reason: null })
      }))
  })
}
