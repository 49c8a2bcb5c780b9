import { expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { AiError, LanguageModel, type Response, Tool } from "effect/ai"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { type AIRequest, Engine, type EngineConfigInput, type Provider, Reply } from "millrace"
import { layer, provider } from "millrace/effect-ai"
import { completionOf, scriptedProvider } from "millrace/testing"

const once: EngineConfigInput = { retry: { maxAttempts: 1 } }

const withEngine =
  (made: Provider, config: EngineConfigInput = once) =>
  <A, E>(effect: Effect.Effect<A, E, Engine>) =>
    Effect.provide(effect, Engine.layer(config, { providers: [made] }))

const finish: Response.FinishPartEncoded = {
  type: "finish",
  reason: "stop",
  usage: {
    inputTokens: { uncached: 70, total: 100, cacheRead: 20, cacheWrite: 10 },
    outputTokens: { total: 30, text: 25, reasoning: 5 }
  }
}

type Asked = LanguageModel.ProviderOptions

/** A model of another package that answers by a script and remembers what it was asked. */
const modelOf = (script: {
  readonly whole?: (options: Asked, index: number) => Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>
  readonly stream?: (options: Asked) => Stream.Stream<Response.StreamPartEncoded, AiError.AiError>
}) => {
  const asked: Array<Asked> = []
  const model = LanguageModel.make({
    generateText: (options) => Effect.suspend(() => script.whole!(options, asked.push(options) - 1)),
    streamText: (options) => Stream.suspend(() => (asked.push(options), script.stream!(options)))
  })
  return { asked, model }
}

const answering = (...parts: Array<Response.PartEncoded>) => modelOf({ whole: () => Effect.succeed(parts) })

const failing = (reason: AiError.AiErrorReason) =>
  modelOf({ whole: () => Effect.fail(AiError.make({ module: "Other", method: "generateText", reason })) })

describe("a LanguageModel as a provider", () => {
  it.effect("answers whole and streamed, with usage and its model's name", () =>
    Effect.gen(function* () {
      const model = yield* modelOf({
        whole: () =>
          Effect.succeed([
            { type: "response-metadata", id: "r1", modelId: "other-1" },
            { type: "reasoning", text: "hm" },
            { type: "text", text: "hello" },
            finish
          ]),
        stream: () =>
          Stream.make(
            { type: "response-metadata", id: "r1", modelId: "other-1" },
            { type: "reasoning-start", id: "0" },
            { type: "reasoning-delta", id: "0", delta: "hm" },
            { type: "reasoning-end", id: "0" },
            { type: "text-start", id: "1" },
            { type: "text-delta", id: "1", delta: "hel" },
            { type: "text-delta", id: "1", delta: "lo" },
            { type: "text-end", id: "1" },
            finish
          )
      }).model
      yield* Effect.gen(function* () {
        const whole = yield* Engine.generateText({ prompt: "hi", cache: { mode: "bypass" } })
        expect(whole).toMatchObject({
          content: "hello",
          reasoning: "hm",
          finishReason: "stop",
          provider: "other",
          model: "other-1",
          responseId: "r1",
          usage: { promptTokens: 100, completionTokens: 30, cachedTokens: 20, reasoningTokens: 5 }
        })
        const parts = yield* Stream.runCollect(Engine.streamText({ prompt: "hi", cache: { mode: "bypass" } }))
        const collector = new Reply.Collector()
        for (const part of parts) collector.add(part)
        expect(collector.completion().content).toEqual(whole.blocks)
      }).pipe(withEngine(provider("other", model, { model: "other-1" })))
    })
  )

  it.effect("is asked with the whole conversation, its files and its tools, and runs none itself", () =>
    Effect.gen(function* () {
      const { asked, model } = answering(
        { type: "tool-call", id: "c2", name: "weather", params: { city: "Oslo" } },
        { type: "tool-call", id: "c3", name: "clock", params: {} },
        { ...finish, reason: "tool-calls" }
      )
      const request: AIRequest = {
        system: "Be brief",
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "What is this?" },
              { type: "image", image: "https://example.com/a.png", detail: "low" },
              { type: "file", data: "data:application/pdf;base64,JVBERi0=", mediaType: "application/pdf" }
            ]
          },
          {
            role: "assistant",
            content: [{ type: "tool-call", id: "c1", name: "weather", arguments: '{"city":"Rome"}' }]
          },
          {
            role: "tool",
            content: [{ type: "tool-result", id: "c1", name: "weather", content: "warm", isError: true }]
          }
        ],
        tools: [
          { name: "weather", description: "Weather", parameters: { type: "object", properties: {} }, strict: true },
          { name: "clock" }
        ],
        toolChoice: "required"
      }
      yield* Effect.gen(function* () {
        const answer = yield* Engine.generateText(request)
        expect(answer.toolCalls).toEqual([
          { id: "c2", name: "weather", arguments: '{"city":"Oslo"}' },
          { id: "c3", name: "clock", arguments: "{}" }
        ])
        expect(answer.finishReason).toBe("tool-calls")
      }).pipe(withEngine(provider("other", yield* model)))
      const { prompt, toolChoice, tools } = asked[0]!
      expect(toolChoice).toBe("required")
      expect(tools.map((tool) => [tool.name, Tool.getJsonSchema(tool), Tool.getStrictMode(tool)])).toEqual([
        ["weather", { type: "object", properties: {} }, true],
        ["clock", { type: "object", properties: {} }, undefined]
      ])
      expect(prompt.content).toMatchObject([
        { role: "system", content: "Be brief" },
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "file", mediaType: "image/*", data: new URL("https://example.com/a.png") },
            { type: "file", mediaType: "application/pdf", data: "JVBERi0=" }
          ]
        },
        { role: "assistant", content: [{ type: "tool-call", id: "c1", name: "weather", params: { city: "Rome" } }] },
        { role: "tool", content: [{ type: "tool-result", id: "c1", name: "weather", result: "warm", isFailure: true }] }
      ])
    })
  )

  it.effect("gets back on the next turn what its answer carried in metadata", () =>
    Effect.gen(function* () {
      const { asked, model } = answering(
        { type: "reasoning", text: "hm", metadata: { other: { item: "rs_1", encrypted: "xyz" } } },
        { type: "reasoning", text: "signed", metadata: { other: { signature: "sig" } } },
        { type: "tool-call", id: "c1", name: "weather", params: {}, metadata: { other: { thought: "t" } } },
        finish
      )
      yield* Effect.gen(function* () {
        const first = yield* Engine.generateText({ prompt: "Weather?" })
        expect(first.reasoning).toBe("hmsigned")
        expect(first.blocks).toContainEqual({ type: "reasoning", text: "signed", signature: "sig" })
        yield* Engine.generateText({
          messages: [
            { role: "user", content: "Weather?" },
            { role: "assistant", content: first.blocks.filter((block) => block.type !== "refusal") },
            { role: "tool", content: [{ type: "tool-result", id: "c1", content: "warm" }] }
          ]
        })
      }).pipe(withEngine(provider("other", yield* model)))
      expect(asked[1]!.prompt.content[1]).toMatchObject({
        role: "assistant",
        content: [
          { type: "reasoning", text: "hm", options: { other: { item: "rs_1", encrypted: "xyz" } } },
          { type: "reasoning", text: "signed", options: { other: { signature: "sig" } } },
          { type: "tool-call", id: "c1", options: { other: { thought: "t" } } }
        ]
      })
    })
  )

  it.effect("streams arguments of tools as they come", () =>
    Effect.gen(function* () {
      const { model } = modelOf({
        stream: () =>
          Stream.make(
            { type: "tool-params-start", id: "c1", name: "weather" },
            { type: "tool-params-delta", id: "c1", delta: '{"city":' },
            { type: "tool-params-delta", id: "c1", delta: '"Rome"}' },
            { type: "tool-params-end", id: "c1" },
            { type: "tool-call", id: "c1", name: "weather", params: { city: "Rome" } },
            { type: "tool-call", id: "c2", name: "clock", params: {} },
            finish
          )
      })
      yield* Effect.gen(function* () {
        const parts = yield* Stream.runCollect(Engine.streamText({ prompt: "Weather?", tools: [{ name: "weather" }] }))
        expect(parts.filter((part) => part.type === "tool-call")).toEqual([
          { type: "tool-call", index: 0, id: "c1", name: "weather", arguments: "" },
          { type: "tool-call", index: 0, arguments: '{"city":' },
          { type: "tool-call", index: 0, arguments: '"Rome"}' },
          { type: "tool-call", index: 1, id: "c2", name: "clock", arguments: "" },
          { type: "tool-call", index: 1, arguments: "{}" }
        ])
      }).pipe(withEngine(provider("other", yield* model)))
    })
  )

  it.effect("holds structured output to the JSON schema that was asked for, streamed or not", () =>
    Effect.gen(function* () {
      const { asked, model } = modelOf({
        whole: (_, index) =>
          Effect.succeed([{ type: "text", text: index === 0 ? '{"age":36}' : '{"age":"x"}' }, finish])
      })
      const responseFormat = {
        type: "json-schema",
        name: "person",
        schema: { type: "object", properties: { age: { type: "integer" } }, required: ["age"] }
      } as const
      yield* Effect.gen(function* () {
        const parts = yield* Stream.runCollect(Engine.streamText({ prompt: "Age?", responseFormat }))
        expect(parts).toContainEqual({ type: "text", text: '{"age":36}' })
        const wrong = yield* Effect.flip(Engine.generateText({ prompt: "Other age?", responseFormat }))
        expect(wrong).toMatchObject({ _tag: "ProviderInvalidResponse", provider: "other" })
      }).pipe(withEngine(provider("other", yield* model)))
      expect(asked[0]!.responseFormat).toMatchObject({ type: "json", objectName: "person" })
    })
  )

  it.effect("refuses settings that Effect can't carry, unless they are handed to it", () =>
    Effect.gen(function* () {
      const Settings = Context.Reference<{ readonly temperature?: number | undefined }>("test/Settings", {
        defaultValue: () => ({})
      })
      const seen: Array<number | undefined> = []
      const model = yield* modelOf({
        whole: () =>
          Effect.map(Settings, ({ temperature }) => {
            seen.push(temperature)
            return [{ type: "text", text: "ok" }, finish]
          }),
        stream: () =>
          Stream.unwrap(
            Effect.map(Settings, ({ temperature }) => {
              seen.push(temperature)
              return Stream.make<Array<Response.StreamPartEncoded>>(finish)
            })
          )
      }).model
      const refused = yield* Effect.flip(Engine.generateText({ prompt: "x", temperature: 0.5, maxTokens: 9 })).pipe(
        withEngine(provider("other", model))
      )
      expect(refused).toMatchObject({ _tag: "UnsupportedAbility", provider: "other" })
      expect(refused.message).toContain("temperature, maxTokens")
      const configured = provider("other", model, {
        context: ({ temperature }) => Context.make(Settings, { temperature })
      })
      yield* Effect.gen(function* () {
        yield* Engine.generateText({ prompt: "x", temperature: 0.5 })
        yield* Stream.runDrain(Engine.streamText({ prompt: "y", temperature: 0.7 }))
      }).pipe(withEngine(configured))
      expect(seen).toEqual([0.5, 0.7])
    })
  )

  it.effect("serves its own model only", () =>
    Effect.gen(function* () {
      const model = yield* answering({ type: "text", text: "ok" }, finish).model
      const error = yield* Effect.flip(Engine.generateText({ prompt: "x", model: "other/bigger" })).pipe(
        withEngine(provider("other", model, { model: "small" }))
      )
      expect(error._tag).toBe("ModelNotFound")
    })
  )

  it.effect("is retried by the engine when its failure can pass", () =>
    Effect.gen(function* () {
      const { asked, model } = modelOf({
        whole: (_, index) =>
          index === 0
            ? Effect.fail(
                AiError.make({
                  module: "Other",
                  method: "generateText",
                  reason: new AiError.InternalProviderError({ description: "boom" })
                })
              )
            : Effect.succeed([{ type: "text", text: "ok" }, finish])
      })
      const answer = yield* Engine.generateText({ prompt: "x" }).pipe(
        withEngine(provider("other", yield* model), { retry: { baseDelay: 0 } })
      )
      expect(answer).toMatchObject({ content: "ok", attempts: 2 })
      expect(asked).toHaveLength(2)
    })
  )

  const http = (status: number, body: string) => ({
    response: { status, headers: { "retry-after": "3" } },
    body
  })

  it.effect.each([
    ["RateLimitError", new AiError.RateLimitError({}), "ProviderRateLimited"],
    ["QuotaExhaustedError", new AiError.QuotaExhaustedError({}), "ProviderQuotaExceeded"],
    ["AuthenticationError", new AiError.AuthenticationError({ kind: "InvalidKey" }), "ProviderAuthFailed"],
    ["ContentPolicyError", new AiError.ContentPolicyError({ description: "no" }), "ContentFiltered"],
    ["InvalidRequestError", new AiError.InvalidRequestError({ description: "no" }), "RequestRejected"],
    ["InvalidResponseError", new AiError.InvalidResponseError({ description: "no" }), "ProviderInvalidResponse"],
    ["UnknownError", new AiError.UnknownError({ description: "no" }), "ProviderServerError"],
    [
      "NetworkError",
      new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "https://other.example" }),
      "ProviderUnreachable"
    ],
    [
      "an HTTP 529",
      new AiError.InternalProviderError({ description: "x", http: http(529, "{}") }),
      "ProviderOverloaded"
    ],
    [
      "a prompt that is too long",
      new AiError.InvalidRequestError({
        http: http(400, '{"error":{"message":"too long","code":"context_length_exceeded"}}')
      }),
      "RequestRejected"
    ]
  ] as const)("tells %s apart", ([, reason, tag]) =>
    Effect.gen(function* () {
      const model = yield* failing(reason).model
      const error = yield* Effect.flip(Engine.generateText({ prompt: "x" })).pipe(withEngine(provider("other", model)))
      expect(error._tag).toBe(tag)
      if (error._tag === "ProviderOverloaded") expect(error.retryAfterMs).toBe(3000)
      if (error._tag === "RequestRejected" && error.code !== undefined) expect(error.kind).toBe("context_length")
    })
  )

  it.effect("fails the attempt when its stream fails before it says anything, and the stream afterwards", () =>
    Effect.gen(function* () {
      const error = AiError.make({
        module: "Other",
        method: "streamText",
        reason: new AiError.InternalProviderError({ description: "boom" })
      })
      let asked = 0
      const { model } = modelOf({
        stream: () =>
          Stream.concat(
            asked++ === 0
              ? Stream.make<Array<Response.StreamPartEncoded>>({ type: "response-metadata", id: "r1" })
              : Stream.make<Array<Response.StreamPartEncoded>>({ type: "text-delta", id: "0", delta: "half" }),
            Stream.fail(error)
          )
      })
      const seen: Array<string> = []
      const failure = yield* Engine.streamText({ prompt: "x" }).pipe(
        Stream.runForEach((part) => Effect.sync(() => void seen.push(part.type))),
        Effect.flip,
        withEngine(provider("other", yield* model), { retry: { baseDelay: 0 } })
      )
      expect(asked).toBe(2)
      expect(seen).toEqual(["start", "text"])
      expect(failure._tag).toBe("ProviderServerError")
    })
  )

  it.effect("is interrupted with its caller, and by silence in a stream", () =>
    Effect.gen(function* () {
      const asked = Deferred.makeUnsafe<void>()
      const left = Deferred.makeUnsafe<void>()
      const { model } = modelOf({
        whole: () =>
          Effect.onInterrupt(Effect.andThen(Deferred.succeed(asked, undefined), Effect.never), () =>
            Deferred.succeed(left, undefined)
          ),
        stream: () =>
          Stream.concat(
            Stream.make<Array<Response.StreamPartEncoded>>({ type: "text-delta", id: "0", delta: "one" }),
            Stream.never
          )
      })
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Engine.generateText({ prompt: "x" }))
        yield* Deferred.await(asked)
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(left)
        const streaming = yield* Effect.forkChild(Effect.flip(Stream.runDrain(Engine.streamText({ prompt: "y" }))))
        yield* TestClock.adjust(5000)
        expect((yield* Fiber.join(streaming))._tag).toBe("StreamStalled")
      }).pipe(withEngine(provider("other", yield* model, { idleTimeoutMs: 5000 })))
    })
  )

  it.effect("made from a layer is built at the first call and closed with the engine", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const Live = Layer.effect(
        LanguageModel.LanguageModel,
        Effect.acquireRelease(
          Effect.tap(answering({ type: "text", text: "ok" }, finish).model, () => Effect.sync(() => log.push("built"))),
          () => Effect.sync(() => log.push("closed"))
        )
      )
      yield* Effect.gen(function* () {
        expect(log).toEqual([])
        yield* Engine.generateText({ prompt: "x" })
        yield* Engine.generateText({ prompt: "y" })
        expect(log).toEqual(["built"])
      }).pipe(withEngine(provider("other", Live)))
      expect(log).toEqual(["built", "closed"])
    })
  )

  it.effect("made from a layer that can't be built fails without its secrets", () =>
    Effect.gen(function* () {
      const Broken = Layer.effect(LanguageModel.LanguageModel, Effect.fail("canary-secret"))
      const error = yield* Effect.flip(Engine.generateText({ prompt: "x" })).pipe(withEngine(provider("other", Broken)))
      expect(error._tag).toBe("InternalError")
      expect(error.message).not.toContain("canary-secret")
    })
  )
})

describe("an engine behind an engine", () => {
  it.effect("loses nothing of an answer on the way through both adapters", () =>
    Effect.gen(function* () {
      const completion: Reply.Completion = {
        ...completionOf("gpt-5.4-mini", ""),
        id: "r1",
        content: [
          { type: "reasoning", text: "hm", signature: "sig" },
          { type: "reasoning", text: "", redacted: "xyz" },
          { type: "text", text: "one" },
          { type: "refusal", text: "but not two" },
          { type: "tool-call", id: "c1", name: "weather", arguments: '{"city":"Rome"}' }
        ],
        finishReason: "tool-calls",
        rawFinishReason: "tool-calls",
        usage: { uncachedInput: 7, cacheReadInput: 2, cacheWriteInput: 1, output: 9, reasoning: 4, estimated: false }
      }
      const scripted = scriptedProvider("openai", () => completion, { model: "gpt-5.4-mini" })
      const inner = Layer.provide(layer(), Engine.layer(once, { providers: [scripted] }))
      yield* Effect.gen(function* () {
        const whole = yield* Engine.generateText({ prompt: "x", cache: { mode: "bypass" } })
        expect(whole.blocks).toEqual(completion.content)
        expect(whole.usage).toMatchObject({ promptTokens: 10, cachedTokens: 2, reasoningTokens: 4 })
        const parts = yield* Stream.runCollect(Engine.streamText({ prompt: "x", cache: { mode: "bypass" } }))
        const collector = new Reply.Collector()
        for (const part of parts) collector.add(part)
        expect(collector.completion()).toEqual({ ...completion, embeddings: undefined, wire: undefined })
        yield* Engine.generateText({
          messages: [
            { role: "user", content: "x" },
            { role: "assistant", content: whole.blocks.filter((block) => block.type !== "refusal") },
            { role: "tool", content: [{ type: "tool-result", id: "c1", name: "weather", content: "warm" }] }
          ]
        })
      }).pipe(withEngine(provider("inner", inner)))
      expect(scripted.calls.at(-1)!.request.messages[1]).toEqual({
        role: "assistant",
        content: completion.content.filter((block) => block.type !== "refusal")
      })
    })
  )

  it.effect("keeps a JSON schema as it was asked for", () =>
    Effect.gen(function* () {
      const scripted = scriptedProvider("openai", () => '{"age":36}', { model: "gpt-5.4-mini" })
      const inner = Layer.provide(layer(), Engine.layer(once, { providers: [scripted] }))
      const { content } = yield* Engine.generateText({
        prompt: "Age?",
        responseFormat: {
          type: "json-schema",
          name: "person",
          schema: Schema.toJsonSchemaDocument(Schema.Struct({ age: Schema.Int })).schema as {
            [key: string]: Schema.Json
          }
        }
      }).pipe(withEngine(provider("inner", inner)))
      expect(content).toBe('{"age":36}')
      expect(scripted.calls[0]!.request.responseFormat).toMatchObject({
        type: "json-schema",
        name: "person",
        schema: { type: "object", properties: { age: { type: "integer" } }, required: ["age"] }
      })
    })
  )
})
