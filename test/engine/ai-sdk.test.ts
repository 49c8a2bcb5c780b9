import {
  APICallError,
  embedMany,
  generateObject,
  generateText,
  isStepCount,
  jsonSchema,
  NoSuchModelError,
  Output,
  streamText,
  tool
} from "ai"
import { Deferred, Effect, Ref, Stream } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import {
  AIEngine,
  AIEngineError,
  type EngineConfigInput,
  ProviderRateLimited,
  ProviderServerError,
  type Reply
} from "millrace"
import { createMillrace } from "millrace/ai-sdk"
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

const finish = { type: "finish", finishReason: "stop", rawFinishReason: "end_turn", usage } as const

const completion = (
  content: Reply.Completion["content"],
  finishReason: Reply.Completion["finishReason"] = "stop"
): Reply.Completion => ({
  ...completionOf("gpt-5.4-mini-2026", "", usage),
  id: "resp_1",
  content,
  finishReason,
  rawFinishReason: "end_turn"
})

const engines: Array<AIEngine> = []

const engineOf = (provider: ScriptedProvider, config: EngineConfigInput = { retry: { maxAttempts: 1 } }) => {
  const engine = new AIEngine({ ...config, logging: { level: "none" } }, { providers: [provider] })
  engines.push(engine)
  return createMillrace(engine)
}

const scripted = (script: (call: AttemptCall, index: number) => Answer): ScriptedProvider =>
  scriptedProvider("openai", script, { model: "gpt-5.4-mini" })

const requestOf = (provider: ScriptedProvider, index = 0) => provider.calls[index]!.request

const warnings: Array<unknown> = []

beforeEach(() => {
  globalThis.AI_SDK_LOG_WARNINGS = ({ warnings: logged }: { readonly warnings: ReadonlyArray<unknown> }) =>
    void warnings.push(...logged)
})

afterEach(async () => {
  warnings.length = 0
  await Promise.all(engines.splice(0).map((engine) => engine.dispose()))
})

const weather = tool({
  description: "The weather of a city",
  inputSchema: jsonSchema<{ city: string }>({
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"]
  }),
  execute: ({ city }) => ({ celsius: city.length })
})

const weatherCall = (id: string, city: string): Reply.Block => ({
  type: "tool-call",
  id,
  name: "weather",
  arguments: JSON.stringify({ city })
})

describe("generateText over the engine", () => {
  it("names what the provider's answer had beside it, whole, streamed and from the cache", async () => {
    const omitted = ["answer.image"]
    const millrace = engineOf(scripted(() => ({ ...completion([{ type: "text", text: "hello" }]), omitted })))
    for (const cached of [false, true]) {
      const result = await generateText({ model: millrace(), prompt: "Draw" })
      expect(result.warnings).toMatchObject([{ type: "unsupported", feature: "answer.image" }])
      expect(result.providerMetadata?.["millrace"]).toMatchObject({ cached, omitted })
    }
    const streamed = streamText({ model: millrace(), prompt: "Draw" })
    expect(await streamed.text).toBe("hello")
    expect((await streamed.providerMetadata)?.["millrace"]).toMatchObject({ cached: true, omitted })
  })

  it("answers with text, usage, the finish reason and how the call was answered", async () => {
    const millrace = engineOf(scripted(() => completion([{ type: "text", text: "hello" }])))
    const result = await generateText({ model: millrace(), prompt: "Say hello" })
    expect(result.text).toBe("hello")
    expect(result.finishReason).toBe("stop")
    expect(result.rawFinishReason).toBe("end_turn")
    expect(result.usage).toMatchObject({
      inputTokens: 100,
      inputTokenDetails: { noCacheTokens: 70, cacheReadTokens: 20, cacheWriteTokens: 10 },
      outputTokens: 30,
      outputTokenDetails: { textTokens: 25, reasoningTokens: 5 }
    })
    expect(result.response).toMatchObject({ id: "resp_1", modelId: "gpt-5.4-mini" })
    expect(result.providerMetadata?.["millrace"]).toMatchObject({
      provider: "openai",
      model: "gpt-5.4-mini",
      cached: false,
      attempts: 1
    })
  })

  it("gives sources for citations, from the provider and from the cache alike", async () => {
    const citations = [
      { url: "https://a.example/", title: "A", quote: "so", start: 0, end: 5 },
      { source: "file-1", title: "a.pdf" }
    ]
    const millrace = engineOf(scripted(() => completion([{ type: "text", text: "hello", citations }])))
    for (const cached of [false, true]) {
      const result = await generateText({ model: millrace(), prompt: "Cite" })
      expect(result.providerMetadata?.["millrace"]).toMatchObject({ cached })
      expect(result.sources).toEqual([
        {
          type: "source",
          sourceType: "url",
          id: "source_0",
          url: "https://a.example/",
          title: "A",
          providerMetadata: { millrace: { quote: "so", start: 0, end: 5 } }
        },
        {
          type: "source",
          sourceType: "document",
          id: "source_1",
          mediaType: "application/octet-stream",
          title: "a.pdf",
          providerMetadata: { millrace: { source: "file-1" } }
        }
      ])
    }
  })

  it("passes sampling and the wish for one call at a time on", async () => {
    const provider = scripted(() => "ok")
    await generateText({
      model: engineOf(provider)(),
      prompt: "hi",
      topK: 5,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      providerOptions: { millrace: { parallelToolCalls: false, logprobs: 2 } }
    })
    expect(provider.calls[0]!.request).toMatchObject({
      topK: 5,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      parallelToolCalls: false,
      logprobs: 2
    })
  })

  it("answers the second of two equal calls from the cache", async () => {
    const provider = scripted(() => "hello")
    const millrace = engineOf(provider)
    await generateText({ model: millrace(), prompt: "Say hello" })
    const second = await generateText({ model: millrace(), prompt: "Say hello" })
    expect(second.providerMetadata?.["millrace"]).toMatchObject({ cached: true, cacheKind: "exact", attempts: 0 })
    const streamed = streamText({ model: millrace(), prompt: "Say hello" })
    expect(await streamed.text).toBe("hello")
    expect(provider.calls).toHaveLength(1)
  })

  it("carries settings, and asks for the model by its id", async () => {
    const provider = scripted(() => "ok")
    const millrace = engineOf(provider)
    await generateText({
      model: millrace("openai/gpt-5.4"),
      instructions: "Be brief",
      prompt: "hi",
      temperature: 0.2,
      topP: 0.9,
      maxOutputTokens: 50,
      stopSequences: ["END"],
      seed: 7,
      reasoning: "high",
      providerOptions: {
        millrace: {
          cache: { mode: "refresh", ttl: 60_000 },
          tenant: "acme",
          priority: "batch",
          timeout: 5000,
          metadata: { feature: "search" },
          providerOptions: { presence_penalty: 0.5 }
        },
        openai: { store: false }
      }
    })
    expect(provider.calls[0]!.target).toEqual({ provider: "openai", model: "gpt-5.4" })
    expect(requestOf(provider)).toMatchObject({
      messages: [
        { role: "system", content: "Be brief" },
        { role: "user", content: [{ type: "text", text: "hi" }] }
      ],
      temperature: 0.2,
      topP: 0.9,
      maxTokens: 50,
      stop: ["END"],
      seed: 7,
      reasoning: { effort: "high" },
      cacheMode: "refresh",
      cacheTtlMs: 60_000,
      tenant: "acme",
      priority: 7,
      timeoutMs: 5000,
      metadata: { feature: "search" },
      providerOptions: { presence_penalty: 0.5 }
    })
    expect(warnings).toEqual([])
  })

  it("warns about every setting that can't be carried", async () => {
    const provider = scripted((call) => {
      call.attempt.omitted = ["messages[0].name"]
      return "ok"
    })
    const result = await generateText({
      model: engineOf(provider)(),
      prompt: "hi",
      headers: { "x-trace": "1" },
      reasoning: "max"
    })
    expect(result.warnings?.map((warning) => ("feature" in warning ? warning.feature : warning))).toEqual([
      "headers",
      "reasoning",
      "messages[0].name"
    ])
  })

  it("refuses options that it does not know, by name", async () => {
    const provider = scripted(() => "never")
    await expect(
      generateText({
        model: engineOf(provider)(),
        prompt: "hi",
        providerOptions: { millrace: { cach: { mode: "bypass" } } }
      })
    ).rejects.toMatchObject({
      name: "AIEngineError",
      kind: "InvalidRequest",
      message: expect.stringMatching(/providerOptions\.millrace\.cach/)
    })
    expect(provider.calls).toHaveLength(0)
  })

  it("carries images, files and the results of tools", async () => {
    const provider = scripted(() => "seen")
    const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0])
    await generateText({
      model: engineOf(provider)(),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image", image: new URL("https://example.com/a.png"), mediaType: "image/png" },
            { type: "image", image: png, providerOptions: { millrace: { detail: "low" } } },
            { type: "file", data: "JVBERi0=", mediaType: "application/pdf", filename: "a.pdf" }
          ]
        },
        {
          role: "assistant",
          content: [
            { type: "text", text: "Let me look" },
            { type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Rome" } },
            { type: "tool-call", toolCallId: "c2", toolName: "photo", input: {} },
            { type: "tool-call", toolCallId: "c3", toolName: "delete", input: {} }
          ]
        },
        {
          role: "tool",
          content: [
            {
              type: "tool-result",
              toolCallId: "c1",
              toolName: "weather",
              output: { type: "json", value: { celsius: 4 } }
            },
            {
              type: "tool-result",
              toolCallId: "c2",
              toolName: "photo",
              output: {
                type: "content",
                value: [
                  { type: "text", text: "blurred" },
                  { type: "file", data: { type: "data", data: "iVBORw0KGgo=" }, mediaType: "image/png" }
                ]
              }
            },
            { type: "tool-result", toolCallId: "c3", toolName: "delete", output: { type: "execution-denied" } }
          ]
        }
      ]
    })
    expect(requestOf(provider).messages).toEqual([
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
          { type: "text", text: "Let me look" },
          { type: "tool-call", id: "c1", name: "weather", arguments: '{"city":"Rome"}' },
          { type: "tool-call", id: "c2", name: "photo", arguments: "{}" },
          { type: "tool-call", id: "c3", name: "delete", arguments: "{}" }
        ]
      },
      {
        role: "tool",
        content: [
          { type: "tool-result", id: "c1", name: "weather", content: '{"celsius":4}' },
          {
            type: "tool-result",
            id: "c2",
            name: "photo",
            content: [
              { type: "text", text: "blurred" },
              { type: "image", image: "iVBORw0KGgo=", mediaType: "image/png" }
            ]
          },
          { type: "tool-result", id: "c3", name: "delete", content: expect.stringMatching(/allow/), isError: true }
        ]
      }
    ])
  })

  it("runs a tool loop, and gives signed reasoning back on the next step", async () => {
    const provider = scripted((_, index) =>
      index === 0
        ? completion(
            [
              { type: "reasoning", text: "look it up", signature: "sig" },
              { type: "reasoning", text: "", redacted: "xyz" },
              weatherCall("c1", "Rome"),
              weatherCall("c2", "Oslo")
            ],
            "tool-calls"
          )
        : completion([{ type: "text", text: "Both have 4 degrees" }])
    )
    const result = await generateText({
      model: engineOf(provider)(),
      prompt: "Weather in Rome and Oslo?",
      tools: { weather },
      toolChoice: "auto",
      stopWhen: isStepCount(3)
    })
    expect(result.text).toBe("Both have 4 degrees")
    expect(result.steps).toHaveLength(2)
    expect(requestOf(provider)).toMatchObject({
      tools: [{ name: "weather", description: "The weather of a city", parameters: { required: ["city"] } }],
      toolChoice: "auto"
    })
    expect(requestOf(provider, 1).messages.slice(1)).toEqual([
      {
        role: "assistant",
        content: [
          { type: "reasoning", text: "look it up", signature: "sig" },
          { type: "reasoning", text: "", redacted: "xyz" },
          { type: "tool-call", id: "c1", name: "weather", arguments: '{"city":"Rome"}' },
          { type: "tool-call", id: "c2", name: "weather", arguments: '{"city":"Oslo"}' }
        ]
      },
      {
        role: "tool",
        content: [
          { type: "tool-result", id: "c1", name: "weather", content: '{"celsius":4}' },
          { type: "tool-result", id: "c2", name: "weather", content: '{"celsius":4}' }
        ]
      }
    ])
  })

  it("says which tool must be called, and warns about tools that only one provider runs", async () => {
    const provider = scripted(() => completion([weatherCall("c1", "Rome")], "tool-calls"))
    const search = tool({
      type: "provider",
      isProviderExecuted: true,
      id: "openai.web_search",
      args: {},
      inputSchema: jsonSchema({})
    })
    const result = await generateText({
      model: engineOf(provider)(),
      prompt: "Weather?",
      tools: { weather, search: search as never },
      toolChoice: { type: "tool", toolName: "weather" }
    })
    expect(requestOf(provider).toolChoice).toEqual({ name: "weather" })
    expect(requestOf(provider).tools?.map(({ name }) => name)).toEqual(["weather"])
    expect(result.warnings).toContainEqual(expect.objectContaining({ feature: "tool openai.web_search" }))
  })

  it("marks a refusal as one", async () => {
    const millrace = engineOf(scripted(() => completion([{ type: "refusal", text: "I can't" }])))
    const result = await generateText({ model: millrace(), prompt: "x" })
    expect(result.text).toBe("I can't")
    expect(result.content).toEqual([
      { type: "text", text: "I can't", providerMetadata: { millrace: { refusal: true } } }
    ])
  })
})

describe("streamText over the engine", () => {
  it("streams text and reasoning block by block, with usage and metadata at the end", async () => {
    const provider = scripted(() => [
      { type: "start", id: "resp_1", model: "gpt-5.4-mini-2026" },
      { type: "reasoning", text: "let me " },
      { type: "reasoning", text: "think", signature: "sig" },
      { type: "text", text: "It is " },
      { type: "text", text: "warm" },
      finish
    ])
    const result = streamText({ model: engineOf(provider)(), prompt: "Weather?" })
    const chunks: Array<string> = []
    for await (const chunk of result.textStream) chunks.push(chunk)
    expect(chunks).toEqual(["It is ", "warm"])
    expect(await result.reasoning).toEqual([
      { type: "reasoning", text: "let me think", providerMetadata: { millrace: { signature: "sig" } } }
    ])
    expect(await result.usage).toMatchObject({ inputTokens: 100, outputTokens: 30 })
    expect(await result.finishReason).toBe("stop")
    expect(await result.response).toMatchObject({ id: "resp_1", modelId: "gpt-5.4-mini-2026" })
    expect((await result.providerMetadata)?.["millrace"]).toMatchObject({ provider: "openai", attempts: 1 })
    expect(requestOf(provider).stream).toBe(true)
  })

  it("streams arguments of interleaved tool calls and runs the tools", async () => {
    const provider = scripted((_, index) =>
      index === 0
        ? [
            { type: "tool-call", index: 0, id: "c1", name: "weather", arguments: '{"ci' },
            { type: "tool-call", index: 1, id: "c2", name: "weather", arguments: '{"city":"Oslo"}' },
            { type: "tool-call", index: 0, arguments: 'ty":"Rome"}' },
            { ...finish, finishReason: "tool-calls" }
          ]
        : [{ type: "text", text: "warm" }, finish]
    )
    const result = streamText({
      model: engineOf(provider)(),
      prompt: "Weather?",
      tools: { weather },
      stopWhen: isStepCount(2)
    })
    const deltas: Array<string> = []
    for await (const part of result.fullStream) {
      if (part.type === "tool-input-delta") deltas.push(`${part.id} ${part.delta}`)
    }
    expect(deltas).toEqual(['c1 {"ci', 'c2 {"city":"Oslo"}', 'c1 ty":"Rome"}'])
    expect(await result.text).toBe("warm")
    const [first] = await result.steps
    expect(first!.toolResults.map(({ output, toolCallId }) => [toolCallId, output])).toEqual([
      ["c1", { celsius: 4 }],
      ["c2", { celsius: 4 }]
    ])
  })

  it("fails before its first part as a call that is not streamed does", async () => {
    const provider = scripted(
      (call) => new ProviderServerError({ ...call.target, detail: "boom", upstreamStatus: 500 })
    )
    const errors: Array<unknown> = []
    const result = streamText({
      model: engineOf(provider)(),
      prompt: "x",
      onError: ({ error }) => void errors.push(error)
    })
    await result.consumeStream()
    expect(errors).toEqual([expect.objectContaining({ kind: "ProviderServerError", fault: "provider", status: 502 })])
    expect(provider.calls).toHaveLength(1)
  })

  it("never looks complete when it breaks off", async () => {
    const provider = scripted(() => [{ type: "text", text: "half" }])
    const errors: Array<unknown> = []
    const result = streamText({
      model: engineOf(provider)(),
      prompt: "x",
      onError: ({ error }) => void errors.push(error)
    })
    const read: Array<string> = []
    const reading = async () => {
      for await (const text of result.textStream) read.push(text)
    }
    await expect(reading()).rejects.toMatchObject({ kind: "StreamTruncated" })
    expect(read).toEqual(["half"])
    expect(errors[0]).toBeInstanceOf(AIEngineError)
    expect(errors[0]).toMatchObject({ kind: "StreamTruncated" })
    await expect(result.text).rejects.toMatchObject({ kind: "StreamTruncated" })
  })
})

describe("structured output over the engine", () => {
  const schema = jsonSchema<{ name: string; age: number }>({
    type: "object",
    properties: { name: { type: "string" }, age: { type: "integer" } },
    required: ["name", "age"],
    additionalProperties: false
  })

  it("asks for the schema and gives the object, by generateObject and by Output", async () => {
    const provider = scripted(() => '{"name":"Ada","age":36}')
    const millrace = engineOf(provider)
    const { object } = await generateObject({ model: millrace(), prompt: "Who?", schema, schemaName: "person" })
    expect(object).toEqual({ name: "Ada", age: 36 })
    const { output } = await generateText({
      model: millrace(),
      prompt: "And who?",
      output: Output.object({ schema }),
      providerOptions: { millrace: { strict: true } }
    })
    expect(output).toEqual({ name: "Ada", age: 36 })
    expect(requestOf(provider).responseFormat).toMatchObject({
      type: "json-schema",
      name: "person",
      schema: { required: ["name", "age"] }
    })
    expect(requestOf(provider, 1).responseFormat).toMatchObject({ type: "json-schema", strict: true })
  })

  it("asks for JSON without a schema", async () => {
    const provider = scripted(() => '{"a":1}')
    const { object } = await generateObject({ model: engineOf(provider)(), prompt: "Any", output: "no-schema" })
    expect(object).toEqual({ a: 1 })
    expect(requestOf(provider).responseFormat).toEqual({ type: "json" })
  })

  it("works with the simulated provider", async () => {
    const engine = new AIEngine({ providers: [{ name: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }] })
    engines.push(engine)
    const millrace = createMillrace(engine)
    const { object } = await generateObject({ model: millrace("simulated"), prompt: "Who?", schema })
    expect(object).toEqual({ name: expect.any(String), age: expect.any(Number) })
    const streamed = streamText({ model: millrace("simulated/simulated"), prompt: "Say something" })
    expect(await streamed.text).toMatch(/^\[simulated\]/)
    const called = await generateText({
      model: millrace(),
      prompt: "Ask the weather tool",
      tools: { weather },
      stopWhen: isStepCount(2)
    })
    expect(called.steps[0]!.toolResults).toHaveLength(1)
    expect(called.text).toMatch(/^\[simulated\]/)
  })
})

describe("errors and cancellation of calls of the AI SDK", () => {
  it("are retried by the engine and not again by the SDK", async () => {
    const provider = scripted(
      (call) => new ProviderRateLimited({ ...call.target, detail: "slow down", upstreamStatus: 429, retryAfterMs: 0 })
    )
    const millrace = engineOf(provider, { retry: { maxAttempts: 2, baseDelay: 0 } })
    const failure = await generateText({ model: millrace(), prompt: "x", maxRetries: 2 }).catch(
      (error: unknown) => error
    )
    expect(failure).toBeInstanceOf(AIEngineError)
    expect(failure).toMatchObject({ kind: "ProviderRateLimited", status: 429, retryable: true, attempts: 2 })
    expect(APICallError.isInstance(failure)).toBe(false)
    expect(provider.calls).toHaveLength(2)
  })

  it("an abort reaches the provider and rejects as an abort", async () => {
    const opened = Deferred.makeUnsafe<void>()
    const left = Deferred.makeUnsafe<void>()
    const provider = scripted(() =>
      Effect.onInterrupt(Effect.andThen(Deferred.succeed(opened, undefined), Effect.never), () =>
        Deferred.succeed(left, undefined)
      )
    )
    const controller = new AbortController()
    const call = generateText({ model: engineOf(provider)(), prompt: "x", abortSignal: controller.signal })
    const failed = expect(call).rejects.toMatchObject({ name: "AbortError" })
    await Effect.runPromise(Deferred.await(opened))
    controller.abort()
    await failed
    await Effect.runPromise(Deferred.await(left))
  })

  it("leaving a stream early closes it at the provider", async () => {
    const closed = Deferred.makeUnsafe<void>()
    const provider = scripted(() =>
      Effect.as(
        Effect.addFinalizer(() => Deferred.succeed(closed, undefined)),
        {
          _tag: "Parts" as const,
          parts: Stream.concat(Stream.make({ type: "text" as const, text: "one" }), Stream.never)
        }
      )
    )
    const { stream } = await engineOf(provider)().doStream({
      prompt: [{ role: "user", content: [{ type: "text", text: "x" }] }]
    })
    const reader = stream.getReader()
    expect((await reader.read()).value).toMatchObject({ type: "stream-start" })
    expect((await reader.read()).value).toMatchObject({ type: "text-start" })
    expect((await reader.read()).value).toMatchObject({ type: "text-delta" })
    const pending = reader.read()
    await reader.cancel()
    await pending
    await Effect.runPromise(Deferred.await(closed))
  })

  it("reads no further ahead than its reader asks", async () => {
    const pulled = Ref.makeUnsafe(0)
    const provider = scripted(() =>
      Effect.succeed({
        _tag: "Parts" as const,
        parts: Stream.forever(Stream.make("x")).pipe(
          Stream.rechunk(1),
          Stream.mapEffect((text) =>
            Effect.as(
              Ref.update(pulled, (n) => n + 1),
              { type: "text" as const, text }
            )
          )
        )
      })
    )
    const { stream } = await engineOf(provider)().doStream({
      prompt: [{ role: "user", content: [{ type: "text", text: "x" }] }]
    })
    const reader = stream.getReader()
    for (let i = 0; i < 6; i++) await reader.read()
    await reader.cancel()
    expect(await Effect.runPromise(Ref.get(pulled))).toBeLessThan(10)
  })
})

describe("the provider", () => {
  it("embeds", async () => {
    const provider = scriptedProvider(
      "openai",
      (call) => ({
        ...completionOf(call.target.model, ""),
        usage: { ...usage, uncachedInput: 9, cacheReadInput: 0, cacheWriteInput: 0, output: 0, reasoning: 0 },
        embeddings: call.request.embed!.input.map((text) => [text.length, 0.5])
      }),
      { embeddingModel: "embed-1" }
    )
    const millrace = engineOf(provider)
    const { embeddings, usage: tokens } = await embedMany({
      model: millrace.embeddingModel("openai/embed-1"),
      values: ["one", "three"],
      providerOptions: { millrace: { tenant: "acme" } }
    })
    expect(embeddings).toEqual([
      [3, 0.5],
      [5, 0.5]
    ])
    expect(tokens.tokens).toBe(9)
    expect(requestOf(provider)).toMatchObject({ tenant: "acme", embed: { input: ["one", "three"] } })
    await expect(
      embedMany({
        model: millrace.textEmbeddingModel(),
        values: ["x"],
        providerOptions: { millrace: { strict: true } }
      })
    ).rejects.toMatchObject({
      kind: "InvalidRequest",
      message: expect.stringMatching(/providerOptions\.millrace\.strict/)
    })
  })

  it("has no other kinds of models, and says so in the words of the SDK", () => {
    const millrace = engineOf(scripted(() => "never"))
    expect(() => millrace.imageModel("x")).toThrow("No such imageModel: x")
    try {
      millrace.imageModel("x")
    } catch (error) {
      expect(NoSuchModelError.isInstance(error)).toBe(true)
    }
  })
})
