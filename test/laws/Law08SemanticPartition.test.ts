/**
 * Law 8, semantic safety, the partition and the modes: an answer serves for another prompt only within one tenant, model,
 * system prompt, tools, format, sampling and conversation; `off` and `shadow` serve nobody; what the exact cache no longer
 * has is served by nobody. What the gate refuses is in the gate's own test.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import type { Target } from "../../engine/src/Call.ts"
import { Engine } from "../../engine/src/Engine.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { type Message, type Request, textOf } from "../../engine/src/Request.ts"
import { askedOf } from "../../engine/src/SemanticPartition.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { makeRequest } from "../engine/requests.ts"
import { status, withEngine } from "../support/engine.ts"
import { property } from "../support/property.ts"
import { withSemantic } from "../support/semantic.ts"

const target: Target = { provider: "a", model: "m" }
const candidates: ReadonlyArray<ReadonlyArray<Target>> = [
  [target],
  [{ provider: "b", model: "m" }],
  [{ provider: "a", model: "n" }],
  [target, { provider: "b", model: "m" }]
]

/** Values of every field that can change an answer; no two of a field mean the same. */
const fields: { readonly [K in keyof Request]?: ReadonlyArray<Request[K]> } = {
  tenant: ["default", "other"],
  cacheNamespace: [undefined, "shared", "others"],
  temperature: [undefined, 0, 0.5],
  topP: [undefined, 0.5],
  maxTokens: [undefined, 10, 11],
  stop: [undefined, ["a"], ["a", "b"]],
  seed: [undefined, 0, 1],
  tools: [undefined, [{ name: "f" }], [{ name: "f", description: "d" }]],
  toolChoice: [undefined, "none", { name: "f" }],
  parallelToolCalls: [undefined, false],
  responseFormat: [undefined, { type: "json" }, { type: "json-schema", schema: { type: "object" } }],
  reasoning: [undefined, { effort: "low" }, { effort: "high" }],
  providerOptions: [undefined, { x: 1 }, { x: 2 }]
}

const earlier: ReadonlyArray<ReadonlyArray<Message>> = [
  [],
  [{ role: "system", content: "Answer briefly." }],
  [{ role: "system", content: "Answer at length." }],
  [
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Hello!" }
  ],
  [
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Good day!" }
  ]
]

const names = Object.keys(fields) as ReadonlyArray<keyof typeof fields>

/** For each field which of its values a request has. */
const choices = fc.record({
  fields: fc.tuple(...names.map((name) => fc.nat({ max: fields[name]!.length - 1 }))),
  earlier: fc.nat({ max: earlier.length - 1 }),
  candidates: fc.nat({ max: candidates.length - 1 })
})

type Choices = typeof choices extends fc.Arbitrary<infer A> ? A : never

const requestOf = (chosen: Choices, text: string, extra: Partial<Request> = {}): Request =>
  makeRequest({
    ...Object.fromEntries(names.map((name, i) => [name, fields[name]![chosen.fields[i]!]])),
    messages: [...earlier[chosen.earlier]!, { role: "user", content: text }],
    ...extra
  })

const partitionOf = (chosen: Choices, text: string, extra?: Partial<Request>) =>
  askedOf(requestOf(chosen, text, extra), candidates[chosen.candidates]!)?.partition

const delivery = fc.record({
  id: fc.uuid(),
  stream: fc.boolean(),
  metadata: fc.constantFrom(undefined, { a: 1 }),
  priority: fc.nat({ max: 9 }),
  timeoutMs: fc.constantFrom(undefined, 5),
  cacheTtlMs: fc.constantFrom(undefined, 5)
})

describe("law 8, the partition", () => {
  property(
    "is the same for two texts, however they are delivered, and tells the text",
    fc.tuple(choices, fc.string(), fc.string(), delivery),
    ([chosen, a, b, extra]) =>
      Effect.sync(() => {
        expect(partitionOf(chosen, a)).toBe(partitionOf(chosen, b, extra))
        expect(askedOf(requestOf(chosen, a), [target])?.text).toBe(a)
      })
  )

  property(
    "differs with every field that can change the answer, and every earlier turn",
    fc.tuple(choices, choices, fc.string()),
    ([a, b, text]) =>
      Effect.sync(() => {
        // Of two tenants that name a namespace, both mean the same.
        const shared = a.fields[1]! > 0 && a.fields[1] === b.fields[1]
        const equal =
          JSON.stringify({ ...a, fields: shared ? a.fields.slice(1) : a.fields }) ===
          JSON.stringify({ ...b, fields: shared ? b.fields.slice(1) : b.fields })
        expect(partitionOf(a, text) === partitionOf(b, text)).toBe(equal)
      }),
    { runs: 300 }
  )

  it("differs when one field alone does", () => {
    const base: Choices = { fields: names.map(() => 0) as never, earlier: 0, candidates: 0 }
    const all = [base]
    names.forEach((name, i) => {
      for (let value = 1; value < fields[name]!.length; value++)
        all.push({ ...base, fields: base.fields.with(i, value) as never })
    })
    for (let i = 1; i < earlier.length; i++) all.push({ ...base, earlier: i })
    for (let i = 1; i < candidates.length; i++) all.push({ ...base, candidates: i })
    expect(new Set(all.map((chosen) => partitionOf(chosen, "same text"))).size).toBe(all.length)
  })

  it("takes a text and one text part for the same, and has no place for anything else as the last turn", () => {
    const of = (...messages: ReadonlyArray<Message>) => askedOf(makeRequest({ messages }), [target])
    const text = of({ role: "user", content: "hello" })
    expect(text).toEqual(of({ role: "user", content: [{ type: "text", text: "hello" }] }))
    expect(
      of({
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" }
        ]
      })
    ).toBeUndefined()
    expect(
      of({
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "image", image: "https://a.b/c.png" }
        ]
      })
    ).toBeUndefined()
    expect(
      of({ role: "user", content: [{ type: "file", data: "AAAA", mediaType: "application/pdf" }] })
    ).toBeUndefined()
    expect(of({ role: "assistant", content: "hello" })).toBeUndefined()
    expect(of({ role: "tool", content: [{ type: "tool-result", id: "1", content: "x" }] })).toBeUndefined()
    expect(of({ role: "user", content: [] })).toBeUndefined()
    expect(
      askedOf(makeRequest({ messages: [], embed: { input: ["a"], dimensions: undefined } }), [target])
    ).toBeUndefined()
  })

  it("can't be reached by a text that pretends to be the place of a text", () => {
    const hole = askedOf(makeRequest(), [target])!
    for (const text of ["Symbol(the last user turn)", "Symbol(the last user turn);", "hello"]) {
      const messages: ReadonlyArray<Message> = [
        { role: "user", content: text },
        { role: "assistant", content: text },
        { role: "user", content: text }
      ]
      expect(askedOf(makeRequest({ messages }), [target])!.partition).not.toBe(hole.partition)
      expect(askedOf(makeRequest({ messages: messages.slice(0, 1), stop: [text] }), [target])!.partition).not.toBe(
        hole.partition
      )
    }
  })
})

/** Bodies of each dialect with a text in the last turn and one before it. */
const bodies: {
  readonly [dialect in Reply.Dialect]: (text: string, before: string) => { readonly [key: string]: unknown }
} = {
  "openai-chat": (text, before) => ({
    messages: [
      { role: "system", content: before },
      { role: "user", content: [{ type: "text", text }] }
    ],
    temperature: 0
  }),
  "openai-responses": (text, before) => ({
    instructions: before,
    input: [{ role: "user", content: [{ type: "input_text", text }] }]
  }),
  "openai-completions": (text, before) => ({ prompt: text, suffix: before }),
  "anthropic-messages": (text, before) => ({
    system: before,
    messages: [{ role: "user", content: text }],
    max_tokens: 5
  }),
  gemini: (text, before) => ({
    systemInstruction: { parts: [{ text: before }] },
    contents: [{ role: "user", parts: [{ text }] }]
  })
}

describe("law 8, the partition of a body", () => {
  const wire = (dialect: Reply.Dialect, body: { readonly [key: string]: unknown }, text: string) =>
    askedOf(makeRequest({ messages: [{ role: "user", content: text }], wire: { dialect, body, needs: [] } }), [target])

  for (const dialect of Object.keys(bodies) as ReadonlyArray<Reply.Dialect>) {
    property(
      `of ${dialect} leaves out the text of the last turn and nothing else`,
      fc.tuple(fc.string({ minLength: 6 }), fc.string({ minLength: 6 }), fc.string(), fc.string()),
      ([a, b, before, after]) =>
        Effect.sync(() => {
          const made = bodies[dialect]
          const left = wire(dialect, made(a, before), a)
          expect(left?.text).toBe(a)
          expect(left?.partition).toBe(wire(dialect, made(b, before), b)?.partition)
          expect(left?.partition === wire(dialect, made(a, after), a)?.partition).toBe(before === after)
          expect(wire(dialect, { ...made(a, before), unheard_of: 1 }, a)?.partition).not.toBe(left?.partition)
        })
    )
  }

  it("has none where the text stands in the last turn twice, or not at all", () => {
    const body = { messages: [{ role: "user", content: "hello there", name: "hello there" }] }
    expect(wire("openai-chat", body, "hello there")).toBeUndefined()
    expect(wire("openai-chat", { messages: [{ role: "user", content: "hello" }] }, "other")).toBeUndefined()
    expect(wire("openai-chat", { messages: [] }, "other")).toBeUndefined()
    expect(wire("openai-chat", {}, "other")).toBeUndefined()
    expect(wire("gemini", { contents: "other" }, "hello")).toBeUndefined()
  })

  it("keeps the fields beside the text apart, such as a mark of where to cache", () => {
    const body = (control?: object) => ({
      messages: [{ role: "user", content: [{ type: "text", text: "hello", ...control }] }]
    })
    const plain = wire("anthropic-messages", body(), "hello")
    expect(plain).toBeDefined()
    expect(wire("anthropic-messages", body({ citations: { enabled: true } }), "hello")?.partition).not.toBe(
      plain?.partition
    )
  })
})

const wordings = ["What is the capital of France?", "what is the capital of france?", "WHAT IS THE CAPITAL OF  FRANCE?"]

/** Requests of a few tenants in some order, with pauses, evictions and feedback between them. */
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("ask" as const),
        wording: fc.nat({ max: 2 }),
        tenant: fc.constantFrom("a", "b"),
        mode: fc.constantFrom("default" as const, "default" as const, "refresh" as const, "bypass" as const)
      })
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 500, 1000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("evict" as const), entry: fc.nat({ max: 5 }) }) }
  ),
  { maxLength: 40 }
)

describe("law 8, the modes", () => {
  for (const mode of ["off", "shadow", "on"] as const) {
    property(
      mode === "on"
        ? "on serves only what the exact cache still holds, of the same tenant, and no refresh"
        : `${mode} serves nobody`,
      steps,
      (script) =>
        withSemantic({ mode, ttlMs: 1000, maxEntries: 4, answer: () => "Paris" }, ({ answers, ask, cache, settled }) =>
          Effect.gen(function* () {
            const keys = { a: new Set<string>(), b: new Set<string>() }
            for (const step of script) {
              if (step.do === "wait") yield* TestClock.adjust(step.ms)
              else if (step.do === "evict") {
                const key = [...answers.keys()][step.entry]
                if (key !== undefined) answers.delete(key)
              } else {
                const before = new Map(answers)
                const tenant = step.tenant as "a" | "b"
                const call = yield* ask(wordings[step.wording]!, { tenant, cacheMode: step.mode })
                yield* settled
                const { cache: served, cacheAgeMs, cacheKey } = call.journal
                if (served === "semantic") {
                  expect(mode).toBe("on")
                  expect(step.mode).toBe("default")
                  expect([...keys[tenant]].some((key) => key !== cacheKey && before.has(key))).toBe(true)
                  expect(cacheAgeMs).toBeLessThan(1000)
                  expect(answers).toEqual(before)
                } else if (cacheKey !== undefined) keys[tenant].add(cacheKey)
              }
              expect(cache.status().entries).toBeLessThanOrEqual(4)
            }
            if (mode !== "on") expect(cache.status().hits).toBe(0)
            if (mode === "off") expect(cache.status()).toMatchObject({ lookups: 0, entries: 0 })
          })
        ),
      { runs: 40 }
    )
  }
})

const meanings = ["What is a fermion?", "What is a boson?", "How do I reset my password?"]

/** The same question in other letters. */
const worded = (meaning: number, wording: number): string => {
  const text = meanings[meaning]!
  return [text, text.toLowerCase(), text.toUpperCase(), text.replace(" ", "  ")][wording]!
}

const caller = fc.record({
  meaning: fc.nat({ max: 2 }),
  wording: fc.nat({ max: 3 }),
  tenant: fc.constantFrom("a", "b"),
  stream: fc.boolean(),
  atMs: fc.nat({ max: 100 }),
  leavesAfterMs: fc.option(fc.nat({ max: 60 }), { nil: undefined })
})

describe("law 8, many callers at a time", () => {
  property(
    "each gets the answer to what was asked, of the own tenant, however their calls lie across each other",
    fc.tuple(fc.array(caller, { minLength: 1, maxLength: 25 }), fc.constantFrom("lexical", "a/e")),
    ([callers, embedder]) => {
      const provider = scriptedProvider(
        "a",
        ({ request }) =>
          Effect.delay(
            Effect.sync(() => {
              if (request.embed !== undefined) {
                const vector = meanings.map((text) => (sameLetters(text, request.embed!.input[0]!) ? 1 : 0))
                return Reply.whole({ ...completionOf("e", ""), embeddings: [vector] })
              }
              const meaning = meanings.findIndex((text) => sameLetters(text, textOf(request.messages.at(-1)!)))
              const completion = completionOf("m", `${request.tenant}${meaning}`)
              return request.stream ? Reply.parts(Stream.fromArray(Reply.toParts(completion))) : Reply.whole(completion)
            }),
            request.embed === undefined ? 20 : 5
          ),
        { model: "m", embeddingModel: "e" }
      )
      return Effect.gen(function* () {
        const engine = yield* Engine
        const one = ({
          atMs,
          leavesAfterMs,
          meaning,
          stream,
          tenant,
          wording
        }: typeof caller extends fc.Arbitrary<infer A> ? A : never) =>
          Effect.gen(function* () {
            yield* Effect.sleep(atMs)
            const call = yield* engine.prepare({ prompt: worded(meaning, wording), tenant }, { stream })
            const answer = Effect.scoped(Effect.flatMap(engine.open(call), Reply.collect))
            const completion = yield* leavesAfterMs === undefined
              ? Effect.asSome(answer)
              : Effect.timeoutOption(answer, leavesAfterMs)
            if (Option.isSome(completion)) expect(Reply.textOf(completion.value)).toBe(`${tenant}${meaning}`)
            return call.journal.cache
          })
        const fibers = yield* Effect.forEach(callers, (each) => Effect.forkChild(one(each)))
        yield* TestClock.adjust(1000)
        const kinds = yield* Effect.forEach(fibers, Fiber.join)
        const { cache, providers } = yield* status
        expect(providers[0]).toMatchObject({ active: 0, queued: 0 })
        expect(kinds.every((kind) => kind !== "bypass")).toBe(true)
        expect(cache.entries).toBeLessThanOrEqual(callers.length)
      }).pipe(withEngine({ providers: [provider], config: { cache: { semantic: { mode: "on", embedder } } } }))
    },
    { runs: 60 }
  )
})

const sameLetters = (a: string, b: string): boolean =>
  a.toLowerCase().replaceAll(/\s+/g, " ") === b.toLowerCase().replaceAll(/\s+/g, " ")
