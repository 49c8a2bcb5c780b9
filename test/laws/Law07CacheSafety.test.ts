/**
 * Law 7, cache safety: the key holds everything that can change the answer and nothing else; tenants are apart unless they
 * share a namespace; only complete answers that finished normally are stored; hits carry their age; a key can be explained.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { cacheKey, explain } from "../../engine/src/CacheKey.ts"
import type { Target } from "../../engine/src/Call.ts"
import { Engine } from "../../engine/src/Engine.ts"
import type * as Reply from "../../engine/src/Reply.ts"
import type { AIRequest, Request } from "../../engine/src/Request.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { makeRequest } from "../engine/requests.ts"
import { finish, paced, requestOf, status, text, withEngine } from "../support/engine.ts"
import { property } from "../support/property.ts"

const target: Target = { provider: "a", model: "m" }
const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<never>
const jsonObject = fc.dictionary(fc.string(), json, { maxKeys: 5 })

const messages = fc.array(
  fc.record(
    {
      role: fc.constantFrom("system" as const, "user" as const, "assistant" as const, "tool" as const),
      content: fc.oneof(
        fc.string(),
        fc.array(
          fc.oneof(
            fc.record({ type: fc.constant("text" as const), text: fc.string() }),
            fc.record({ type: fc.constant("image" as const), image: fc.webUrl() }),
            fc.record({
              type: fc.constant("tool-call" as const),
              id: fc.string(),
              name: fc.string(),
              arguments: fc.json()
            })
          ),
          { minLength: 1, maxLength: 3 }
        )
      ),
      name: fc.string()
    },
    { requiredKeys: ["role", "content"] }
  ),
  { minLength: 1, maxLength: 4 }
)

const optional = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })

/** Every field that can change an answer. */
const meaningful = {
  messages: messages as fc.Arbitrary<Request["messages"]>,
  temperature: optional(fc.double({ min: 0, max: 2, noNaN: true })),
  topP: optional(fc.double({ min: 0, max: 1, noNaN: true })),
  maxTokens: optional(fc.integer({ min: 1, max: 100_000 })),
  stop: optional(fc.array(fc.string(), { maxLength: 4 })),
  seed: optional(fc.integer()),
  tools: optional(
    fc.array(fc.record({ name: fc.string({ minLength: 1 }), parameters: jsonObject }), { minLength: 1, maxLength: 3 })
  ) as fc.Arbitrary<Request["tools"]>,
  toolChoice: optional(fc.constantFrom<NonNullable<Request["toolChoice"]>>("auto", "none", "required", { name: "f" })),
  responseFormat: optional(
    fc.oneof(
      fc.constantFrom({ type: "text" as const }, { type: "json" as const }),
      fc.record({ type: fc.constant("json-schema" as const), schema: jsonObject })
    )
  ) as fc.Arbitrary<Request["responseFormat"]>,
  reasoning: optional(fc.constantFrom({ effort: "low" as const }, { effort: "high" as const }, { maxTokens: 5 })),
  providerOptions: optional(jsonObject),
  tenant: fc.string({ minLength: 1 })
} as const

/** Fields that only say how an answer is delivered or accounted for. */
const delivery = {
  id: fc.uuid(),
  stream: fc.boolean(),
  metadata: optional(jsonObject),
  priority: fc.nat({ max: 9 }),
  timeoutMs: optional(fc.integer({ min: 1 })),
  cacheTtlMs: optional(fc.integer({ min: 1 })),
  cacheMode: fc.constantFrom<Request["cacheMode"]>("default", "refresh", "only", "bypass")
} as const

const request = fc.record(meaningful).map((fields) => makeRequest(fields))

/** The value with the keys of every object in another order. */
const permuted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(permuted)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, permuted(inner)])
  )
}

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner === undefined
        ? "absent"
        : Object.is(inner, -0)
          ? 0
          : inner
  )

/** The value of a field without what is written out and means nothing, whatever the provider. */
const meaning = (field: keyof typeof meaningful, value: unknown): unknown => {
  switch (field) {
    case "messages":
      return (value as Request["messages"]).map((message) => {
        const [only] = message.content
        const plain = message.content.length === 1 && typeof only === "object" && only.type === "text"
        return plain ? { ...message, content: only.text } : message
      })
    case "stop":
      return canonical(value) === "[]" ? undefined : value
    case "toolChoice":
      return value === "auto" ? undefined : value
    case "responseFormat":
      return canonical(value) === canonical({ type: "text" }) ? undefined : value
    case "providerOptions":
      return canonical(value) === "{}" ? undefined : value
    default:
      return value
  }
}

describe("the key", () => {
  it("does not depend on the order of keys, nor on how the answer is delivered", () => {
    fc.assert(
      fc.property(request, fc.record(delivery), (a, fields) => {
        const b = permuted({ ...a, ...fields }) as Request
        expect(cacheKey(b, [target])).toBe(cacheKey(a, [target]))
        expect(explain({ request: a, candidates: [target] }, { request: b, candidates: [target] })).toEqual([])
      }),
      { numRuns: 300 }
    )
  })

  for (const field of Object.keys(meaningful) as ReadonlyArray<keyof typeof meaningful>) {
    it(`changes with ${field}, and the explanation names it`, () => {
      fc.assert(
        fc.property(request, meaningful[field] as fc.Arbitrary<unknown>, (a, value) => {
          const b = { ...a, [field]: value } as Request
          const same = canonical(meaning(field, a[field])) === canonical(meaning(field, value))
          expect(cacheKey(a, [target]) === cacheKey(b, [target])).toBe(same)
          const named = explain({ request: a, candidates: [target] }, { request: b, candidates: [target] })
          if (same) expect(named).toEqual([])
          else {
            expect(named.length).toBeGreaterThan(0)
            for (const path of named) expect(path.startsWith(field)).toBe(true)
          }
        }),
        { numRuns: 60 }
      )
    })
  }

  it("changes with the model and the provider", () => {
    const a = makeRequest()
    const keys = [
      [target],
      [{ provider: "b", model: "m" }],
      [{ provider: "a", model: "n" }],
      [target, { provider: "b", model: "m" }],
      [{ provider: "a/m", model: "" }],
      [{ provider: "", model: "a/m" }]
    ].map((candidates) => cacheKey(a, candidates))
    expect(new Set(keys.slice(0, 4)).size).toBe(4)
  })

  it("can't be forged by text that looks like its own structure", () => {
    const contents = ["a", 'a"1:b', "a;", '"1:a', "{}", "[]", "", "\u0000", '{"role":"user"}']
    const keys = new Set<string>()
    for (const first of contents) {
      for (const second of contents) {
        for (const name of [undefined, "", second]) {
          const message = { role: "user" as const, content: first, ...(name === undefined ? {} : { name }) }
          const messages = [message, { role: "user" as const, content: second }]
          keys.add(JSON.stringify(messages) + cacheKey(makeRequest({ messages }), [target]))
        }
      }
    }
    const distinct = new Set([...keys].map((key) => key.slice(0, -32)))
    expect(new Set([...keys].map((key) => key.slice(-32))).size).toBe(distinct.size)
  })

  describe("of a request in a provider's dialect", () => {
    const wireOf = (body: { readonly [key: string]: unknown }) =>
      makeRequest({ wire: { dialect: "openai-chat", body, needs: [] } })

    it("holds every field of its body, known or not, whatever the order of its keys", () => {
      fc.assert(
        fc.property(
          fc.dictionary(
            fc.stringMatching(/^[a-z_]{1,8}$/).filter((key) => !inert.includes(key)),
            json,
            { minKeys: 1 }
          ),
          json,
          fc.nat(),
          (body, value, at) => {
            const key = Object.keys(body)[at % Object.keys(body).length]!
            const permutedBody = permuted(body) as typeof body
            expect(cacheKey(wireOf(permutedBody), [target])).toBe(cacheKey(wireOf(body), [target]))
            const changed = cacheKey(wireOf({ ...body, [key]: value }), [target])
            const same = canonical(body[key] ?? undefined) === canonical(value ?? undefined)
            expect(changed === cacheKey(wireOf(body), [target])).toBe(same)
          }
        )
      )
    })

    const inert = [
      "stream",
      "stream_options",
      "metadata",
      "user",
      "safety_identifier",
      "prompt_cache_key",
      "prompt_cache_retention",
      "store",
      "model"
    ]

    it("leaves out what changes only delivery or accounting", () => {
      const body = { messages: [{ role: "user", content: "x" }] }
      for (const key of inert) {
        expect(cacheKey(wireOf({ ...body, [key]: "anything" }), [target]), key).toBe(cacheKey(wireOf(body), [target]))
      }
    })

    it("differs by dialect", () => {
      const body = { messages: [] }
      const other = makeRequest({ wire: { dialect: "anthropic-messages", body, needs: [] } })
      expect(cacheKey(other, [target])).not.toBe(cacheKey(wireOf(body), [target]))
    })
  })
})

const answers = () => scriptedProvider("a", (_, index) => `answer ${index}`, { model: "m" })
const ask = (fields: Partial<AIRequest> = {}) => Engine.generateText({ prompt: "hello", ...fields })

describe("tenants", () => {
  it.effect("never share an answer, unless they name the same namespace", () => {
    const providers = [answers()]
    return Effect.gen(function* () {
      const mine = yield* ask({ tenant: "acme" })
      const other = yield* ask({ tenant: "rival" })
      const nobody = yield* ask()
      expect([mine, other, nobody].map(({ cached }) => cached)).toEqual([false, false, false])
      expect((yield* ask({ tenant: "acme" })).content).toBe(mine.content)
      expect((yield* ask({ tenant: "rival" })).content).toBe(other.content)
      const shared = yield* ask({ tenant: "acme", cache: { namespace: "public" } })
      expect(shared.cached).toBe(false)
      const hit = yield* ask({ tenant: "rival", cache: { namespace: "public" } })
      expect(hit).toMatchObject({ cached: true, cacheKind: "exact", content: shared.content })
      // A namespace is no tenant, whatever it is called.
      expect((yield* ask({ cache: { namespace: "acme" } })).cached).toBe(false)
      expect((yield* ask({ tenant: "public" })).cached).toBe(false)
    }).pipe(withEngine({ providers }))
  })
})

describe("what is stored", () => {
  const reasons: ReadonlyArray<readonly [Reply.FinishReason, boolean]> = [
    ["stop", true],
    ["tool-calls", true],
    ["length", false],
    ["content-filter", false],
    ["error", false],
    ["other", false]
  ]
  for (const [finishReason, stored] of reasons) {
    for (const stream of [false, true]) {
      it.effect(
        `${stored ? "is" : "is not"} an answer that ended with ${finishReason}${stream ? ", streamed" : ""}`,
        () => {
          const providers = [
            scriptedProvider("a", () => [text("x"), { ...finish(), finishReason } as Reply.Part], { model: "m" })
          ]
          return Effect.gen(function* () {
            const once = stream
              ? Stream.runDrain(Engine.streamText({ prompt: "hello" }))
              : Effect.asVoid(Engine.generateText({ prompt: "hello" }))
            yield* once
            yield* once
            expect(providers[0]!.calls).toHaveLength(stored ? 1 : 2)
            expect((yield* status).cache.entries).toBe(stored ? 1 : 0)
          }).pipe(withEngine({ providers }))
        }
      )
    }
  }

  property(
    "is only what came to its end: no error, no cut stream, nothing that its reader left",
    fc.record({
      came: fc.nat({ max: 4 }),
      end: fc.constantFrom("finish", "nothing", "error", "defect", "reader leaves"),
      stream: fc.boolean()
    }),
    ({ came, end, stream }) => {
      const tail = {
        finish: [finish()],
        nothing: [],
        error: [Effect.die("unused")],
        defect: [Effect.die(new Error("boom"))],
        "reader leaves": [text("tail"), finish()]
      }[end]
      const providers = [
        scriptedProvider(
          "a",
          () =>
            Effect.succeed({
              _tag: "Parts",
              parts: paced([...Array.from({ length: came + 1 }, (_, i) => text(`${i}`)), ...tail])
            }),
          { model: "m" }
        )
      ]
      return Effect.gen(function* () {
        const parts = Engine.streamText({ prompt: "hello" })
        yield* Effect.exit(
          end === "reader leaves"
            ? Stream.runDrain(Stream.take(parts, came + 1))
            : stream
              ? Stream.runDrain(parts)
              : Engine.generateText({ prompt: "hello" })
        )
        expect((yield* status).cache.entries).toBe(end === "finish" ? 1 : 0)
      }).pipe(withEngine({ providers, config: { retry: { maxAttempts: 1 } } }))
    },
    { runs: 60 }
  )
})

describe("hits", () => {
  it.effect("carry their age, cost nothing, use no tokens, and reach no provider", () => {
    const providers = [scriptedProvider("a", () => "answer", { model: "gpt-5.4-mini" })]
    return Effect.gen(function* () {
      yield* ask()
      yield* TestClock.adjust("90 seconds")
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "hello" }))
      yield* Effect.scoped(engine.open(call))
      expect(call.journal).toMatchObject({ cache: "hit", cacheAgeMs: 90_000, attempts: [] })
      const hit = yield* ask()
      expect(hit).toMatchObject({ cached: true, cacheKind: "exact", attempts: 0, cost: 0, provider: "a" })
      const { totals } = yield* status
      expect(totals).toMatchObject({ requests: 3, promptTokens: 1, completionTokens: 1, savedTokens: 4 })
      expect(providers[0]!.calls).toHaveLength(1)
    }).pipe(
      withEngine({
        providers,
        config: { providers: [{ name: "a", kind: "openai", apiKey: "k", model: "gpt-5.4-mini" }] }
      })
    )
  })

  it.effect("end with the time to live, to the millisecond; the request's own goes first", () => {
    const providers = [answers()]
    return Effect.gen(function* () {
      yield* ask()
      yield* ask({ prompt: "short", cache: { ttl: 1000 } })
      yield* TestClock.adjust(999)
      expect((yield* ask({ prompt: "short" })).cached).toBe(true)
      yield* TestClock.adjust(1)
      expect((yield* ask({ prompt: "short" })).cached).toBe(false)
      yield* TestClock.adjust(600_000 - 1000 - 1)
      expect((yield* ask()).cached).toBe(true)
      yield* TestClock.adjust(1)
      expect((yield* ask()).cached).toBe(false)
      expect((yield* ask()).cached).toBe(true)
    }).pipe(withEngine({ providers }))
  })

  it.effect("can't be had before the answer is complete", () => {
    const providers = [
      scriptedProvider("a", () => Effect.succeed({ _tag: "Parts", parts: paced([text("x"), text("y"), finish()]) }), {
        model: "m"
      })
    ]
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "hello", stream: true }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const reply = yield* engine.open(call)
          if (reply._tag !== "Parts") return expect.unreachable()
          const pull = yield* Stream.toPull(reply.parts)
          yield* pull
          expect((yield* status).cache.entries).toBe(0)
          yield* pull
          yield* pull
          expect((yield* status).cache.entries).toBe(1)
          expect(Cause.isDone(yield* Effect.flip(pull))).toBe(true)
        })
      )
    }).pipe(withEngine({ providers }))
  })
})

describe("modes", () => {
  it.effect("default looks up and stores, refresh only stores, bypass does neither, only never asks a provider", () => {
    const providers = [answers()]
    return Effect.gen(function* () {
      expect(yield* Effect.flip(ask({ cache: { mode: "only" } }))).toMatchObject({ _tag: "CacheOnlyMiss", status: 504 })
      expect((yield* ask({ cache: { mode: "bypass" } })).content).toBe("answer 0")
      expect((yield* status).cache.entries).toBe(0)
      expect((yield* ask()).content).toBe("answer 1")
      expect((yield* ask({ cache: { mode: "only" } })).content).toBe("answer 1")
      expect(yield* ask({ cache: { mode: "refresh" } })).toMatchObject({ content: "answer 2", cached: false })
      expect(yield* ask()).toMatchObject({ content: "answer 2", cached: true })
      expect((yield* ask({ cache: { mode: "bypass" } })).content).toBe("answer 3")
      expect((yield* ask()).content).toBe("answer 2")
      expect(providers[0]!.calls).toHaveLength(4)
    }).pipe(withEngine({ providers }))
  })

  it.effect("a refresh that fails leaves the entry as it was", () => {
    const providers = [
      scriptedProvider("a", (_, index) => (index === 1 ? [text("half")] : `answer ${index}`), { model: "m" })
    ]
    return Effect.gen(function* () {
      yield* ask()
      yield* Effect.flip(ask({ cache: { mode: "refresh" } }))
      expect(yield* ask()).toMatchObject({ content: "answer 0", cached: true })
    }).pipe(withEngine({ providers, config: { retry: { maxAttempts: 1 } } }))
  })

  it.effect("a cache that is switched off stores nothing, and has nothing for only", () => {
    const providers = [answers()]
    return Effect.gen(function* () {
      yield* ask()
      expect((yield* ask()).cached).toBe(false)
      expect(yield* Effect.flip(ask({ cache: { mode: "only" } }))).toMatchObject({ _tag: "CacheOnlyMiss" })
      expect((yield* status).cache).toMatchObject({ enabled: false, entries: 0, hits: 0, misses: 0, hitRate: null })
    }).pipe(withEngine({ providers, config: { cache: { enabled: false } } }))
  })
})

describe("an alias", () => {
  it.effect("shares the entry of its chain under every routing strategy, whose turn it ever is", () =>
    Effect.gen(function* () {
      for (const strategy of ["fallback", "round-robin", "weighted", "least-latency", "lowest-cost"] as const) {
        const providers = ["a", "b", "c"].map((name) => scriptedProvider(name, () => name, { model: "m" }))
        yield* Effect.gen(function* () {
          const first = yield* ask({ model: "fast" })
          for (let i = 0; i < 5; i++) {
            expect(yield* ask({ model: "fast" }), strategy).toMatchObject({ cached: true, content: first.content })
          }
        }).pipe(withEngine({ providers, config: { routing: { strategy }, aliases: { fast: ["a/m", "b/m", "c/m"] } } }))
      }
    })
  )
})
