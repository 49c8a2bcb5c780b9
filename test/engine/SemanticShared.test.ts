/**
 * Prompts that instances share: each test has two semantic caches over one place, in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { completionOf } from "../../engine/src/testing.ts"
import { type VectorStore, VectorStoreUnavailable } from "../../engine/src/VectorStore.ts"
import { embedded, type Harness, type HarnessOptions, promptOf, withSemantic } from "../support/semantic.ts"
import { PromptTable } from "../support/vectors.ts"

const stored = "What is the capital of France?"
const same = "what is the capital of  FRANCE?"
/** Differs from `stored` in a name. */
const other = "What is the capital of Italy?"

const withTwo = <A, E>(
  options: HarnessOptions,
  use: (one: Harness, two: Harness, table: PromptTable) => Effect.Effect<A, E>,
  storeOf: (table: PromptTable) => VectorStore = (table) => table.open("s")
) => {
  const table = new PromptTable()
  return withSemantic({ ...options, store: table.open("s") }, (one) =>
    withSemantic({ ...options, store: storeOf(table) }, (two) =>
      Effect.andThen(
        TestClock.adjust(0),
        Effect.suspend(() => use(one, two, table))
      )
    )
  )
}

/** Lets what was asked be told and heard everywhere. */
const spread = TestClock.adjust(5300)

const sharedOf = ({ cache }: Harness) => cache.status().shared!

describe("SemanticShared", () => {
  it.effect(
    "an answer of one instance serves the same question at another, with its age, and from there on without asking",
    () =>
      withTwo({}, (one, two) =>
        Effect.gen(function* () {
          yield* one.ask(stored)
          yield* spread
          const { journal } = yield* two.ask(same)
          assert.deepInclude(journal, { cache: "semantic", cacheAgeMs: 5300 })
          assert.isAtLeast(journal.cacheSimilarity!, 0.85)
          assert.deepStrictEqual(two.below, [])
          assert.deepInclude(sharedOf(two), { healthy: true, asked: 1, found: 1 })
          assert.strictEqual((yield* two.ask(same.toUpperCase())).journal.cache, "semantic")
          assert.deepInclude(sharedOf(two), { asked: 1, found: 1 })
        })
      )
  )

  it.effect(
    "brings in nothing that the gate finds a difference in, nothing of other partitions and nothing that is over",
    () =>
      withTwo({ ttlMs: 10_000 }, (one, two) =>
        Effect.gen(function* () {
          yield* one.ask(stored)
          yield* spread
          assert.strictEqual((yield* two.ask(other)).journal.cache, "miss")
          assert.strictEqual((yield* two.ask(same, { tenant: "another" })).journal.cache, "miss")
          assert.strictEqual((yield* two.ask(same, { temperature: 0 })).journal.cache, "miss")
          assert.strictEqual(two.cache.status().shared?.found, 0)
          yield* TestClock.adjust(5000)
          assert.strictEqual((yield* two.ask(same)).journal.cache, "miss")
        })
      )
  )

  it.effect("finds by vectors too, which travel with the prompt", () =>
    withTwo(
      {
        embedder: "e/small",
        respond: (request) =>
          Effect.succeed(embedded(String(request.embed?.input[0]).includes("Italy") ? [0, 1] : [1, 0.1]))
      },
      (one, two) =>
        Effect.gen(function* () {
          yield* one.ask(stored)
          yield* spread
          assert.deepInclude((yield* two.ask(same)).journal, { cache: "semantic", cacheSimilarity: 1 })
          assert.strictEqual((yield* two.ask(other)).journal.cache, "miss")
          assert.isAbove(two.cache.status().vectorBytes, 0)
        })
    )
  )

  it.effect("shows the judge a prompt of another instance when only unknown words stand in the way", () =>
    withTwo(
      {
        judge: "j/judge",
        respond: (request) =>
          Effect.succeed(completionOf("judge", `{"same": ${promptOf(request).includes("quindle")}}`))
      },
      (one, two) =>
        Effect.gen(function* () {
          yield* one.ask("How do I restart a zorblax?")
          yield* spread
          assert.strictEqual((yield* two.ask("How do I restart a quindle?")).journal.cache, "semantic")
          assert.strictEqual((yield* two.ask("How do I restart a wimbert?")).journal.cache, "miss")
          assert.deepInclude(two.cache.status().judge, { asked: 2, same: 1, different: 1 })
        })
    )
  )

  it.effect(
    "what a caller calls wrong at one instance is not served at the other within seconds, and the pair never again",
    () =>
      withTwo({}, (one, two) =>
        Effect.gen(function* () {
          yield* one.ask(stored)
          yield* spread
          yield* two.ask(stored.toUpperCase())
          const served = yield* one.ask(same)
          assert.strictEqual(served.journal.cache, "semantic")
          assert.deepInclude(one.cache.feedback({ requestId: served.request.id }), { evicted: true, remembered: true })
          yield* spread
          assert.strictEqual(two.answers.size, 0)
          assert.deepStrictEqual(two.cache.exportPairs(), one.cache.exportPairs())
          yield* two.ask(stored)
          assert.strictEqual((yield* two.ask(same)).journal.cache, "miss")
          yield* spread
          assert.isAtLeast(two.answers.size, 2, "what was answered anew stays")
        })
      )
  )

  it.effect("an instance that begins later knows the wrong pairs, and loses nothing for them", () =>
    Effect.gen(function* () {
      const table = new PromptTable()
      const store = table.open("s")
      const key = "a".repeat(22)
      yield* store.remove({ key, pair: `${key} ${"b".repeat(22)}` }, 0)
      yield* withSemantic({ store }, ({ answers, cache }) =>
        Effect.gen(function* () {
          answers.set(key, { completion: completionOf("m", "x"), storedAtMs: 0 })
          yield* spread
          assert.lengthOf(cache.exportPairs(), 1)
          assert.strictEqual(answers.size, 1)
        })
      )
    })
  )

  it.effect("what is purged or evicted is not brought in again", () =>
    withTwo({}, (one, two, table) =>
      Effect.gen(function* () {
        yield* one.ask(stored)
        yield* one.ask(other)
        yield* spread
        assert.strictEqual(table.prompts.size, 2)
        const [first] = [...table.prompts.values()]
        one.cache.forget(first!.key)
        yield* spread
        assert.strictEqual((yield* two.ask(same)).journal.cache, "miss")
        assert.strictEqual((yield* two.ask(other.toUpperCase())).journal.cache, "semantic")
        yield* one.cache.purge({ tenant: "default" })
        assert.strictEqual(table.prompts.size, 0)
      })
    )
  )

  it.effect(
    "a store that does not answer holds up one call for a tenth of a second, then none, and is used again when it answers",
    () => {
      let stalled = false
      const stalling = (table: PromptTable): VectorStore => {
        const store = table.open("s")
        const held = <A, E>(effect: Effect.Effect<A, E>) => Effect.suspend(() => (stalled ? Effect.never : effect))
        const bounded = <A>(effect: Effect.Effect<A, VectorStoreUnavailable>) =>
          Effect.timeoutOrElse(held(effect), {
            duration: 5000,
            orElse: () => Effect.fail(new VectorStoreUnavailable({ detail: "no answer within 5000 ms" }))
          })
        return {
          ...store,
          nearest: (...args) => bounded(store.nearest(...args)),
          removals: (place) => bounded(store.removals(place)),
          put: (prompts) => bounded(store.put(prompts))
        }
      }
      return withTwo(
        {},
        (one, two) =>
          Effect.gen(function* () {
            yield* one.ask(stored)
            yield* spread
            stalled = true
            const first = yield* Effect.forkChild(two.ask(same))
            yield* TestClock.adjust(99)
            assert.isUndefined(first.pollUnsafe())
            yield* TestClock.adjust(1)
            assert.strictEqual((yield* Fiber.join(first)).journal.cache, "miss")
            assert.deepInclude(sharedOf(two), { healthy: false, reason: "no answer within 100 ms" })
            // In virtual time a call that waits never ends by itself.
            for (let i = 0; i < 5; i++) yield* two.ask(`${other} ${i}`)
            stalled = false
            yield* TestClock.adjust(12_000)
            assert.deepInclude(sharedOf(two), { healthy: true, reason: null, dropped: 0 })
            two.answers.clear()
            yield* one.ask("How tall is the Eiffel Tower?")
            yield* spread
            assert.strictEqual((yield* two.ask("how tall is the  Eiffel Tower")).journal.cache, "semantic")
          }),
        stalling
      )
    }
  )

  it.effect("without a store that answers it is a cache of its own, whose queue is bounded", () => {
    const unavailable = Effect.fail(new VectorStoreUnavailable({ detail: "the extension vector is not there" }))
    const store: VectorStore = {
      prepare: unavailable,
      put: () => unavailable,
      nearest: () => unavailable,
      get: () => unavailable,
      remove: () => unavailable,
      purge: () => unavailable,
      removals: () => unavailable,
      prune: () => unavailable
    }
    return withSemantic({ store, maxEntries: 3000 }, (one) =>
      Effect.gen(function* () {
        yield* TestClock.adjust(1000)
        yield* one.ask(stored)
        assert.strictEqual((yield* one.ask(same)).journal.cache, "semantic")
        for (let i = 0; i < 1200; i++) yield* one.ask(`What is ${i} plus ${i + 1}?`)
        const status = sharedOf(one)
        assert.deepInclude(status, { healthy: false, reason: "the extension vector is not there", asked: 0 })
        assert.isAtLeast(status.dropped, 190)
        assert.isDefined(one.cache.feedback({ key: [...one.answers.keys()][0]! }))
        yield* one.cache.purge({})
      })
    )
  })
})
