import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Ref, Schema, Stream } from "effect"
import { AiError, Chat, EmbeddingModel, LanguageModel, Model, Prompt, type Response, Tool, Toolkit } from "effect/ai"
import { describe } from "vitest"
import { Engine, type EngineConfigInput, ModelNotFound, ProviderRateLimited, type Reply } from "millrace"
import { embeddingModel, layer, layerEmbedding, model, withSettings } from "millrace/effect-ai"
import { type Answer, completionOf, scriptedProvider, type ScriptedProvider } from "millrace/testing"
import type { AttemptCall } from "../../engine/src/Stage.ts"

const usage = {
  uncachedInput: 70,
  cacheReadInput: 20,
  cacheWriteInput: 10,
  output: 30,
  reasoning: 5,
  estimated: false
}

const finish = { type: "finish", finishReason: "stop", rawFinishReason: "stop", usage } as const

const scripted = (script: (call: AttemptCall, index: number) => Answer): ScriptedProvider =>
  scriptedProvider("openai", script, { model: "gpt-5.4-mini" })

const once = { retry: { maxAttempts: 1 } }

/** Runs an effect with a `LanguageModel` over an engine whose only provider is scripted. */
const over =
  (provider: ScriptedProvider, config: EngineConfigInput = once) =>
  <A, E>(effect: Effect.Effect<A, E, LanguageModel.LanguageModel>) =>
    Effect.scoped(
      Effect.provide(effect, Layer.provide(layer(), Engine.layer(config, { providers: [provider] })), { local: true })
    )

const completion = (content: Reply.Completion["content"], finishReason: Reply.Completion["finishReason"] = "stop") => ({
  ...completionOf("gpt-5.4-mini", "", usage),
  id: "resp_1",
  content,
  finishReason
})

const Weather = Tool.make("weather", {
  description: "The weather of a city",
  parameters: Schema.Struct({ city: Schema.String, days: Schema.optionalKey(Schema.FiniteFromString) }),
  success: Schema.Struct({ celsius: Schema.Number }),
  failure: Schema.String,
  failureMode: "return"
})
const Clock = Tool.make("clock", { success: Schema.String })
const tools = Toolkit.make(Weather, Clock)
const handlers = tools.toLayer({
  weather: ({ city, days }) =>
    city === "Atlantis" ? Effect.fail("no such city") : Effect.succeed({ celsius: city.length + (days ?? 0) }),
  clock: () => Effect.succeed("noon")
})

const weatherCall = (id: string, city: string): Reply.Block => ({
  type: "tool-call",
  id,
  name: "weather",
  arguments: JSON.stringify({ city })
})

const requestOf = (provider: ScriptedProvider, index = 0) => provider.calls[index]!.request

describe("a LanguageModel over the engine", () => {
  it.effect("answers with text, usage, the finish reason and how the call was answered", () => {
    const provider = scripted(() => completion([{ type: "text", text: "hello" }]))
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({ prompt: "Say hello" })
      expect(response.text).toBe("hello")
      expect(response.finishReason).toBe("stop")
      expect(response.usage).toEqual({
        inputTokens: { uncached: 70, total: 100, cacheRead: 20, cacheWrite: 10 },
        outputTokens: { total: 30, text: 25, reasoning: 5 }
      })
      expect(response.content.find((part) => part.type === "response-metadata")).toMatchObject({
        id: "resp_1",
        modelId: "gpt-5.4-mini"
      })
      expect(wayOf(response)).toMatchObject({ provider: "openai", model: "gpt-5.4-mini", cache: "miss", attempts: 1 })
    }).pipe(over(provider))
  })

  it.effect("names what the provider's answer had beside it, also from the cache", () => {
    const omitted = ["answer.image"]
    const provider = scripted(() => ({ ...completion([{ type: "text", text: "hello" }]), omitted }))
    return Effect.gen(function* () {
      for (const cache of ["miss", "hit"]) {
        expect(wayOf(yield* LanguageModel.generateText({ prompt: "Draw" }))).toMatchObject({ cache, omitted })
      }
      const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "Draw" }))
      expect(wayOf({ content: parts })).toMatchObject({ cache: "hit", omitted })
    }).pipe(over(provider))
  })

  it.effect("answers the second of two equal calls from the cache", () => {
    const provider = scripted(() => "hello")
    return Effect.gen(function* () {
      yield* LanguageModel.generateText({ prompt: "Say hello" })
      const second = yield* LanguageModel.generateText({ prompt: "Say hello" })
      expect(wayOf(second)).toMatchObject({ cache: "hit", attempts: 0 })
      const streamed = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "Say hello" }))
      expect(textOf(streamed)).toBe("hello")
      expect(provider.calls).toHaveLength(1)
    }).pipe(over(provider))
  })

  it.effect("carries every kind of part of a prompt", () => {
    const provider = scripted(() => "seen")
    const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0])
    return Effect.gen(function* () {
      yield* LanguageModel.generateText({
        prompt: [
          { role: "system", content: "Be brief" },
          {
            role: "user",
            content: [
              { type: "text", text: "What is this?" },
              { type: "file", mediaType: "image/png", data: new URL("https://example.com/a.png") },
              { type: "file", mediaType: "image/*", data: png, options: { millrace: { detail: "low" } } },
              { type: "file", mediaType: "application/pdf", fileName: "a.pdf", data: "JVBERi0=" }
            ]
          },
          {
            role: "assistant",
            content: [
              { type: "reasoning", text: "hm", options: { millrace: { signature: "sig" } } },
              { type: "text", text: "Let me look" },
              { type: "tool-call", id: "c1", name: "weather", params: { city: "Rome" } }
            ]
          },
          {
            role: "tool",
            content: [
              { type: "tool-result", id: "c1", name: "weather", isFailure: false, result: { celsius: 20 } },
              {
                type: "tool-result",
                id: "c2",
                name: "photo",
                isFailure: true,
                result: null,
                modelOutput: [
                  { type: "text", text: "blurred" },
                  { type: "file", mediaType: "image/png", data: "iVBORw0KGgo=" }
                ]
              }
            ]
          }
        ]
      })
      expect(requestOf(provider).messages).toEqual([
        { role: "system", content: "Be brief" },
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image", image: "https://example.com/a.png", mediaType: "image/png" },
            { type: "image", image: "iVBORw0KGgoAAAAA", mediaType: "image/png", detail: "low" },
            { type: "file", data: "JVBERi0=", mediaType: "application/pdf", filename: "a.pdf" }
          ]
        },
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "hm", signature: "sig" },
            { type: "text", text: "Let me look" },
            { type: "tool-call", id: "c1", name: "weather", arguments: '{"city":"Rome"}' }
          ]
        },
        {
          role: "tool",
          content: [
            { type: "tool-result", id: "c1", name: "weather", content: '{"celsius":20}' },
            {
              type: "tool-result",
              id: "c2",
              name: "photo",
              isError: true,
              content: [
                { type: "text", text: "blurred" },
                { type: "image", image: "iVBORw0KGgo=", mediaType: "image/png" }
              ]
            }
          ]
        }
      ])
    }).pipe(over(provider))
  })

  it.effect("refuses what no provider could be given, by name", () => {
    const provider = scripted(() => "never")
    return Effect.gen(function* () {
      const executed = yield* Effect.flip(
        LanguageModel.generateText({
          prompt: [
            {
              role: "assistant",
              content: [{ type: "tool-call", id: "c", name: "search", params: {}, providerExecuted: true }]
            }
          ]
        })
      )
      expect(executed.reason).toMatchObject({ _tag: "InvalidRequestError", parameter: "prompt.content[0].content[0]" })
      expect(provider.calls).toHaveLength(0)
    }).pipe(over(provider))
  })

  it.effect("streams blocks that begin and end, and says the same as the whole answer", () => {
    const parts: ReadonlyArray<Reply.Part> = [
      { type: "start", id: "resp_1", model: "gpt-5.4-mini" },
      { type: "reasoning", text: "let me " },
      { type: "reasoning", text: "think", signature: "sig" },
      { type: "reasoning", text: "", redacted: "secret" },
      { type: "text", text: "It is " },
      { type: "text", text: "warm" },
      finish
    ]
    const provider = scripted(() => parts)
    return Effect.gen(function* () {
      const streamed = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "Weather?" }))
      const seen = streamed.map((part) => [
        part.type,
        "delta" in part ? part.delta : (part.metadata["millrace"] ?? null)
      ])
      expect(seen.slice(0, -1)).toEqual([
        ["response-metadata", null],
        ["reasoning-start", null],
        ["reasoning-delta", "let me "],
        ["reasoning-delta", "think"],
        ["reasoning-end", { signature: "sig" }],
        ["reasoning-start", null],
        ["reasoning-end", { redacted: "secret" }],
        ["text-start", null],
        ["text-delta", "It is "],
        ["text-delta", "warm"],
        ["text-end", null]
      ])
      const whole = yield* withSettings(LanguageModel.generateText({ prompt: "Weather?" }), {
        cache: { mode: "bypass" }
      })
      expect(Prompt.fromResponseParts([...streamed])).toEqual(Prompt.fromResponseParts(whole.content))
    }).pipe(over(provider))
  })

  it.effect("marks a refusal as one", () => {
    const provider = scripted(() => completion([{ type: "refusal", text: "I can't" }]))
    return Effect.gen(function* () {
      const whole = yield* LanguageModel.generateText({ prompt: "x" })
      expect(whole.text).toBe("I can't")
      expect(whole.content.find((part) => part.type === "text")?.metadata).toEqual({ millrace: { refusal: true } })
    }).pipe(over(provider))
  })

  it.effect("interrupting the caller cancels the call at the provider", () => {
    const opened = Deferred.makeUnsafe<void>()
    const left = Deferred.makeUnsafe<void>()
    const provider = scripted(() =>
      Effect.onInterrupt(Effect.andThen(Deferred.succeed(opened, undefined), Effect.never), () =>
        Deferred.succeed(left, undefined)
      )
    )
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(LanguageModel.generateText({ prompt: "x" }))
      yield* Deferred.await(opened)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(left)
    }).pipe(over(provider))
  })

  it.effect("leaving a stream early closes it at the provider", () => {
    const closed = Ref.makeUnsafe(false)
    const provider = scripted(() =>
      Effect.as(
        Effect.addFinalizer(() => Ref.set(closed, true)),
        {
          _tag: "Parts" as const,
          parts: Stream.concat(Stream.make({ type: "text" as const, text: "one" }), Stream.never)
        }
      )
    )
    return Effect.gen(function* () {
      const seen = yield* LanguageModel.streamText({ prompt: "x" }).pipe(
        Stream.filter((part) => part.type === "text-delta"),
        Stream.take(1),
        Stream.runCollect
      )
      expect(seen).toHaveLength(1)
      expect(yield* Ref.get(closed)).toBe(true)
    }).pipe(over(provider))
  })

  it.effect("ends a stream that breaks with an error after what had come", () => {
    const provider = scripted(() => [{ type: "text", text: "half" }])
    return Effect.gen(function* () {
      const seen: Array<string> = []
      const error = yield* LanguageModel.streamText({ prompt: "x" }).pipe(
        Stream.runForEach((part) => Effect.sync(() => void (part.type === "text-delta" && seen.push(part.delta)))),
        Effect.flip
      )
      expect(seen).toEqual(["half"])
      expect(error.reason).toMatchObject({
        _tag: "InternalProviderError",
        metadata: { millrace: { kind: "StreamTruncated", fault: "provider", provider: "openai" } }
      })
    }).pipe(over(provider))
  })
})

describe("errors of a LanguageModel over the engine", () => {
  it.effect("are retried by the engine, not by its caller", () => {
    const provider = scripted((call, index) =>
      index === 0 ? new ProviderRateLimited({ ...call.target, detail: "slow down", retryAfterMs: 0 }) : "at last"
    )
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({ prompt: "x" })
      expect(response.text).toBe("at last")
      expect(wayOf(response)).toMatchObject({ attempts: 2 })
    }).pipe(over(provider, { retry: { baseDelay: 0 } }))
  })

  it.effect("keep the reason, the delay and the fault domain", () => {
    const provider = scripted((call) => new ProviderRateLimited({ ...call.target, detail: "slow", retryAfterMs: 7000 }))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "x" }))
      expect(error).toBeInstanceOf(AiError.AiError)
      expect(error).toMatchObject({ module: "Millrace", method: "generateText", isRetryable: true })
      expect(error.reason).toMatchObject({
        _tag: "RateLimitError",
        metadata: { millrace: { kind: "ProviderRateLimited", fault: "provider", status: 429, retryAfterMs: 7000 } }
      })
      expect(String(error.retryAfter)).toContain("7")
    }).pipe(over(provider))
  })

  it.effect("name the field of a request that is wrong", () => {
    const provider = scripted(() => "never")
    return Effect.gen(function* () {
      const empty = yield* Effect.flip(LanguageModel.generateText({ prompt: [] }))
      expect(empty.reason).toMatchObject({ _tag: "InvalidRequestError", parameter: "messages" })
      const unknown = yield* withSettings(LanguageModel.generateText({ prompt: "x" }), { provider: "nobody" }).pipe(
        Effect.flip
      )
      expect(unknown.reason).toMatchObject({ _tag: "InvalidRequestError", parameter: "provider" })
    }).pipe(over(provider))
  })

  it.effect("of an unknown model name the model", () => {
    const provider = scripted((call) => new ModelNotFound({ model: call.target.model }))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "x" }))
      expect(error.reason).toMatchObject({ _tag: "InvalidRequestError", parameter: "model" })
    }).pipe(over(provider))
  })
})

describe("settings", () => {
  it.effect("come from the layer, then from withSettings, then from the last message", () => {
    const provider = scripted(() => "ok")
    const Live = Layer.provide(
      layer({ tenant: "layer", priority: "batch", temperature: 0.2, maxTokens: 10, cache: { namespace: "n" } }),
      Engine.layer(once, { providers: [provider] })
    )
    return Effect.gen(function* () {
      yield* LanguageModel.generateText({
        prompt: [
          { role: "user", content: "first", options: { millrace: { tenant: "an earlier turn" } } },
          { role: "assistant", content: "yes" },
          { role: "user", content: "second", options: { millrace: { timeout: 5000, cache: { ttl: 60_000 } } } }
        ]
      }).pipe(
        withSettings({ tenant: "inner", seed: 7 }),
        withSettings({ tenant: "outer", topP: 0.5, topK: 3, parallelToolCalls: false })
      )
      expect(requestOf(provider)).toMatchObject({
        tenant: "inner",
        priority: 7,
        topK: 3,
        parallelToolCalls: false,
        temperature: 0.2,
        maxTokens: 10,
        topP: 0.5,
        seed: 7,
        timeoutMs: 5000,
        cacheNamespace: "n",
        cacheTtlMs: 60_000
      })
    }).pipe(Effect.provide(Live))
  })

  it.effect("that are unknown are named", () => {
    const provider = scripted(() => "never")
    return Effect.gen(function* () {
      const error = yield* LanguageModel.generateText({
        prompt: [{ role: "user", content: "x", options: { millrace: { cach: { mode: "bypass" } } } }]
      }).pipe(Effect.flip)
      expect(error.reason).toMatchObject({
        _tag: "InvalidRequestError",
        parameter: "prompt.content[0].options.millrace.cach"
      })
      expect(provider.calls).toHaveLength(0)
    }).pipe(over(provider))
  })

  it.effect("a named model asks for that model and tells its name", () => {
    const provider = scripted(() => "ok")
    return Effect.gen(function* () {
      yield* LanguageModel.generateText({ prompt: "x" })
      expect(provider.calls[0]!.target).toEqual({ provider: "openai", model: "gpt-5.4" })
      expect([yield* Model.ProviderName, yield* Model.ModelName]).toEqual(["millrace", "openai/gpt-5.4"])
    }).pipe(Effect.provide(Layer.provide(model("openai/gpt-5.4"), Engine.layer(once, { providers: [provider] }))))
  })
})

describe("toolkits over the engine", () => {
  it.effect("run parallel calls and give their results", () => {
    const provider = scripted(() =>
      completion(
        [
          weatherCall("c1", "Rome"),
          weatherCall("c2", "Oslo"),
          { type: "tool-call", id: "c3", name: "clock", arguments: "" }
        ],
        "tool-calls"
      )
    )
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({ prompt: "Weather?", toolkit: tools })
      expect(response.finishReason).toBe("tool-calls")
      expect(response.toolResults.map(({ id, result }) => [id, result])).toEqual([
        ["c1", { celsius: 4 }],
        ["c2", { celsius: 4 }],
        ["c3", "noon"]
      ])
      expect(requestOf(provider).tools).toEqual([
        {
          name: "weather",
          description: "The weather of a city",
          parameters: expect.objectContaining({ type: "object", required: ["city"] })
        },
        { name: "clock", parameters: { type: "object", properties: {}, additionalProperties: false } }
      ])
      expect(requestOf(provider).toolChoice).toBe("auto")
    }).pipe(Effect.provide(handlers), over(provider))
  })

  it.effect("stream arguments as they come and run interleaved calls", () => {
    const parts: ReadonlyArray<Reply.Part> = [
      { type: "tool-call", index: 0, id: "c1", name: "weather", arguments: '{"ci' },
      { type: "tool-call", index: 1, id: "c2", name: "weather", arguments: "" },
      { type: "tool-call", index: 1, arguments: '{"city":"Oslo"}' },
      { type: "tool-call", index: 0, arguments: 'ty":"Rome"}' },
      { ...finish, finishReason: "tool-calls" }
    ]
    const provider = scripted(() => parts)
    return Effect.gen(function* () {
      const streamed = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "Weather?", toolkit: tools }))
      expect(streamed.filter((part) => part.type === "tool-params-delta").map(({ delta, id }) => [id, delta])).toEqual([
        ["c1", '{"ci'],
        ["c2", '{"city":"Oslo"}'],
        ["c1", 'ty":"Rome"}']
      ])
      const results = streamed.filter((part) => part.type === "tool-result").map(({ id, result }) => [id, result])
      expect(Object.fromEntries(results)).toEqual({ c1: { celsius: 4 }, c2: { celsius: 4 } })
      expect(streamed[streamed.length - 1]!.type).toBe("finish")
    }).pipe(Effect.provide(handlers), over(provider))
  })

  it.effect("tell the model about arguments that don't parse, and about failures of handlers", () => {
    const provider = scripted(() =>
      completion(
        [{ type: "tool-call", id: "c1", name: "weather", arguments: '{"city":' }, weatherCall("c2", "Atlantis")],
        "tool-calls"
      )
    )
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({ prompt: "Weather?", toolkit: tools })
      expect(response.toolResults.map(({ isFailure }) => isFailure)).toEqual([true, true])
      expect(response.toolResults[1]!.result).toBe("no such city")
    }).pipe(Effect.provide(handlers), over(provider))
  })

  it.effect("say which tool may be called", () => {
    const provider = scripted(() => "ok")
    const ask = (toolChoice: LanguageModel.ToolChoice<"weather" | "clock">) =>
      LanguageModel.generateText({ prompt: "x", toolkit: tools, toolChoice })
    return Effect.gen(function* () {
      yield* ask("required")
      yield* ask({ tool: "clock" })
      yield* ask({ oneOf: ["weather"], mode: "required" })
      expect(provider.calls.map(({ request }) => [request.toolChoice, request.tools?.map(({ name }) => name)])).toEqual(
        [
          ["required", ["weather", "clock"]],
          [{ name: "clock" }, ["weather", "clock"]],
          ["required", ["weather"]]
        ]
      )
    }).pipe(Effect.provide(handlers), over(provider))
  })

  it.effect("give strict tools a schema that providers can hold the model to", () => {
    const Strict = Weather.annotate(Tool.Strict, true)
    const strict = Toolkit.make(Strict)
    const provider = scripted(() =>
      completion(
        [{ type: "tool-call", id: "c1", name: "weather", arguments: '{"city":"Rome","days":null}' }],
        "tool-calls"
      )
    )
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateText({ prompt: "Weather?", toolkit: strict })
      expect(requestOf(provider).tools?.[0]).toMatchObject({
        strict: true,
        parameters: { additionalProperties: false, required: ["city", "days"] }
      })
      expect(response.toolResults[0]!.result).toEqual({ celsius: 4 })
    }).pipe(
      Effect.provide(strict.toLayer({ weather: ({ city }) => Effect.succeed({ celsius: city.length }) })),
      over(provider)
    )
  })
})

describe("structured output over the engine", () => {
  const Person = Schema.Struct({
    name: Schema.String,
    born: Schema.DateFromString,
    nickname: Schema.optionalKey(Schema.String)
  })

  it.effect("asks for the strict form of a schema and decodes the answer", () => {
    const provider = scripted(() => '{"name":"Ada","born":"1815-12-10","nickname":null}')
    return Effect.gen(function* () {
      const response = yield* LanguageModel.generateObject({ prompt: "Who?", schema: Person, objectName: "a person" })
      expect(response.value).toEqual({ name: "Ada", born: new Date("1815-12-10") })
      expect(requestOf(provider).responseFormat).toMatchObject({
        type: "json-schema",
        name: "a_person",
        strict: true,
        schema: { type: "object", additionalProperties: false, required: ["name", "born", "nickname"] }
      })
    }).pipe(over(provider))
  })

  it.effect("fails when the answer does not fit", () => {
    const provider = scripted(() => '{"name":1}')
    return Effect.gen(function* () {
      const error = yield* Effect.flip(LanguageModel.generateObject({ prompt: "Who?", schema: Person }))
      expect(error.reason._tag).toBe("StructuredOutputError")
    }).pipe(over(provider))
  })

  it.effect("works with the simulated provider", () =>
    Effect.gen(function* () {
      const { value } = yield* LanguageModel.generateObject({
        prompt: "Who?",
        schema: Schema.Struct({ name: Schema.String, age: Schema.Int, tags: Schema.Array(Schema.String) })
      })
      expect(value).toEqual({ name: expect.any(String), age: expect.any(Number), tags: expect.any(Array) })
    }).pipe(
      Effect.provide(
        Layer.provide(
          layer(),
          Engine.layer({ providers: [{ name: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }] })
        )
      )
    )
  )
})

describe("Chat over the engine", () => {
  it.effect("keeps its history: signed reasoning, tool calls and their results go back to the provider", () => {
    const provider = scripted((_, index) =>
      index === 0
        ? completion(
            [{ type: "reasoning", text: "look it up", signature: "sig" }, weatherCall("c1", "Rome")],
            "tool-calls"
          )
        : completion([{ type: "text", text: "It has 4 degrees" }])
    )
    return Effect.gen(function* () {
      const chat = yield* Chat.fromPrompt([{ role: "system", content: "Be brief" }])
      yield* chat.generateText({ prompt: "Weather in Rome?", toolkit: tools })
      const last = yield* chat.generateText({ prompt: [], toolkit: tools })
      expect(last.text).toBe("It has 4 degrees")
      expect(requestOf(provider, 1).messages).toEqual([
        { role: "system", content: "Be brief" },
        { role: "user", content: [{ type: "text", text: "Weather in Rome?" }] },
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "look it up", signature: "sig" },
            { type: "tool-call", id: "c1", name: "weather", arguments: '{"city":"Rome"}' }
          ]
        },
        {
          role: "tool",
          content: [{ type: "tool-result", id: "c1", name: "weather", content: '{"celsius":4}' }]
        }
      ])
      const restored = yield* Chat.fromJson(yield* chat.exportJson)
      yield* restored.streamText({ prompt: "And tomorrow?" }).pipe(Stream.runDrain)
      expect(requestOf(provider, 2).messages).toHaveLength(6)
    }).pipe(Effect.provide(handlers), over(provider))
  })
})

describe("an EmbeddingModel over the engine", () => {
  const embedder = () =>
    scriptedProvider(
      "openai",
      (call) => ({
        ...completionOf(call.target.model, "", { uncachedInput: 9, output: 0 }),
        embeddings: call.request.embed!.input.map((text) => [text.length, call.request.embed!.dimensions ?? 0])
      }),
      { embeddingModel: "embed-1" }
    )

  it.effect("embeds texts in batches, one for each caller's settings", () => {
    const provider = embedder()
    return Effect.gen(function* () {
      const model = yield* EmbeddingModel.EmbeddingModel
      const many = yield* model.embedMany(["one", "three"])
      expect(many.embeddings.map(({ vector }) => vector)).toEqual([
        [3, 0],
        [5, 0]
      ])
      expect(many.usage.inputTokens).toBe(9)
      const each = yield* Effect.all(
        [model.embed("a"), model.embed("bb"), withSettings(model.embed("ccc"), { tenant: "acme" })],
        { concurrency: "unbounded" }
      )
      expect(each.map(({ vector }) => vector[0])).toEqual([1, 2, 3])
      expect(provider.calls.map(({ request }) => [request.tenant, request.embed!.input])).toEqual([
        ["default", ["one", "three"]],
        ["default", ["a", "bb"]],
        ["acme", ["ccc"]]
      ])
    }).pipe(Effect.provide(Layer.provide(layerEmbedding(), Engine.layer(once, { providers: [provider] }))))
  })

  it.effect("of a named model tells the length of its vectors", () => {
    const provider = embedder()
    return Effect.gen(function* () {
      const { vector } = yield* Effect.flatMap(EmbeddingModel.EmbeddingModel, (model) => model.embed("one"))
      expect(vector).toEqual([3, 256])
      expect(yield* EmbeddingModel.Dimensions).toBe(256)
      expect(yield* Model.ModelName).toBe("openai/embed-2")
      expect(provider.calls[0]!.target.model).toBe("embed-2")
    }).pipe(
      Effect.provide(
        Layer.provide(
          embeddingModel("openai/embed-2", { dimensions: 256 }),
          Engine.layer(once, { providers: [provider] })
        )
      )
    )
  })

  it.effect("fails as the engine does", () =>
    Effect.gen(function* () {
      const model = yield* EmbeddingModel.EmbeddingModel
      const error = yield* Effect.flip(model.embed(""))
      expect(error.reason).toMatchObject({ _tag: "InvalidRequestError", parameter: "input[0]" })
    }).pipe(Effect.provide(Layer.provide(layerEmbedding(), Engine.layer(once, { providers: [embedder()] }))))
  )
})

const wayOf = (response: { readonly content: ReadonlyArray<{ readonly type: string; readonly metadata: unknown }> }) =>
  (response.content.find((part) => part.type === "finish")!.metadata as { readonly millrace: unknown }).millrace

const textOf = (parts: ReadonlyArray<Response.StreamPart<{}>>): string =>
  parts.map((part) => (part.type === "text-delta" ? part.delta : "")).join("")
