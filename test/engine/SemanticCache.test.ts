import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { AIEngine } from "../../engine/src/AIEngine.ts"
import { ProviderTimeout } from "../../engine/src/Errors.ts"
import type * as Reply from "../../engine/src/Reply.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { embedded, promptOf, target, withSemantic } from "../support/semantic.ts"

const stored = "What is the capital of France?"
const same = "what is the capital of  FRANCE?"
/** Differs from `stored` in a name, which no cosine tells. */
const other = "What is the capital of Italy?"

const down = new ProviderTimeout({ provider: "e", model: "e", timeoutMs: 1 })

describe("SemanticCache", () => {
  it.effect("serves the answer to a prompt that says the same, with its age, its similarity and its model", () =>
    withSemantic({}, ({ ask, below, cache }) =>
      Effect.gen(function* () {
        expect((yield* ask(stored)).journal.cache).toBe("miss")
        yield* TestClock.adjust(1500)
        const { journal } = yield* ask(same)
        expect(journal).toMatchObject({ cache: "semantic", cacheAgeMs: 1500, target })
        expect(journal.cacheSimilarity).toBeGreaterThanOrEqual(0.85)
        expect(below).toEqual([stored])
        expect(cache.status()).toMatchObject({ hits: 1, lookups: 2, entries: 1, partitions: 1 })
      })
    )
  )

  it.effect("serves nothing that the gate finds a difference in, and counts its reason", () =>
    withSemantic({}, ({ ask, below, cache }) =>
      Effect.gen(function* () {
        yield* ask(stored)
        expect((yield* ask(other)).journal.cache).toBe("miss")
        expect(below).toEqual([stored, other])
        const { misses } = cache.status()
        expect(misses["no-candidate"]).toBe(1)
        expect(Object.values(misses).reduce((sum, count) => sum + count)).toBe(2)
      })
    )
  )

  it("is no stage at all when it is off", () =>
    Effect.runPromise(
      withSemantic({ mode: "off" }, ({ cache }) =>
        Effect.sync(() => {
          const next = () => Effect.never
          expect(cache.stage(next)(next)).toBe(next)
          expect(cache.notes(next)).toBe(next)
        })
      )
    ))

  it.effect("is passed by where the exact cache is, where the caller says so, and never serves a refresh", () =>
    withSemantic({}, ({ ask, below }) =>
      Effect.gen(function* () {
        yield* ask(stored)
        expect((yield* ask(same, { cacheMode: "bypass" })).journal.cache).toBe("bypass")
        expect((yield* ask(same, { cacheSemantic: false })).journal.cache).toBe("miss")
        expect((yield* ask(same, { cacheMode: "refresh" })).journal.cache).toBe("miss")
        expect(below).toHaveLength(4)
        expect((yield* ask(same.toUpperCase())).journal.cache).toBe("semantic")
      })
    )
  )

  it.effect("makes what a refresh brings findable, but nothing that a caller kept out", () =>
    withSemantic({}, ({ ask }) =>
      Effect.gen(function* () {
        yield* ask(stored, { cacheMode: "bypass" })
        yield* ask(stored, { cacheSemantic: false })
        expect((yield* ask(same)).journal.cache).toBe("miss")
        yield* ask(other, { cacheMode: "refresh" })
        expect((yield* ask(other.toLowerCase())).journal.cache).toBe("semantic")
      })
    )
  )

  it.effect("serves nothing that the exact cache has dropped or whose time is over, and forgets it", () =>
    withSemantic({ ttlMs: 60_000 }, ({ answers, ask, cache }) =>
      Effect.gen(function* () {
        yield* ask(stored)
        yield* TestClock.adjust(59_999)
        expect((yield* ask(same)).journal.cache).toBe("semantic")
        yield* TestClock.adjust(1)
        expect((yield* ask(same)).journal.cache).toBe("miss")
        answers.clear()
        expect((yield* ask(stored.toLowerCase())).journal.cache).toBe("miss")
        yield* TestClock.adjust(10_000)
        answers.clear()
        yield* ask(stored.toUpperCase())
        expect(cache.status().entries).toBe(1)
      })
    )
  )

  it.effect("never stores a served answer again under the key it was served for", () =>
    withSemantic({}, ({ answers, ask, cache }) =>
      Effect.gen(function* () {
        yield* ask(stored)
        yield* ask(same)
        expect(answers.size).toBe(1)
        expect(cache.status().entries).toBe(1)
      })
    )
  )

  it.effect("serves and lists answers in words alone: no tool calls, no refusals, nothing that was cut off", () =>
    Effect.forEach(
      [
        { content: [{ type: "tool-call", id: "1", name: "f", arguments: "{}" }], finishReason: "tool-calls" },
        { content: [{ type: "refusal", text: "no" }], finishReason: "stop" },
        { content: [{ type: "text", text: "The capital" }], finishReason: "length" }
      ] satisfies ReadonlyArray<Partial<Reply.Completion>>,
      (fields) =>
        withSemantic({ answer: () => ({ ...completionOf("m", "x"), ...fields }) }, ({ ask, cache }) =>
          Effect.gen(function* () {
            yield* ask(stored)
            expect((yield* ask(same)).journal.cache).toBe("miss")
            expect(cache.status().entries).toBe(0)
          })
        )
    )
  )

  it.effect(
    "holds at most as many prompts as it was told, over all partitions, and drops what was not used longest",
    () =>
      withSemantic({ maxEntries: 3 }, ({ answers, ask, cache }) =>
        Effect.gen(function* () {
          yield* ask("What is a fermion?", { tenant: "a" })
          yield* ask("What is a boson?", { tenant: "b" })
          yield* ask("What is a quark?", { tenant: "c" })
          yield* ask("what is a fermion?", { tenant: "a" })
          yield* ask("What is a lepton?", { tenant: "d" })
          expect(cache.status()).toMatchObject({ entries: 3, partitions: 3 })
          expect((yield* ask("WHAT IS A FERMION?", { tenant: "a" })).journal.cache).toBe("semantic")
          expect((yield* ask("what is a boson?", { tenant: "b" })).journal.cache).toBe("miss")
          answers.clear()
          yield* cache.purge({})
          expect(cache.status()).toMatchObject({ entries: 0, partitions: 0 })
        })
      )
  )

  it.effect("leaves out prompts that are longer than its bound, and those that nobody can judge", () =>
    withSemantic({ maxWords: 5 }, ({ ask, cache }) =>
      Effect.gen(function* () {
        yield* ask(stored)
        yield* ask(same)
        yield* ask("x".repeat(5000))
        expect(cache.status()).toMatchObject({ entries: 0, lookups: 0, hits: 0 })
        expect(cache.status().bypassed["too-long"]).toBe(3)
      })
    )
  )

  it.effect("evicts a wrong hit, and never serves the two for each other again", () =>
    withSemantic({}, ({ answers, ask, cache }) =>
      Effect.gen(function* () {
        const first = yield* ask(stored)
        const hit = yield* ask(same)
        expect(cache.feedback({ requestId: "req_unknown" })).toBeUndefined()
        expect(cache.feedback({ requestId: hit.request.id })).toEqual({
          key: first.journal.cacheKey,
          evicted: true,
          remembered: true
        })
        expect(answers.size).toBe(0)
        yield* ask(stored)
        expect((yield* ask(same)).journal.cache).toBe("miss")
        // A third wording is no part of the pair.
        expect((yield* ask(stored.toUpperCase())).journal.cache).toBe("semantic")
        expect(cache.status()).toMatchObject({ feedback: { wrong: 1, pairs: 1 } })
        expect(cache.status().misses["feedback"]).toBe(1)
      })
    )
  )

  it.effect("takes remembered pairs with it from one process to the next", () =>
    Effect.gen(function* () {
      const pairs = yield* withSemantic({}, ({ ask, cache }) =>
        Effect.gen(function* () {
          yield* ask(stored)
          cache.feedback({ requestId: (yield* ask(same)).request.id })
          return cache.exportPairs()
        })
      )
      expect(pairs).toHaveLength(1)
      yield* withSemantic({}, ({ ask, cache }) =>
        Effect.gen(function* () {
          cache.importPairs([...pairs, "nonsense"])
          yield* ask(stored)
          expect((yield* ask(same)).journal.cache).toBe("miss")
          expect(cache.status().feedback.pairs).toBe(1)
        })
      )
    })
  )

  it.effect("evicts an entry by its key", () =>
    withSemantic({}, ({ ask, cache }) =>
      Effect.gen(function* () {
        const { journal } = yield* ask(stored)
        const key = journal.cacheKey!
        expect(cache.feedback({ key })).toEqual({ key, evicted: true, remembered: false })
        expect(cache.feedback({ key })).toBeUndefined()
        expect((yield* ask(same)).journal.cache).toBe("miss")
      })
    )
  )
})

describe("SemanticCache in the shadow", () => {
  it.effect("serves nobody, and tells what it would have served and how much of it was wrong", () => {
    const said = new Map([
      [stored, "The capital of France is Paris."],
      [same, "Paris is the capital."],
      [stored.toUpperCase(), "I would rather talk about cheese."]
    ])
    return withSemantic({ mode: "shadow", answer: (prompt) => said.get(prompt)! }, ({ ask, below, cache, settled }) =>
      Effect.gen(function* () {
        for (const prompt of said.keys()) {
          expect((yield* ask(prompt)).journal).toMatchObject({ cache: "miss", cacheSimilarity: undefined })
          yield* settled
          yield* TestClock.adjust(1)
        }
        expect(below).toEqual([...said.keys()])
        const { histogram, hits, misses, shadow } = cache.status()
        expect({ hits, misses }).toEqual({ hits: 0, misses: { "no-candidate": 1 } })
        expect(shadow).toMatchObject({ wouldBeHits: 2, same: 1, different: 1, unclear: 0, dropped: 0 })
        expect(shadow.falseHitRate!.value).toBe(0.5)
        expect(shadow.falseHitRate!.low).toBeCloseTo(0.0945, 3)
        expect(shadow.falseHitRate!.high).toBeCloseTo(0.9055, 3)
        expect(histogram.reduce((sum, bin) => sum + bin.hits, 0)).toBe(2)
        expect(shadow.recent.map(({ comparison, content }) => ({ comparison, content }))).toEqual([
          { comparison: "different", content: null },
          { comparison: "same", content: null }
        ])
      })
    )
  })

  it.effect("keeps prompts and answers only where content may be logged", () =>
    withSemantic({ mode: "shadow", content: true, answer: () => "Paris" }, ({ ask, cache, settled }) =>
      Effect.gen(function* () {
        for (const prompt of [stored, same]) {
          yield* ask(prompt)
          yield* settled
          yield* TestClock.adjust(1)
        }
        expect(cache.status().shadow.recent[0]!.content).toEqual({
          asked: { prompt: same, answer: "Paris" },
          stored: { prompt: stored, answer: "Paris" }
        })
      })
    )
  )

  it.effect("waits for no embedder, and drops and counts what it has no time for", () =>
    withSemantic({ mode: "shadow", embedder: () => new Promise(() => {}) }, ({ ask, cache, settled }) =>
      Effect.gen(function* () {
        for (let i = 0; i < 300; i++) yield* ask(`What is number ${i}?`)
        yield* settled
        expect(cache.status().shadow.dropped).toBeGreaterThan(0)
      })
    )
  )

  it.effect("measures a share of the hits while it serves the others", () =>
    withSemantic({ mode: "on", shadowSample: 0.25, answer: () => "Paris" }, ({ ask, cache, settled }) =>
      Effect.gen(function* () {
        yield* ask(stored)
        for (let i = 0; i < 8; i++) yield* ask(`${same}${" ".repeat(i)}`)
        yield* settled
        const { hits, shadow } = cache.status()
        expect(hits).toBe(6)
        expect(shadow).toMatchObject({ wouldBeHits: 2, same: 2 })
      })
    )
  )
})

describe("SemanticCache with embeddings", () => {
  const vectors = new Map([
    [stored, [1, 0, 0]],
    [same, [0.9, 0.1, 0]],
    [other, [1, 0.01, 0]],
    ["What is the capital of France, please?", [0, 1, 0]]
  ])

  it.effect(
    "finds by a provider's vectors, by a call of its own that passes by the cache, and lets the gate decide",
    () =>
      withSemantic(
        { embedder: "e/small", respond: ({ embed }) => Effect.succeed(embedded(vectors.get(embed!.input[0]!)!)) },
        ({ ask, cache, own }) =>
          Effect.gen(function* () {
            yield* ask(stored, { tenant: "t", priority: 5 })
            const hit = yield* ask(same, { tenant: "t" })
            expect(hit.journal.cache).toBe("semantic")
            expect(hit.journal.cacheSimilarity).toBeCloseTo(0.9939, 2)
            expect((yield* ask(other, { tenant: "t" })).journal.cache).toBe("miss")
            expect(own[0]).toMatchObject({ model: "e/small", tenant: "t", priority: 5, cacheMode: "bypass" })
            expect(cache.status()).toMatchObject({ embeddings: { asked: 3, failed: 0, late: 0 }, embedder: "e/small" })
          })
      )
  )

  it.effect("finds by a function of the application, and by its threshold", () =>
    withSemantic(
      { embedder: (text) => Promise.resolve(Float32Array.from(vectors.get(text)!)), threshold: 0.999 },
      ({ ask, cache }) =>
        Effect.gen(function* () {
          yield* ask(stored)
          expect((yield* ask(same)).journal.cache).toBe("miss")
          expect(cache.status().misses["below-threshold"]).toBe(1)
          expect(cache.status().embedder).toBe("function")
          expect(cache.status().vectorBytes).toBeGreaterThan(0)
        })
    )
  )

  it.effect(
    "waits a bounded time for a slow embedder, then goes on; after three failures it asks nobody for a while",
    () =>
      withSemantic({ embedder: "e/small", timeoutMs: 250 }, ({ ask, below, cache, own }) =>
        Effect.gen(function* () {
          for (let i = 0; i < 3; i++) {
            const asked = yield* Effect.forkChild(ask(`What is number ${i}?`))
            yield* TestClock.adjust(249)
            expect(below).toHaveLength(i)
            yield* TestClock.adjust(1)
            expect((yield* Fiber.join(asked)).journal.cache).toBe("miss")
          }
          yield* ask(stored)
          expect(own).toHaveLength(3)
          yield* TestClock.adjust(10_000)
          const asked = yield* Effect.forkChild(ask(stored))
          yield* TestClock.adjust(250)
          yield* Fiber.join(asked)
          expect(own).toHaveLength(4)
          expect(cache.status().embeddings).toEqual({ asked: 4, failed: 0, late: 4, skipped: 1 })
        })
      )
  )

  it.effect("goes on without vectors when the embedder fails, throws, dies, or answers nonsense", () =>
    Effect.forEach(
      [
        { embedder: "e/small", respond: () => Effect.fail(down) },
        { embedder: "e/small", respond: () => Effect.die(new Error("no")) },
        { embedder: "e/small", respond: () => Effect.succeed(embedded([])) },
        { embedder: "e/small", respond: () => Effect.succeed(embedded([Number.NaN, 1])) },
        { embedder: "e/small", respond: () => Effect.succeed(completionOf("e", "no vectors")) },
        {
          embedder: () => {
            throw new Error("no")
          }
        },
        { embedder: () => Promise.reject(new Error("no")) }
      ],
      (options) =>
        withSemantic(options, ({ ask, cache }) =>
          Effect.gen(function* () {
            expect((yield* ask(stored)).journal.cache).toBe("miss")
            expect(cache.status()).toMatchObject({ embeddings: { failed: 1 }, bypassed: { "no-embedding": 1 } })
          })
        )
    )
  )

  it.effect("interrupts the embedding of a caller who leaves", () => {
    let aborted = false
    const embedder = (_: string, signal: AbortSignal) => {
      signal.addEventListener("abort", () => (aborted = true))
      return new Promise<never>(() => {})
    }
    return withSemantic({ embedder }, ({ ask }) =>
      Effect.gen(function* () {
        const asked = yield* Effect.forkChild(ask(stored))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(asked)
        expect(aborted).toBe(true)
      })
    )
  })
})

describe("SemanticCache with a judge", () => {
  const unknownA = "How do I frobnicate a widget?"
  const unknownB = "How do I zorbulate a widget?"
  const judgement = (text: string) => () => Effect.succeed(completionOf("j", text))

  it.effect("asks it about unknown words alone, quotes both prompts as data, and remembers what it said", () =>
    withSemantic({ judge: "j/cheap", respond: judgement('{"same": true}') }, ({ ask, cache, own }) =>
      Effect.gen(function* () {
        yield* ask(unknownA)
        expect((yield* ask(unknownB)).journal.cache).toBe("semantic")
        expect((yield* ask(unknownB)).journal.cache).toBe("semantic")
        expect(own).toHaveLength(1)
        expect(own[0]).toMatchObject({ model: "j/cheap", temperature: 0, cacheMode: "bypass", cacheSemantic: false })
        expect(own[0]!.messages[0]!.role).toBe("system")
        expect(JSON.parse(promptOf(own[0]!))).toEqual({ a: unknownB, b: unknownA })
        expect(cache.status()).toMatchObject({ judge: { asked: 1, same: 1 }, hits: 2 })
      })
    )
  )

  it.effect("serves nothing unless its reply is exactly the one word it was asked for", () =>
    Effect.forEach(
      [
        '{"same": false}',
        'yes, {"same": true}',
        '{"same": true} {"same": false}',
        '{"same": "true"}',
        '{"same": true, "note": "sure"}',
        ""
      ],
      (text) =>
        withSemantic({ judge: "j/cheap", respond: judgement(text) }, ({ ask }) =>
          Effect.gen(function* () {
            yield* ask(unknownA)
            expect((yield* ask(unknownB)).journal.cache).toBe("miss")
          })
        )
    )
  )

  it.effect("waits a bounded time for it, and goes on when it fails", () =>
    Effect.gen(function* () {
      yield* withSemantic({ judge: "j/cheap", judgeTimeoutMs: 700 }, ({ ask, cache }) =>
        Effect.gen(function* () {
          yield* ask(unknownA)
          const asked = yield* Effect.forkChild(ask(unknownB))
          yield* TestClock.adjust(700)
          expect((yield* Fiber.join(asked)).journal.cache).toBe("miss")
          expect(cache.status().judge).toMatchObject({ asked: 1, failed: 1 })
        })
      )
      yield* withSemantic({ judge: "j/cheap", respond: () => Effect.fail(down) }, ({ ask }) =>
        Effect.gen(function* () {
          yield* ask(unknownA)
          expect((yield* ask(unknownB)).journal.cache).toBe("miss")
        })
      )
    })
  )

  it.effect("asks no more often than its budget lets it", () =>
    withSemantic({ judge: "j/cheap", judgeBudget: 0.1, respond: judgement('{"same": false}') }, ({ ask, cache, own }) =>
      Effect.gen(function* () {
        yield* ask(unknownA)
        for (let i = 0; i < 100; i++)
          yield* ask(`How do I ${"abcdefghij"[i % 10]}${"klmnopqrst"[Math.floor(i / 10)]}ate a widget?`)
        // Ten at once, then one for every ten lookups.
        expect(own.length).toBeGreaterThan(10)
        expect(own.length).toBeLessThanOrEqual(21)
        expect(cache.status().judge!.refused).toBeGreaterThan(50)
      })
    )
  )
})

describe("SemanticCache through AIEngine", () => {
  it("finds by a function that the application hands in, and tells the kind of the hit", async () => {
    const asked: Array<string> = []
    const provider = scriptedProvider("a", () => "Paris")
    await using engine = new AIEngine(
      { providers: [{ name: "a", kind: "openai", apiKey: "test" }], cache: { semantic: { mode: "on" } } },
      {
        providers: [provider],
        embedder: async (text) => {
          asked.push(text)
          return [1, 2, 3]
        }
      }
    )
    expect((await engine.generateText({ prompt: stored })).cacheKind).toBeNull()
    const hit = await engine.generateText({ prompt: same })
    expect(hit).toMatchObject({ content: "Paris", cached: true, cacheKind: "semantic", attempts: 0, cost: 0 })
    expect(asked).toEqual([stored, same])
    expect((await engine.generateText({ prompt: same, cache: { semantic: false } })).cacheKind).toBeNull()
    let streamed = ""
    for await (const chunk of engine.streamText({ prompt: stored.toUpperCase() })) streamed += chunk
    expect(streamed).toBe("Paris")
    expect(provider.calls).toHaveLength(2)
  })

  it("leaves the exact cache its answers: a pair of prompts is one entry", async () => {
    const provider = scriptedProvider("a", () => "Paris")
    await using engine = new AIEngine(
      { providers: [{ name: "a", kind: "openai", apiKey: "test" }], cache: { semantic: { mode: "on" } } },
      { providers: [provider] }
    )
    await engine.generateText({ prompt: stored })
    await engine.generateText({ prompt: same })
    await engine.generateText({ prompt: same })
    expect((await engine.getStatus()).cache).toMatchObject({ entries: 1, hits: 0, semanticHits: 2, misses: 1 })
  })
})
