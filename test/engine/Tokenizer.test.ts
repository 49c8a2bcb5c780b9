import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit } from "effect"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { type Call, makeCall, type Outcome, type Target } from "../../engine/src/Call.ts"
import { ContextWindowExceeded, ProviderOverloaded } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import { isLoaded } from "../../engine/src/TokenCount.ts"
import { type TargetLimits, Tokenizer } from "../../engine/src/Tokenizer.ts"
import { fromInclusive } from "../../engine/src/Usage.ts"
import { ordinary, pathological } from "./prompts.ts"
import { makeRequest } from "./requests.ts"

const unlimited: TargetLimits = { kind: "openai", contextWindow: undefined, maxTokens: undefined }

const gpt4o: Target = { provider: "openai", model: "gpt-4o" }
const haiku: Target = { provider: "anthropic", model: "claude-haiku-4-5" }

const layer = (limits: (target: Target) => TargetLimits = () => unlimited) => Tokenizer.layer({ limits })

const exact = (text: string): number => countTokens(text, { disallowedSpecial: new Set() })

const asking = (prompt: string, fields: Partial<Request> = {}): Request =>
  makeRequest({ messages: [{ role: "user", content: prompt }], ...fields })

const completion = (input: number, estimated = false): Reply.Completion => ({
  id: "1",
  model: "gpt-4o",
  content: [{ type: "text", text: "ok" }],
  finishReason: "stop",
  rawFinishReason: "stop",
  usage: fromInclusive({ input, output: 1, estimated })
})

const success = (input: number): Outcome => ({ _tag: "Success", completion: completion(input) })

const callOf = Effect.fnUntraced(function* (request: Request, candidates: ReadonlyArray<Target> = [gpt4o]) {
  const call = makeCall(request, yield* Clock.Clock)
  call.journal.candidates = candidates
  return call
})

/** Sends a call through the stage; tells whether it went on. */
const admitted = Effect.fnUntraced(function* (call: Call) {
  const tokenizer = yield* Tokenizer
  let passed = 0
  const open = tokenizer.stage(() => Effect.sync(() => (passed++, Reply.whole(completion(1)))))
  const exit = yield* Effect.exit(Effect.scoped(open(call)))
  if (Exit.isSuccess(exit)) expect(passed).toBe(1)
  else expect(passed).toBe(0)
  return exit
})

const refused = Effect.fnUntraced(function* (call: Call) {
  const tokenizer = yield* Tokenizer
  const open = tokenizer.stage(() => Effect.die("went on"))
  const error = yield* Effect.flip(Effect.scoped(open(call)))
  expect(error).toBeInstanceOf(ContextWindowExceeded)
  return error as ContextWindowExceeded
})

describe("Tokenizer.stage, far from every limit", () => {
  it.effect("notes an estimate and loads no encoding", () =>
    Effect.gen(function* () {
      const prompt = ordinary[0]!.text
      for (const model of ["gpt-4o", "gpt-4", "text-davinci-003"]) {
        const call = yield* callOf(asking(prompt, { maxTokens: 1000 }), [{ provider: "openai", model }])
        expect(Exit.isSuccess(yield* admitted(call))).toBe(true)
        expect(Math.abs(call.journal.promptTokens! - (exact(prompt) + 7))).toBeLessThanOrEqual(3)
      }
      for (const encoding of ["o200k_base", "cl100k_base", "p50k_base"] as const) expect(isLoaded(encoding)).toBe(false)
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: 8000, maxTokens: undefined }))))
  )

  it.effect("refuses an answer that is longer than the window without counting the prompt", () =>
    Effect.gen(function* () {
      const error = yield* refused(yield* callOf(asking("hi", { maxTokens: 9000 })))
      expect(error).toMatchObject({ countedTokens: 8, requestedTokens: 9000, allowedTokens: 8000 })
      expect(isLoaded("o200k_base")).toBe(false)
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: 8000, maxTokens: undefined }))))
  )

  it.effect("checks nothing where the window is unknown", () =>
    Effect.gen(function* () {
      const call = yield* callOf(asking("word ".repeat(100_000), { maxTokens: 1_000_000 }))
      expect(Exit.isSuccess(yield* admitted(call))).toBe(true)
      expect(isLoaded("o200k_base")).toBe(false)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("passes a call on that has no candidates yet", () =>
    Effect.gen(function* () {
      const call = yield* callOf(asking("hello"), [])
      expect(Exit.isSuccess(yield* admitted(call))).toBe(true)
      expect(call.journal.promptTokens).toBeUndefined()
    }).pipe(Effect.provide(layer()))
  )
})

describe("Tokenizer.stage, near the window", () => {
  const prompt = ordinary[7]!.text
  const tokens = exact(prompt) + 7

  it.effect("lets a prompt through that fills the window to the token, and counts it exactly", () =>
    Effect.gen(function* () {
      const call = yield* callOf(asking(prompt, { maxTokens: 100 }))
      expect(Exit.isSuccess(yield* admitted(call))).toBe(true)
      expect(call.journal.promptTokens).toBe(tokens)
      expect(isLoaded("o200k_base")).toBe(true)
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: tokens + 100, maxTokens: undefined }))))
  )

  it.effect("refuses one token more, and names counted, requested and allowed tokens", () =>
    Effect.gen(function* () {
      const error = yield* refused(yield* callOf(asking(prompt, { maxTokens: 101 })))
      expect(error).toMatchObject({
        provider: "openai",
        model: "gpt-4o",
        countedTokens: tokens,
        requestedTokens: 101,
        allowedTokens: tokens + 100
      })
      expect(error.message).not.toContain(prompt.slice(0, 10))
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: tokens + 100, maxTokens: undefined }))))
  )

  it.effect("takes the provider's default for requests that name no length", () =>
    Effect.gen(function* () {
      const error = yield* refused(yield* callOf(asking(prompt)))
      expect(error).toMatchObject({ requestedTokens: 500, allowedTokens: tokens + 100 })
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: tokens + 100, maxTokens: 500 }))))
  )

  it.effect("checks the limit of prompts alone", () =>
    Effect.gen(function* () {
      const error = yield* refused(yield* callOf(asking(prompt, { maxTokens: 10 })))
      expect(error).toMatchObject({ countedTokens: tokens, requestedTokens: 0, allowedTokens: tokens - 1 })
    }).pipe(
      Effect.provide(
        layer(() => ({ kind: "openai", contextWindow: 100_000, maxInputTokens: tokens - 1, maxTokens: undefined }))
      )
    )
  )

  it.effect("counts tools and schemas too", () =>
    Effect.gen(function* () {
      const properties = Object.fromEntries(
        Array.from({ length: 300 }, (_, i) => [`field${i}`, { type: "string", description: "one of many fields" }])
      )
      const parameters = { type: "object", properties }
      yield* refused(yield* callOf(asking("hi", { tools: [{ name: "t", parameters }] })))
      yield* refused(yield* callOf(asking("hi", { responseFormat: { type: "json-schema", schema: parameters } })))
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: 1000, maxTokens: undefined }))))
  )

  it.effect("leaves out what it can't know: documents and images behind URLs", () =>
    Effect.gen(function* () {
      const content = [
        { type: "text", text: "what is this?" },
        { type: "image", image: "https://example.com/cat.png" },
        { type: "file", data: "A".repeat(100_000), mediaType: "application/pdf" }
      ] as const
      const call = yield* callOf(makeRequest({ messages: [{ role: "user", content }] }))
      expect(Exit.isSuccess(yield* admitted(call))).toBe(true)
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: 1000, maxTokens: undefined }))))
  )

  it.effect("takes each text to embed by itself", () =>
    Effect.gen(function* () {
      const input = Array.from({ length: 50 }, () => "word ".repeat(1000))
      const embed = { input, dimensions: undefined }
      const target = [{ provider: "openai", model: "text-embedding-3-small" }]
      const call = yield* callOf(makeRequest({ messages: [], embed }), target)
      expect(Exit.isSuccess(yield* admitted(call))).toBe(true)
      expect(call.journal.promptTokens).toBeGreaterThan(40_000)
      const longer = { input: [...input, "word ".repeat(9000)], dimensions: undefined }
      const error = yield* refused(yield* callOf(makeRequest({ messages: [], embed: longer }), target))
      expect(error).toMatchObject({ requestedTokens: 0, allowedTokens: 8192 })
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: 8192, maxTokens: 4096 }))))
  )

  it.effect("stops counting a prompt that is far too long", () =>
    Effect.gen(function* () {
      const error = yield* refused(yield* callOf(asking("word ".repeat(2_000_000))))
      expect(error.countedTokens).toBeGreaterThan(1_900_000)
      expect(error.countedTokens).toBeLessThan(2_100_000)
    }).pipe(Effect.provide(layer(() => ({ kind: "openai", contextWindow: 20_000, maxTokens: undefined }))))
  )
})

describe("Tokenizer.stage, for models that count in their own way", () => {
  const text = "The quick brown fox jumps over the lazy dog. ".repeat(100)
  const measured = Effect.map(Tokenizer, (tokenizer) =>
    tokenizer.estimate(asking(text), { kind: "anthropic", model: haiku.model })
  )
  const limited = (contextWindow: number) => layer(() => ({ kind: "anthropic", contextWindow, maxTokens: undefined }))

  it.effect("refuses what is too long in all likelihood", () =>
    Effect.gen(function* () {
      const error = yield* refused(yield* callOf(asking(text), [haiku]))
      expect(error).toMatchObject({ provider: "anthropic", countedTokens: yield* measured, allowedTokens: 600 })
    }).pipe(Effect.provide(limited(600)))
  )

  it.effect("leaves the provider the last word where the estimate is not sure", () =>
    Effect.gen(function* () {
      expect(yield* measured).toBeGreaterThan(1000)
      expect(Exit.isSuccess(yield* admitted(yield* callOf(asking(text), [haiku])))).toBe(true)
    }).pipe(Effect.provide(limited(1000)))
  )

  it.effect("is surer with experience", () =>
    Effect.gen(function* () {
      const tokenizer = yield* Tokenizer
      const ref = { kind: "anthropic", model: haiku.model }
      for (let i = 1; i <= 50; i++) {
        const request = asking(text.slice(0, i * 90))
        const seen = tokenizer.measure(request, ref)
        tokenizer.learn(ref, seen, Math.round(seen.tokens * 1.2))
      }
      yield* refused(yield* callOf(asking(text), [haiku]))
    }).pipe(Effect.provide(limited(1000)))
  )
})

describe("Tokenizer.stage, with several candidates", () => {
  const small: Target = { provider: "openai", model: "gpt-4" }
  const large: Target = { provider: "openai", model: "gpt-4.1" }
  const unknown: Target = { provider: "local", model: "llama" }
  const windows: { readonly [model: string]: number | undefined } = { "gpt-4": 1000, "gpt-4o": 2000, "gpt-4.1": 4000 }
  const limits = (target: Target): TargetLimits => ({
    kind: target.provider === "local" ? "openai-compatible" : "openai",
    contextWindow: windows[target.model],
    maxTokens: undefined
  })
  const words = (count: number) => asking("word ".repeat(count))

  it.effect("keeps all of them, in order, when the prompt fits them", () =>
    Effect.gen(function* () {
      const call = yield* callOf(words(100), [small, gpt4o, large])
      expect(Exit.isSuccess(yield* admitted(call))).toBe(true)
      expect(call.journal.candidates).toEqual([small, gpt4o, large])
    }).pipe(Effect.provide(layer(limits)))
  )

  it.effect("drops those that the prompt does not fit, and counts for the first that is left", () =>
    Effect.gen(function* () {
      const call = yield* callOf(words(1500), [small, large, gpt4o, unknown])
      expect(Exit.isSuccess(yield* admitted(call))).toBe(true)
      expect(call.journal.candidates).toEqual([large, gpt4o, unknown])
      expect(call.journal.promptTokens).toBeGreaterThan(1400)
    }).pipe(Effect.provide(layer(limits)))
  )

  it.effect("fails when it fits none, by the one with the most room", () =>
    Effect.gen(function* () {
      const error = yield* refused(yield* callOf(words(5000), [small, large, gpt4o]))
      expect(error).toMatchObject({
        model: "gpt-4.1",
        allowedTokens: 4000,
        countedTokens: exact("word ".repeat(5000)) + 7
      })
    }).pipe(Effect.provide(layer(limits)))
  )
})

describe("Tokenizer.stage, at settlement", () => {
  const seen = (outcome: (reported: number) => Outcome, answered: Target = gpt4o) =>
    Effect.gen(function* () {
      const tokenizer = yield* Tokenizer
      const request = asking("word ".repeat(500))
      for (let i = 0; i < 20; i++) {
        const call = yield* callOf(request, [gpt4o, haiku])
        yield* admitted(call)
        call.journal.target = answered
        yield* call.settlement.run(outcome(1014))
      }
      return {
        gpt4o: tokenizer.estimate(request, { kind: "openai", model: gpt4o.model }),
        haiku: tokenizer.estimate(request, { kind: "anthropic", model: haiku.model })
      }
    }).pipe(Effect.provide(layer((target) => ({ ...unlimited, kind: target === haiku ? "anthropic" : "openai" }))))

  it.effect("learns from the usage of the model that answered", () =>
    Effect.gen(function* () {
      expect((yield* seen(success)).gpt4o).toBeGreaterThan(980)
      const other = yield* seen(success, haiku)
      expect(other.gpt4o).toBeLessThan(530)
      expect(other.haiku).toBeGreaterThan(980)
    })
  )

  it.effect("learns nothing from estimates, failures and cancellations", () =>
    Effect.gen(function* () {
      const error = new ProviderOverloaded({ ...gpt4o, detail: "busy" })
      const outcomes: ReadonlyArray<(reported: number) => Outcome> = [
        (reported) => ({ _tag: "Success", completion: completion(reported, true) }),
        (reported) => ({ _tag: "Failure", error, partial: completion(reported) }),
        (reported) => ({ _tag: "Cancelled", partial: completion(reported) })
      ]
      for (const outcome of outcomes) expect((yield* seen(outcome)).gpt4o).toBeLessThan(530)
    })
  )

  it.effect("learns nothing from a prompt whose parts it can't know", () =>
    Effect.gen(function* () {
      const tokenizer = yield* Tokenizer
      const ref = { kind: "openai", model: "gpt-4o" }
      const content = [
        { type: "text", text: "what is this?" },
        { type: "image", image: "https://example.com/cat.png" }
      ] as const
      const request = makeRequest({ messages: [{ role: "user", content }] })
      const before = tokenizer.estimate(asking("hello"), ref)
      for (let i = 0; i < 20; i++) tokenizer.learn(ref, tokenizer.measure(request, ref), 5000)
      expect(tokenizer.estimate(asking("hello"), ref)).toBe(before)
    }).pipe(Effect.provide(layer()))
  )
})

describe("Tokenizer.estimateAnswer", () => {
  it.effect("is learned from the answers of the model that wrote", () =>
    Effect.gen(function* () {
      const tokenizer = yield* Tokenizer
      const text = ordinary[0]!.text
      const before = tokenizer.estimateAnswer(text, gpt4o)
      expect(before).toBe(tokenizer.estimateAnswer(text, undefined))
      for (let i = 0; i < 20; i++) {
        const call = yield* callOf(asking("hi"), [haiku, gpt4o])
        yield* admitted(call)
        call.journal.target = gpt4o
        const usage = fromInclusive({ input: 8, output: 2 * before })
        yield* call.settlement.run({
          _tag: "Success",
          completion: { ...completion(8), content: [{ type: "text", text }], usage }
        })
      }
      expect(tokenizer.estimateAnswer(text, gpt4o)).toBeGreaterThan(1.8 * before)
      expect(tokenizer.estimateAnswer(text, haiku)).toBe(before)
    }).pipe(Effect.provide(layer()))
  )
})

describe("Tokenizer without a count", () => {
  const count = Effect.succeed(() => Effect.die(new Error("can't count: its thread has died")))

  it.effect("estimates, and refuses by that what is too long in all likelihood", () =>
    Effect.gen(function* () {
      const { countPrompt, countText } = yield* Tokenizer
      const text = "The quick brown fox jumps over the lazy dog. ".repeat(200)
      const ref = { kind: "openai", model: "gpt-4o" }
      const counted = yield* countPrompt(asking(text), ref)
      expect(counted.exact).toBe(false)
      expect(Math.abs(counted.tokens / exact(text) - 1)).toBeLessThan(0.1)
      expect((yield* countText(text, "gpt-4o")).exact).toBe(false)
      yield* refused(yield* callOf(asking(text)))
      expect(Exit.isSuccess(yield* admitted(yield* callOf(asking(text.slice(0, 900)))))).toBe(true)
    }).pipe(Effect.provide(Tokenizer.layer({ limits: () => ({ ...unlimited, contextWindow: 1000 }), count })))
  )
})

describe("Tokenizer.countPrompt", () => {
  it.effect("is exact for plain text to OpenAI only", () =>
    Effect.gen(function* () {
      const { countPrompt } = yield* Tokenizer
      const text = ordinary[0]!.text
      const isExact = (request: Request, kind: string, model: string) =>
        Effect.map(countPrompt(request, { kind, model }), ({ exact }) => exact)
      expect(yield* isExact(asking(text), "openai", "gpt-4o")).toBe(true)
      expect(yield* isExact(asking(text), "openai-compatible", "gpt-oss-20b")).toBe(false)
      expect(yield* isExact(asking(text), "anthropic", "claude-haiku-4-5")).toBe(false)
      expect(yield* isExact(asking(text, { tools: [{ name: "t" }] }), "openai", "gpt-4o")).toBe(false)
      expect(yield* isExact(asking("a".repeat(2000)), "openai", "gpt-4o")).toBe(false)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("frames tools for the API that the target is asked by", () =>
    Effect.gen(function* () {
      const { countPrompt } = yield* Tokenizer
      const wire = { dialect: "openai-responses" as const, body: {}, needs: [] }
      const request = asking("hi", { tools: [{ name: "t", description: "a tool" }], wire })
      const tokens = (api?: "chat" | "responses") =>
        Effect.map(countPrompt(request, { kind: "openai", model: "gpt-5", api }), (count) => count.tokens)
      expect(yield* tokens()).toBe(yield* tokens("responses"))
      expect(yield* tokens("chat")).toBe((yield* tokens("responses")) + 82)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("never counts more than the bound, and never throws, on any pathological prompt", () =>
    Effect.gen(function* () {
      const tokenizer = yield* Tokenizer
      for (const make of Object.values(pathological)) {
        const request = asking(make(3000))
        const count = yield* tokenizer.countPrompt(request, { kind: "openai", model: "gpt-4o" })
        expect(count.tokens).toBeLessThanOrEqual(tokenizer.bound(request))
        expect(tokenizer.estimate(request, { kind: "google", model: "gemini-2.5-pro" })).toBeGreaterThan(0)
      }
    }).pipe(Effect.provide(layer()))
  )
})

describe("Tokenizer.countText", () => {
  it.effect("counts a text without framing, and estimates where the encoding is not known", () =>
    Effect.gen(function* () {
      const { countText } = yield* Tokenizer
      const text = ordinary[0]!.text
      expect(yield* countText(text, "gpt-5.4-mini")).toEqual({ tokens: exact(text), exact: true })
      expect(yield* countText("", "gpt-4o")).toEqual({ tokens: 0, exact: true })
      const other = yield* countText(text, "mistral-large-latest")
      expect(other.exact).toBe(false)
      expect(Math.abs(other.tokens / exact(text) - 1)).toBeLessThan(0.1)
    }).pipe(Effect.provide(layer()))
  )
})
