import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import type {
  EmbeddingModelV4,
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4StreamPart
} from "@ai-sdk/provider"
import { afterEach, describe, expect, it } from "vitest"
import {
  AIEngine,
  type AIEngineError,
  type AIRequest,
  type AIResponse,
  type EngineConfigInput,
  type Provider,
  Reply
} from "millrace"
import { createMillrace, fromAiSdk } from "millrace/ai-sdk"
import { completionOf, scriptedProvider } from "millrace/testing"

const engines: Array<AIEngine> = []

const engineOf = (made: Provider, config: EngineConfigInput = { retry: { maxAttempts: 1 } }): AIEngine => {
  const engine = new AIEngine({ ...config, logging: { level: "none" } }, { providers: [made] })
  engines.push(engine)
  return engine
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.dispose()))
})

const usage = {
  inputTokens: { total: 100, noCache: 70, cacheRead: 20, cacheWrite: 10 },
  outputTokens: { total: 30, text: 25, reasoning: 5 }
}

const finish = { type: "finish", finishReason: { unified: "stop", raw: "end_turn" }, usage } as const

interface Script {
  readonly content?: (options: LanguageModelV4CallOptions, index: number) => Array<never> | Array<unknown>
  readonly stream?: (options: LanguageModelV4CallOptions) => ReadableStream<LanguageModelV4StreamPart>
  readonly supportedUrls?: Record<string, Array<RegExp>>
  readonly fields?: object
}

/** A model of another package that answers by a script and remembers what it was asked. */
const modelOf = (script: Script, provider = "other.chat") => {
  const asked: Array<LanguageModelV4CallOptions> = []
  const model: LanguageModelV4 = {
    specificationVersion: "v4",
    provider,
    modelId: "other-1",
    supportedUrls: script.supportedUrls ?? {},
    doGenerate: async (options) => {
      const index = asked.push(options) - 1
      return {
        content: script.content!(options, index) as never,
        finishReason: finish.finishReason,
        usage,
        warnings: [],
        response: { id: "r1", modelId: "other-1-2026" },
        ...script.fields
      }
    },
    doStream: async (options) => {
      asked.push(options)
      return { stream: script.stream!(options) }
    }
  }
  return { asked, model }
}

const streamOf = (...parts: ReadonlyArray<LanguageModelV4StreamPart>) =>
  new ReadableStream<LanguageModelV4StreamPart>({
    start: (controller) => {
      for (const part of parts) controller.enqueue(part)
      controller.close()
    }
  })

const collected = async (engine: AIEngine, request: AIRequest) => {
  const collector = new Reply.Collector()
  for await (const part of engine.streamParts(request)) collector.add(part)
  return collector.completion()
}

const history = (response: AIResponse) => ({
  role: "assistant" as const,
  content: response.blocks.filter((block) => block.type !== "refusal")
})

const bypass = { cache: { mode: "bypass" } } as const

describe("an AI SDK model as a provider", () => {
  it("answers whole and streamed, with usage, ids and the raw finish reason", async () => {
    const { model } = modelOf({
      content: () => [
        { type: "reasoning", text: "hm" },
        { type: "text", text: "hello" }
      ],
      stream: () =>
        streamOf(
          { type: "stream-start", warnings: [] },
          { type: "response-metadata", id: "r1", modelId: "other-1-2026" },
          { type: "reasoning-start", id: "0" },
          { type: "reasoning-delta", id: "0", delta: "hm" },
          { type: "reasoning-end", id: "0" },
          { type: "ping" },
          { type: "text-start", id: "1" },
          { type: "text-delta", id: "1", delta: "hel" },
          { type: "text-delta", id: "1", delta: "lo" },
          { type: "text-end", id: "1" },
          finish
        )
    })
    const engine = engineOf(fromAiSdk("other", model))
    const whole = await engine.generateText({ prompt: "hi", ...bypass })
    expect(whole).toMatchObject({
      content: "hello",
      reasoning: "hm",
      finishReason: "stop",
      rawFinishReason: "end_turn",
      responseId: "r1",
      provider: "other",
      model: "other-1",
      usage: { promptTokens: 100, completionTokens: 30, cachedTokens: 20, cacheWriteTokens: 10, reasoningTokens: 5 }
    })
    const streamed = await collected(engine, { prompt: "hi", ...bypass })
    expect(streamed).toMatchObject({ id: "r1", model: "other-1-2026", content: whole.blocks, finishReason: "stop" })
  })

  it("is asked with settings, tools, files and the format, and hints it can't take are reported", async () => {
    const { asked, model } = modelOf(
      {
        content: () => [{ type: "tool-call", toolCallId: "c2", toolName: "weather", input: '{"city":"Oslo"}' }],
        supportedUrls: { "image/*": [/^https:/] },
        fields: {
          finishReason: { unified: "tool-calls", raw: undefined },
          warnings: [{ type: "unsupported", feature: "seed" }]
        }
      },
      "openai.chat"
    )
    const answer = await engineOf(fromAiSdk("other", model, { maxTokens: 99 })).generateText({
      system: "Be brief",
      messages: [
        {
          role: "user",
          name: "ada",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image", image: "https://example.com/a.png", detail: "low" },
            {
              type: "file",
              data: "data:application/pdf;base64,JVBERi0=",
              mediaType: "application/pdf",
              filename: "a.pdf"
            }
          ]
        },
        {
          role: "assistant",
          content: [{ type: "tool-call", id: "c1", name: "weather", arguments: '{"city":"Rome"}' }]
        },
        {
          role: "user",
          content: [
            { type: "tool-result", id: "c1", content: "warm", isError: true },
            { type: "text", text: "And Oslo?" }
          ]
        }
      ],
      tools: [
        { name: "weather", description: "Weather", parameters: { type: "object", properties: {} }, strict: true }
      ],
      toolChoice: { name: "weather" },
      responseFormat: { type: "json-schema", name: "r", schema: { type: "object" } },
      temperature: 0.1,
      topP: 0.2,
      stop: "END",
      seed: 7,
      reasoning: { effort: "low" },
      providerOptions: { user: "u1" }
    })
    const { abortSignal, ...options } = asked[0]!
    expect(abortSignal).toBeInstanceOf(AbortSignal)
    expect(options).toEqual({
      prompt: [
        { role: "system", content: "Be brief" },
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            {
              type: "file",
              mediaType: "image",
              data: { type: "url", url: new URL("https://example.com/a.png") },
              providerOptions: { openai: { imageDetail: "low" } }
            },
            { type: "file", mediaType: "application/pdf", data: { type: "data", data: "JVBERi0=" }, filename: "a.pdf" }
          ]
        },
        {
          role: "assistant",
          content: [{ type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Rome" } }]
        },
        {
          role: "tool",
          content: [
            {
              type: "tool-result",
              toolCallId: "c1",
              toolName: "weather",
              output: { type: "error-text", value: "warm" }
            }
          ]
        },
        { role: "user", content: [{ type: "text", text: "And Oslo?" }] }
      ],
      maxOutputTokens: 99,
      temperature: 0.1,
      topP: 0.2,
      stopSequences: ["END"],
      seed: 7,
      reasoning: "low",
      tools: [
        {
          type: "function",
          name: "weather",
          description: "Weather",
          inputSchema: { type: "object", properties: {} },
          strict: true
        }
      ],
      toolChoice: { type: "tool", toolName: "weather" },
      responseFormat: { type: "json", name: "r", schema: { type: "object" } },
      providerOptions: { openai: { user: "u1", strictJsonSchema: false } }
    })
    expect(answer.toolCalls).toEqual([{ id: "c2", name: "weather", arguments: '{"city":"Oslo"}' }])
    expect(answer.omitted).toEqual(["messages[0].name", "seed"].map((path) => path.replace("[0]", "[1]")))
  })

  it("gets back on the next turn what its answer carried in metadata", async () => {
    const { asked, model } = modelOf(
      {
        content: () => [
          {
            type: "reasoning",
            text: "hm",
            providerMetadata: { openai: { itemId: "rs_1", reasoningEncryptedContent: "x" } }
          },
          { type: "reasoning", text: "signed", providerMetadata: { openai: { signature: "sig" } } },
          {
            type: "tool-call",
            toolCallId: "c1",
            toolName: "weather",
            input: "{}",
            providerMetadata: { openai: { itemId: "fc_1" } }
          }
        ]
      },
      "openai.responses"
    )
    const engine = engineOf(fromAiSdk("other", model))
    const first = await engine.generateText({ prompt: "Weather?" })
    expect(first.reasoning).toBe("hmsigned")
    await engine.generateText({
      messages: [
        { role: "user", content: "Weather?" },
        history(first),
        { role: "tool", content: [{ type: "tool-result", id: "c1", content: "warm" }] }
      ]
    })
    expect(asked[1]!.prompt[1]).toEqual({
      role: "assistant",
      content: [
        {
          type: "reasoning",
          text: "hm",
          providerOptions: { openai: { itemId: "rs_1", reasoningEncryptedContent: "x" } }
        },
        {
          type: "reasoning",
          text: "signed",
          providerOptions: { millrace: { signature: "sig" }, openai: { signature: "sig" } }
        },
        {
          type: "tool-call",
          toolCallId: "c1",
          toolName: "weather",
          input: {},
          providerOptions: { openai: { itemId: "fc_1" } }
        }
      ]
    })
  })

  it("streams arguments of parallel tool calls as they come", async () => {
    const { model } = modelOf({
      stream: () =>
        streamOf(
          { type: "tool-input-start", id: "c1", toolName: "weather" },
          { type: "tool-input-delta", id: "c1", delta: '{"city":' },
          { type: "tool-input-start", id: "c2", toolName: "clock" },
          { type: "tool-input-delta", id: "c1", delta: '"Rome"}' },
          { type: "tool-input-end", id: "c1" },
          { type: "tool-call", toolCallId: "c1", toolName: "weather", input: '{"city":"Rome"}' },
          { type: "tool-call", toolCallId: "c2", toolName: "clock", input: "{}" },
          finish
        )
    })
    const parts: Array<Reply.Part> = []
    for await (const part of engineOf(fromAiSdk("other", model)).streamParts({ prompt: "x" })) parts.push(part)
    expect(parts.filter((part) => part.type === "tool-call")).toEqual([
      { type: "tool-call", index: 0, id: "c1", name: "weather", arguments: "" },
      { type: "tool-call", index: 0, arguments: '{"city":' },
      { type: "tool-call", index: 1, id: "c2", name: "clock", arguments: "" },
      { type: "tool-call", index: 0, arguments: '"Rome"}' },
      { type: "tool-call", index: 1, arguments: "{}" }
    ])
  })

  it("takes the text that the SDK would parse when JSON was asked for", async () => {
    const { model } = modelOf({
      content: () => [
        { type: "text", text: "A draft: " },
        { type: "text", text: '{"a":1}' }
      ],
      fields: { structuredOutputText: '{"a":1}' }
    })
    const engine = engineOf(fromAiSdk("other", model))
    expect((await engine.generateText({ prompt: "x", responseFormat: { type: "json" } })).content).toBe('{"a":1}')
    expect((await engine.generateText({ prompt: "x" })).content).toBe('A draft: {"a":1}')
  })

  it("refuses what it can't carry, by name", async () => {
    const engine = engineOf(fromAiSdk("other", modelOf({ content: () => [] }).model))
    const kindOf = (request: AIRequest) =>
      engine.generateText(request).then(
        () => "answered",
        (error: AIEngineError) => `${error.kind}: ${error.message}`
      )
    expect(await kindOf({ prompt: "x", logprobs: 2 })).toMatch(/^UnsupportedAbility.*log probabilities/)
    expect(
      await kindOf({ messages: [{ role: "user", content: [{ type: "image", image: "https://example.com/a.png" }] }] })
    ).toMatch(/^UnsupportedAbility.*images by URL/)
    expect(await kindOf({ messages: [{ role: "tool", content: "x" }] })).toMatch(/^InvalidRequest: messages\[0\]/)
    expect(await kindOf({ prompt: "x", model: "other/bigger" })).toMatch(/^ModelNotFound/)
    await expect(engine.embed({ input: "x" })).rejects.toMatchObject({ kind: "UnsupportedAbility" })
  })

  it("of an older specification is refused when it is given", () => {
    const model = { ...modelOf({}).model, specificationVersion: "v3" } as never
    expect(() => fromAiSdk("old", model)).toThrow("expected a model of specification v4, got v3")
  })

  it("an abort reaches it, before its answer and in its stream", async () => {
    const signals: Array<AbortSignal> = []
    let cancelled = false
    const { model } = modelOf({
      stream: ({ abortSignal }) => {
        signals.push(abortSignal!)
        return new ReadableStream({
          start: (controller) => controller.enqueue({ type: "text-delta", id: "0", delta: "one" }),
          cancel: () => void (cancelled = true)
        })
      }
    })
    const waiting: LanguageModelV4 = {
      ...model,
      doGenerate: ({ abortSignal }) => {
        signals.push(abortSignal!)
        return new Promise((_, reject) => abortSignal!.addEventListener("abort", () => reject(abortSignal!.reason)))
      }
    }
    const engine = engineOf(fromAiSdk("other", waiting))
    const controller = new AbortController()
    const call = engine.generateText({ prompt: "x" }, { signal: controller.signal })
    const failed = expect(call).rejects.toMatchObject({ kind: "Cancelled" })
    while (signals.length === 0) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    await failed
    for await (const text of engine.streamText({ prompt: "y" })) {
      expect(text).toBe("one")
      break
    }
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    expect(cancelled).toBe(true)
  })

  it("fails the attempt before its first part, and the stream afterwards", async () => {
    let asked = 0
    const { model } = modelOf({
      stream: () =>
        asked++ === 0
          ? streamOf(
              { type: "stream-start", warnings: [] },
              { type: "error", error: { type: "server_error", message: "overloaded, try again" } }
            )
          : streamOf(
              { type: "text-delta", id: "0", delta: "half" },
              { type: "finish", finishReason: { unified: "interrupted", raw: undefined }, usage }
            )
    })
    const engine = engineOf(fromAiSdk("other", model), { retry: { baseDelay: 0 } })
    const read: Array<string> = []
    const reading = async () => {
      for await (const text of engine.streamText({ prompt: "x" })) read.push(text)
    }
    await expect(reading()).rejects.toMatchObject({ kind: "StreamTruncated" })
    expect(read).toEqual(["half"])
    expect(asked).toBe(2)
  })
})

describe("real provider packages of the AI SDK", () => {
  const json = (body: unknown, init?: ResponseInit) =>
    new Response(JSON.stringify(body), { headers: { "content-type": "application/json" }, ...init })

  const chat = {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "gpt-5.4-mini-2026",
    choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }],
    usage: {
      prompt_tokens: 10,
      completion_tokens: 4,
      total_tokens: 14,
      prompt_tokens_details: { cached_tokens: 6 },
      completion_tokens_details: { reasoning_tokens: 1 }
    }
  }

  it("OpenAI: every model and the embeddings of one provider, priced, with the limits of the engine", async () => {
    const asked: Array<string> = []
    const openai = createOpenAI({
      apiKey: "canary-key",
      fetch: async (input, init) => {
        const sent = new Request(input, init)
        const { input: texts, model } = (await sent.json()) as { readonly model: string; readonly input?: unknown }
        asked.push(`${sent.url} ${model}`)
        return texts === undefined
          ? json(chat)
          : json({ object: "list", model, data: [{ embedding: [1, 2] }], usage: { prompt_tokens: 3 } })
      }
    })
    const provider = fromAiSdk(
      "sdk",
      { ...openai, specificationVersion: "v4", languageModel: (id) => openai.chat(id) },
      { model: "gpt-5.4-mini", embeddingModel: "text-embedding-3-small" }
    )
    expect(provider.kind).toBe("openai")
    const engine = engineOf(provider)
    const answer = await engine.generateText({ prompt: "hi" })
    expect(answer).toMatchObject({
      content: "hello",
      usage: { promptTokens: 10, cachedTokens: 6, completionTokens: 4, reasoningTokens: 1 },
      cost: expect.any(Number)
    })
    await engine.generateText({ prompt: "hi", model: "sdk/gpt-5.4" })
    const vectors = await engine.embed({ input: "x" })
    expect(vectors).toMatchObject({ embeddings: [[1, 2]], usage: { promptTokens: 3 }, model: "text-embedding-3-small" })
    expect(asked).toEqual([
      "https://api.openai.com/v1/chat/completions gpt-5.4-mini",
      "https://api.openai.com/v1/chat/completions gpt-5.4",
      "https://api.openai.com/v1/embeddings text-embedding-3-small"
    ])
  })

  const refused = Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNREFUSED" } })

  it.each<[string, () => Promise<Response>, object]>([
    [
      "a rate limit",
      async () =>
        json(
          { error: { message: "Rate limit, key sk-canary1234567890" } },
          { status: 429, headers: { "retry-after": "3" } }
        ),
      { kind: "ProviderRateLimited", retryAfter: 3000, status: 429 }
    ],
    [
      "a prompt that is too long",
      async () => json({ error: { message: "too long", code: "context_length_exceeded" } }, { status: 400 }),
      { kind: "RequestRejected", fault: "caller", cause: expect.objectContaining({ kind: "context_length" }) }
    ],
    [
      "a wrong key",
      async () => json({ error: { message: "bad key" } }, { status: 401 }),
      { kind: "ProviderAuthFailed" }
    ],
    ["an overload", async () => new Response("<html>busy</html>", { status: 503 }), { kind: "ProviderOverloaded" }],
    ["HTML in a 200", async () => new Response("<html>what</html>"), { kind: "ProviderInvalidResponse" }],
    [
      "a refused connection",
      () => Promise.reject(refused),
      { kind: "ProviderUnreachable", message: expect.stringMatching(/ECONNREFUSED/) }
    ]
  ])("OpenAI: %s keeps its kind, and loses its keys", async (_, fetch, expected) => {
    const openai = createOpenAI({ apiKey: "canary-key", fetch })
    const engine = engineOf(fromAiSdk("sdk", openai.chat("gpt-5.4-mini")))
    const failure = await engine.generateText({ prompt: "x" }).catch((error: AIEngineError) => error)
    expect(failure).toMatchObject({ ...expected, attempts: 1 })
    expect((failure as AIEngineError).message).not.toContain("canary")
  })

  it("Anthropic: thinking and its signature survive a tool loop, streamed", async () => {
    const events = (...list: ReadonlyArray<{ readonly type: string; readonly [field: string]: unknown }>) =>
      new Response(list.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""), {
        headers: { "content-type": "text/event-stream" }
      })
    const message = { id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-6", content: [] }
    const block = (index: number, start: object, ...deltas: ReadonlyArray<object>) => [
      { type: "content_block_start", index, content_block: start },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index }
    ]
    interface Body {
      readonly messages: ReadonlyArray<{ readonly content: ReadonlyArray<unknown> }>
    }
    const bodies: Array<Body> = []
    const anthropic = createAnthropic({
      apiKey: "canary-key",
      fetch: async (input, init) => {
        bodies.push((await new Request(input, init).json()) as Body)
        return events(
          { type: "message_start", message: { ...message, usage: { input_tokens: 9, output_tokens: 1 } } },
          ...block(
            0,
            { type: "thinking", thinking: "" },
            { type: "thinking_delta", thinking: "look it up" },
            { type: "signature_delta", signature: "sig" }
          ),
          ...block(
            1,
            { type: "tool_use", id: "toolu_1", name: "weather", input: {} },
            { type: "input_json_delta", partial_json: '{"city":"Rome"}' }
          ),
          { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 12 } },
          { type: "message_stop" }
        )
      }
    })
    const engine = engineOf(fromAiSdk("claude", anthropic("claude-sonnet-4-6")))
    const tools = [{ name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } }]
    const stream = engine.streamParts({ prompt: "Weather in Rome?", tools })
    for await (const _ of stream);
    const first = await stream.response
    expect(first.blocks).toEqual([
      { type: "reasoning", text: "look it up", signature: "sig" },
      { type: "tool-call", id: "toolu_1", name: "weather", arguments: '{"city":"Rome"}' }
    ])
    expect(first).toMatchObject({
      finishReason: "tool-calls",
      rawFinishReason: "tool_use",
      usage: { promptTokens: 9, completionTokens: 12 }
    })
    const next = engine.streamParts({
      messages: [
        { role: "user", content: "Weather in Rome?" },
        history(first),
        { role: "tool", content: [{ type: "tool-result", id: "toolu_1", content: "warm" }] }
      ],
      tools,
      reasoning: { effort: "low" }
    })
    for await (const _ of next);
    expect(bodies[1]!.messages[1]!.content).toMatchObject([
      { type: "thinking", thinking: "look it up", signature: "sig" },
      { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Rome" } }
    ])
    expect(bodies[1]!.messages[2]!.content).toMatchObject([{ type: "tool_result", tool_use_id: "toolu_1" }])
  })

  it("without a key fails as a wrong key does, at the first call", async () => {
    const engine = engineOf(fromAiSdk("sdk", createOpenAI({ apiKey: undefined as never }).chat("gpt-5.4-mini")))
    const saved = process.env["OPENAI_API_KEY"]
    delete process.env["OPENAI_API_KEY"]
    try {
      await expect(engine.generateText({ prompt: "x" })).rejects.toMatchObject({ kind: "ProviderAuthFailed" })
    } finally {
      if (saved !== undefined) process.env["OPENAI_API_KEY"] = saved
    }
  })
})

describe("embeddings of an AI SDK model", () => {
  const embedder = (max: number | undefined): EmbeddingModelV4 => ({
    specificationVersion: "v4",
    provider: "other.embedding",
    modelId: "embed-1",
    maxEmbeddingsPerCall: max,
    supportsParallelCalls: true,
    doEmbed: async ({ dimensions, values }) => ({
      embeddings: values.map((value) => [value.length, dimensions ?? 0]),
      usage: { tokens: 7 },
      warnings: []
    })
  })

  it("come in the order of the texts, in the length that was asked for", async () => {
    const engine = engineOf(fromAiSdk("other", modelOf({}).model, { embeddingModel: embedder(undefined) }))
    const answer = await engine.embed({ input: ["a", "bcd"], dimensions: 2 })
    expect(answer).toMatchObject({
      embeddings: [
        [1, 2],
        [3, 2]
      ],
      model: "embed-1",
      usage: { promptTokens: 7 }
    })
  })

  it("are refused beyond what the model takes in one call", async () => {
    const engine = engineOf(fromAiSdk("other", modelOf({}).model, { embeddingModel: embedder(1) }))
    await expect(engine.embed({ input: ["a", "b"] })).rejects.toMatchObject({
      kind: "InvalidRequest",
      message: expect.stringContaining("at most 1")
    })
  })
})

describe("an engine behind an engine, through the AI SDK", () => {
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
    rawFinishReason: "tool_calls",
    usage: { uncachedInput: 7, cacheReadInput: 2, cacheWriteInput: 1, output: 9, reasoning: 4, estimated: false }
  }

  it("loses nothing of an answer on the way through both adapters", async () => {
    const scripted = scriptedProvider("openai", () => completion, { model: "gpt-5.4-mini" })
    const inner = createMillrace(engineOf(scripted))
    const engine = engineOf(fromAiSdk("inner", inner("openai/gpt-5.4-mini")))
    const whole = await engine.generateText({ prompt: "x", ...bypass })
    expect(whole.blocks).toEqual(completion.content)
    expect(whole).toMatchObject({
      finishReason: "tool-calls",
      rawFinishReason: "tool_calls",
      usage: { promptTokens: 10, cachedTokens: 2, cacheWriteTokens: 1, completionTokens: 9, reasoningTokens: 4 }
    })
    expect(await collected(engine, { prompt: "y", ...bypass })).toMatchObject(completion)
    await engine.generateText({
      messages: [
        { role: "user", content: "x" },
        history(whole),
        { role: "tool", content: [{ type: "tool-result", id: "c1", name: "weather", content: "warm" }] }
      ]
    })
    expect(scripted.calls.at(-1)!.request.messages[1]).toEqual(history(whole))
  })

  it("keeps the inner error, with its delay", async () => {
    const inner = createMillrace(engineOf(scriptedProvider("openai", () => "never", { model: "gpt-5.4-mini" })))
    const engine = engineOf(fromAiSdk("inner", inner("nobody/unknown/model")))
    await expect(engine.generateText({ prompt: "x" })).rejects.toMatchObject({ kind: "ModelNotFound", status: 404 })
  })
})
