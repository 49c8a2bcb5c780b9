/**
 * What every store of shared prompts promises; each implementation runs all of it.
 */
import { assert, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import fc from "fast-check"
import { describe } from "vitest"
import type { SharedPrompt, VectorStore } from "../../engine/src/VectorStore.ts"
import { cosine } from "../support/vectors.ts"

export const nowMs = 1_800_000_000_000

/** Opens a store of a space; all of one test are in the same place. */
export type OpenPrompts = (space: string) => Effect.Effect<VectorStore, never, Scope.Scope>

export const promptOf = (fields: Partial<SharedPrompt> = {}): SharedPrompt => ({
  key: "k1",
  partition: "p",
  text: "What is the capital of France?",
  vector: [1, 0, 0],
  answer: JSON.stringify({ tenant: "default", provider: "a", model: "m", namespace: null }),
  addedAtMs: nowMs,
  expiresAtMs: nowMs + 60_000,
  ...fields
})

/** Numbers of a fixed sequence between -1 and 1. */
const sequence = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 31 - 1
  }
}

export const vectorStoreContract = (name: string, open: Effect.Effect<OpenPrompts, never, Scope.Scope>): void => {
  const test = (title: string, body: (open: OpenPrompts) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(Effect.flatMap(open, body)), 60_000)

  const keysOf = (found: ReadonlyArray<{ readonly key: string }>) => found.map(({ key }) => key)

  describe(`vector store: ${name}`, () => {
    test("finds the nearest of a partition first, with its cosine, for whoever shares the place", (open) =>
      Effect.gen(function* () {
        const [one, other] = [yield* open("s"), yield* open("s")]
        const prompts = [
          promptOf({ key: "far", vector: [0, 1, 0] }),
          promptOf({ key: "near", vector: [2, 0.2, 0], text: "naïve 🦆 '; DROP TABLE x; --\n\"" }),
          promptOf({ key: "same", vector: [0.5, 0, 0] }),
          promptOf({ key: "elsewhere", partition: "q" })
        ]
        yield* one.put(prompts)
        const found = yield* other.nearest("p", [1, 0, 0], 2, nowMs)
        assert.deepStrictEqual(keysOf(found), ["same", "near"])
        assert.closeTo(found[0]!.score, 1, 1e-6)
        assert.closeTo(found[1]!.score, cosine([2, 0.2, 0], [1, 0, 0]), 1e-6)
        assert.deepInclude(found[1], { text: prompts[1]!.text, addedAtMs: nowMs })
        assert.deepStrictEqual(keysOf(yield* other.nearest("q", [1, 0, 0], 5, nowMs)), ["elsewhere"])
        assert.deepStrictEqual(yield* other.nearest("none", [1, 0, 0], 5, nowMs), [])
      }))

    test("gives back what was put in, by key, and a later one in the place of an earlier", (open) =>
      Effect.gen(function* () {
        const store = yield* open("s")
        yield* store.put([promptOf(), promptOf({ key: "k2" })])
        const changed = promptOf({ text: "another", vector: [0, 0.5, -0.25], addedAtMs: nowMs + 5, answer: "{}" })
        yield* store.put([changed])
        assert.deepStrictEqual(yield* store.get(["k1", "missing"], nowMs), [changed])
        assert.deepStrictEqual(yield* store.get([], nowMs), [])
        assert.deepStrictEqual(keysOf(yield* store.nearest("p", [0, 1, 0], 1, nowMs)), ["k1"])
      }))

    test("keeps spaces and lengths of vectors apart", (open) =>
      Effect.gen(function* () {
        const [one, other] = [yield* open("s"), yield* open("t")]
        yield* one.put([promptOf(), promptOf({ key: "k2", vector: [1, 0, 0, 0] })])
        yield* other.put([promptOf({ text: "of the other space" })])
        assert.deepStrictEqual(keysOf(yield* one.nearest("p", [1, 0, 0], 9, nowMs)), ["k1"])
        assert.deepStrictEqual(keysOf(yield* one.nearest("p", [1, 0, 0, 0], 9, nowMs)), ["k2"])
        const [found] = yield* other.nearest("p", [1, 0, 0], 9, nowMs)
        assert.strictEqual(found?.text, "of the other space")
        assert.deepStrictEqual(keysOf(yield* other.get(["k1", "k2"], nowMs)), ["k1"])
      }))

    test("finds nothing whose time is over, and forgets it", (open) =>
      Effect.gen(function* () {
        const store = yield* open("s")
        yield* store.put([promptOf({ key: "over", expiresAtMs: nowMs }), promptOf({ key: "there" })])
        assert.deepStrictEqual(keysOf(yield* store.nearest("p", [1, 0, 0], 9, nowMs)), ["there"])
        assert.deepStrictEqual(keysOf(yield* store.get(["over", "there"], nowMs)), ["there"])
        yield* store.prune(nowMs)
        assert.deepStrictEqual(keysOf(yield* store.get(["over", "there"], nowMs - 1)), ["there"])
      }))

    test("removes what was called wrong, and tells it everybody once, in order", (open) =>
      Effect.gen(function* () {
        const [one, other] = [yield* open("s"), yield* open("s")]
        yield* one.put([promptOf(), promptOf({ key: "k2" })])
        const before = yield* other.removals(0)
        assert.deepStrictEqual(before.removed, [])
        yield* one.remove({ key: "k1", pair: "k0 k1" }, nowMs)
        yield* one.remove({ key: "unknown", pair: null }, nowMs)
        assert.deepStrictEqual(keysOf(yield* other.nearest("p", [1, 0, 0], 9, nowMs)), ["k2"])
        const { place, removed } = yield* other.removals(before.place)
        assert.deepStrictEqual(removed, [
          { key: "k1", pair: "k0 k1" },
          { key: "unknown", pair: null }
        ])
        assert.deepStrictEqual((yield* other.removals(place)).removed, [])
      }))

    test("purges all, or the groups that match", (open) =>
      Effect.gen(function* () {
        const store = yield* open("s")
        const of = (key: string, tenant: string, model: string) =>
          promptOf({ key, answer: JSON.stringify({ tenant, provider: "a", model, namespace: null }) })
        yield* store.put([of("k1", "a", "m"), of("k2", "b", "m"), of("k3", "b", "n")])
        assert.strictEqual(yield* store.purge({ tenant: "b", model: "m" }), 1)
        assert.deepStrictEqual(keysOf(yield* store.get(["k1", "k2", "k3"], nowMs)).toSorted(), ["k1", "k3"])
        assert.strictEqual(yield* store.purge({ namespace: "none" }), 0)
        assert.strictEqual(yield* store.purge({}), 2)
      }))

    test("finds what a comparison of every vector finds, at least 19 of 20, in partitions of any size", (open) =>
      Effect.gen(function* () {
        const store = yield* open("s")
        const next = sequence(7)
        const prompts = Array.from({ length: 1500 }, (_, i) =>
          promptOf({
            key: `k${i}`,
            partition: i % 50 === 0 ? "small" : "large",
            vector: Array.from({ length: 32 }, next)
          })
        )
        for (let i = 0; i < prompts.length; i += 500) yield* store.put(prompts.slice(i, i + 500))
        let found = 0
        for (let i = 0; i < 40; i++) {
          const partition = i % 2 === 0 ? "small" : "large"
          const asked = Array.from({ length: 32 }, next)
          const best = prompts
            .filter((prompt) => prompt.partition === partition)
            .map(({ key, vector }) => ({ key, score: cosine(vector, asked) }))
            .sort((a, b) => b.score - a.score)
          const keys = keysOf(yield* store.nearest(partition, asked, 5, nowMs))
          assert.lengthOf(keys, 5)
          found += keys.filter((key) => best.slice(0, 5).some((each) => each.key === key)).length
        }
        assert.isAtLeast(found / 200, 0.95)
      }))

    test("holds any text as it is, or leaves the prompt out", (open) =>
      Effect.gen(function* () {
        const store = yield* open("s")
        const texts = fc.sample(fc.string({ unit: "binary", maxLength: 30 }), { numRuns: 60, seed: 5 })
        const prompts = [...texts, "a\0b", "\ud800", "ok \udc00"].map((text, i) =>
          promptOf({ key: `k${i}`, text, answer: JSON.stringify({ text }) })
        )
        yield* store.put(prompts)
        const found = yield* store.get(
          prompts.map(({ key }) => key),
          nowMs
        )
        for (const each of found)
          assert.deepStrictEqual(
            each,
            prompts.find(({ key }) => key === each.key)
          )
        assert.isAtLeast(found.length, texts.filter((text) => !text.includes("\0") && text.isWellFormed()).length)
      }))
  })
}
