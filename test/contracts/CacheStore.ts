/**
 * What every store of cache entries promises: the same suite runs on memory, SQLite and Redis.
 */
import { expect, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import fc from "fast-check"
import { describe } from "vitest"
import { matches } from "../../engine/src/CacheGroup.ts"
import type { CacheRecord } from "../../engine/src/CacheRecord.ts"
import type { CacheKeeper, CacheStore } from "../../engine/src/CacheStore.ts"
import { completionOf } from "../../engine/src/testing.ts"

/** Epoch milliseconds in the year 2096: whatever the clock of a store says, it is not over. */
export const laterMs = 4e12

export const keyOf = (index: number): string => index.toString(36).padStart(32, "A")

/** Indexes of the keys that the suite uses. */
export const indexes = 10

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

export interface OpenStore<Store extends CacheKeeper> {
  readonly store: Store
  /** What the next process, or another one, finds. */
  readonly reopened: Effect.Effect<Store, never, Scope.Scope>
  /** The entries of the keys below `indexes`, the oldest first. */
  readonly stored: (store: Store) => Effect.Effect<ReadonlyArray<CacheRecord>>
}

const keysOf = (records: ReadonlyArray<CacheRecord>) => records.map(({ key }) => key)

/** What a store that hands everything over at the start has. */
export const loaded = (
  store: CacheStore,
  maxEntries = 1000,
  nowMs = laterMs + 5000
): Effect.Effect<Array<CacheRecord>> =>
  Effect.gen(function* () {
    const out: Array<CacheRecord> = []
    yield* store.load({ nowMs, maxEntries }, (records) => out.push(...records))
    return out
  })

export const cacheStoreContract = <Store extends CacheKeeper>(
  name: string,
  open: Effect.Effect<OpenStore<Store>, never, Scope.Scope>
): void => {
  const test = (title: string, body: (open: OpenStore<Store>) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(Effect.flatMap(open, body)))

  describe(`cache store: ${name}`, () => {
    test("gives back what was put, as it was, to the next process", ({ reopened, store, stored }) =>
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
        const found = yield* stored(yield* reopened)
        expect(keysOf(found)).toEqual([keyOf(1), keyOf(2), keyOf(3)])
        expect(found[1]).toEqual(full)
      }))

    test("keeps one entry a key, the last one", ({ reopened, store, stored }) =>
      Effect.gen(function* () {
        store.put(recordOf(1))
        store.put(recordOf(1, { storedAtMs: laterMs + 2000, completion: completionOf("m", "newer") }))
        yield* store.flush
        const found = yield* stored(yield* reopened)
        expect(found).toMatchObject([{ storedAtMs: laterMs + 2000, completion: { content: [{ text: "newer" }] } }])
      }))

    test("forgets what was removed or purged, in the order in which it was told", ({ reopened, store, stored }) =>
      Effect.gen(function* () {
        store.put(recordOf(1))
        store.put(recordOf(2, { tenant: "acme" }))
        store.put(recordOf(3, { tenant: "acme", namespace: "public" }))
        store.put(recordOf(4, { provider: "other", model: "n" }))
        store.remove(keyOf(1))
        store.remove(keyOf(9))
        store.purge({ tenant: "acme", namespace: "public" })
        store.purge({ provider: "other", model: "m" })
        store.put(recordOf(5))
        yield* store.flush
        const next = yield* reopened
        expect(keysOf(yield* stored(next))).toEqual([keyOf(2), keyOf(4), keyOf(5)])
        next.purge({})
        next.put(recordOf(6))
        yield* next.flush
        expect(keysOf(yield* stored(next))).toEqual([keyOf(6)])
        expect(next.health()).toMatchObject({ healthy: true, dropped: 0, reason: null })
      }))

    test("has what a map would have after whatever was put and taken out", () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(change, { maxLength: 30 }), (changes) =>
            Effect.runPromise(
              Effect.scoped(
                Effect.gen(function* () {
                  const { reopened, store, stored } = yield* open
                  const model = new Map<string, CacheRecord>()
                  for (const each of changes) {
                    if (each.type === "put") store.put(each.record)
                    else if (each.type === "remove") store.remove(each.key)
                    else store.purge(each.filter)
                    follow(model, each)
                  }
                  yield* store.flush
                  const expected = [...model.values()].toSorted((a, b) => a.storedAtMs - b.storedAtMs)
                  expect(yield* stored(yield* reopened)).toEqual(expected)
                })
              )
            )
          ),
          { numRuns: 8 }
        )
      ))
  })
}

/** What stores promise beside it that hand everything over at the start. */
export const cacheLoadContract = (
  name: string,
  open: Effect.Effect<OpenStore<CacheStore>, never, Scope.Scope>
): void => {
  describe(`cache store that is loaded: ${name}`, () => {
    it.live("hands over the newest when there are more than are asked for, and nothing that is over", () =>
      Effect.gen(function* () {
        const { reopened, store } = yield* open
        for (let i = 0; i < 450; i++) store.put(recordOf(i, i % 2 === 0 ? {} : { expiresAtMs: laterMs + 4000 }))
        yield* store.flush
        const next = yield* reopened
        expect(keysOf(yield* loaded(next))).toEqual(Array.from({ length: 225 }, (_, i) => keyOf(2 * i)))
        expect(keysOf(yield* loaded(next, 3))).toEqual([keyOf(444), keyOf(446), keyOf(448)])
        expect(yield* loaded(next, 3, laterMs + 100_000)).toEqual([])
      }).pipe(Effect.scoped)
    )
  })
}

const index = fc.integer({ min: 0, max: indexes - 1 })
const tenant = fc.constantFrom("default", "acme")
const model = fc.constantFrom("m", "n")
const change = fc.oneof(
  fc.record({
    type: fc.constant("put" as const),
    record: fc
      .tuple(index, tenant, model)
      .map(([i, ofTenant, ofModel]) => recordOf(i, { tenant: ofTenant, model: ofModel }))
  }),
  fc.record({ type: fc.constant("remove" as const), key: index.map(keyOf) }),
  fc.record({
    type: fc.constant("purge" as const),
    filter: fc.record({ tenant, model }, { requiredKeys: [] })
  })
)

const follow = (entries: Map<string, CacheRecord>, made: typeof change extends fc.Arbitrary<infer A> ? A : never) => {
  if (made.type === "put") entries.set(made.record.key, made.record)
  else if (made.type === "remove") entries.delete(made.key)
  else {
    for (const { key, namespace, provider, ...of } of entries.values()) {
      const group = { target: { provider, model: of.model }, tenant: of.tenant, namespace: namespace ?? undefined }
      if (matches(made.filter, group)) entries.delete(key)
    }
  }
}
