/**
 * Which API a configured provider is asked through, by its kind, its `api` and the caller's dialect.
 */
import { Effect } from "effect"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { AIEngine, type AIEngineError } from "../../engine/src/AIEngine.ts"
import { decode, type EngineConfigInput } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { WireRequest } from "../../engine/src/Request.ts"
import { chatCompletion, event, eventStream, sendJson, startUpstream, type TestUpstream } from "../support/upstream.ts"
import { makeRequest } from "./requests.ts"

let upstream: TestUpstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

const engines: Array<AIEngine> = []
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.dispose()
})

type ProviderInput = NonNullable<EngineConfigInput["providers"]>[number]

const configOf = (provider: Partial<ProviderInput>): EngineConfigInput => ({
  logging: { level: "none" },
  cache: { enabled: false },
  retry: { maxAttempts: 1 },
  providers: [{ name: "one", kind: "openai", apiKey: "k", baseUrl: upstream.url, ...provider } as ProviderInput]
})

const engineOf = (provider: Partial<ProviderInput>): AIEngine => {
  const engine = new AIEngine(configOf(provider))
  engines.push(engine)
  return engine
}

const responsesAnswer = {
  id: "resp_1",
  object: "response",
  model: "gpt-test",
  status: "completed",
  output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello." }] }],
  usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 }
}

const wire = (dialect: WireRequest["dialect"], needs: ReadonlyArray<string> = []): WireRequest => ({
  dialect,
  body: { model: "ours", unknown: 1 },
  needs
})

/** Sends a request with a caller's body through the whole engine. */
const ask = (provider: Partial<ProviderInput>, body: WireRequest): Promise<Reply.Completion> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const config = yield* decode(configOf(provider))
      return yield* Effect.provide(
        Effect.flatMap(Engine, (engine) =>
          Effect.flatMap(engine.call(makeRequest({ wire: body })), (call) =>
            Effect.scoped(Effect.flatMap(engine.open(call), Reply.collect))
          )
        ),
        Engine.layerOf(config)
      )
    })
  )

describe("a provider of kind openai", () => {
  it("answers a caller of the Responses API with it, and keeps the answer's bytes for them", async () => {
    upstream.respond = sendJson(200, responsesAnswer)
    const completion = await ask({}, wire("openai-responses", ["a stored conversation"]))
    expect(upstream.requests.at(-1)).toMatchObject({ path: "/v1/responses", json: { unknown: 1 } })
    expect(completion).toMatchObject({
      content: [{ type: "text", text: "Hello." }],
      wire: { dialect: "openai-responses", body: JSON.stringify(responsesAnswer) }
    })
  })

  it("answers everybody else with Chat Completions", async () => {
    upstream.respond = sendJson(200, chatCompletion("Hello."))
    for (const dialect of ["openai-chat", "anthropic-messages", "gemini"] as const) {
      await ask({}, wire(dialect))
      expect(upstream.requests.at(-1)!.path).toBe("/v1/chat/completions")
    }
    await engineOf({}).generateText({ prompt: "hi" })
    expect(upstream.requests.at(-1)!.path).toBe("/v1/chat/completions")
  })

  it("is asked through one API alone where the configuration says so", async () => {
    upstream.respond = sendJson(200, responsesAnswer)
    expect(await engineOf({ api: "responses" }).generateText({ prompt: "hi" })).toMatchObject({ content: "Hello." })
    expect(upstream.requests.at(-1)).toMatchObject({ path: "/v1/responses", json: { store: false } })
    upstream.respond = sendJson(200, chatCompletion("Hello."))
    await ask({ api: "chat" }, wire("openai-responses"))
    expect(upstream.requests.at(-1)!.path).toBe("/v1/chat/completions")
  })

  it("refuses what the body needs and the API can't carry, before anything is sent", async () => {
    const before = upstream.requests.length
    await expect(ask({ api: "chat" }, wire("openai-responses", ["a stored conversation"]))).rejects.toMatchObject({
      ability: "a stored conversation"
    })
    await expect(ask({ api: "responses" }, wire("openai-chat", ["logit_bias"]))).rejects.toMatchObject({
      ability: "logit_bias"
    })
    expect(upstream.requests.length).toBe(before)
  })
})

describe("a provider of kind openai-compatible", () => {
  it("is asked through Chat Completions, whoever asks, unless the configuration says responses", async () => {
    const server = { kind: "openai-compatible", model: "m" } as const
    upstream.respond = sendJson(200, chatCompletion("Hello."))
    await ask(server, wire("openai-responses"))
    expect(upstream.requests.at(-1)!.path).toBe("/v1/chat/completions")
    upstream.respond = sendJson(200, responsesAnswer)
    await ask({ ...server, api: "responses" }, wire("openai-chat"))
    expect(upstream.requests.at(-1)!.path).toBe("/v1/responses")
  })
})

describe("a provider that is asked for legacy completions", () => {
  const server = { kind: "openai-compatible", model: "base", api: "completions" } as const
  const answer = {
    id: "cmpl_1",
    object: "text_completion",
    model: "base",
    choices: [
      {
        index: 0,
        text: " Hello.",
        finish_reason: "stop",
        logprobs: { tokens: [" Hello."], token_logprobs: [-0.5], top_logprobs: [{ " Hi": -1 }], text_offset: [0] }
      }
    ],
    usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 }
  }

  it("gets one message as the prompt it is, and gives text and log probabilities back", async () => {
    upstream.respond = sendJson(200, answer)
    const request = { prompt: "Once upon", logprobs: 1, topK: 5, frequencyPenalty: 0.5 }
    expect(await engineOf(server).generateText(request)).toMatchObject({
      content: " Hello.",
      blocks: [{ logprobs: [{ token: " Hello.", logprob: -0.5, top: [{ token: " Hi", logprob: -1 }] }] }],
      usage: { promptTokens: 2, completionTokens: 3 }
    })
    const { json, path } = upstream.requests.at(-1)!
    expect(path).toBe("/v1/completions")
    expect(json).toMatchObject({ prompt: "Once upon", logprobs: 1, top_k: 5, frequency_penalty: 0.5, stream: false })
    expect(json["stop"]).toBeUndefined()
  })

  it("gets a conversation as a transcript, streamed", async () => {
    upstream.respond = (response) => {
      response.writeHead(200, eventStream)
      const chunk = (text: string, reason: string | null) =>
        event({ ...answer, usage: undefined, choices: [{ index: 0, text, finish_reason: reason, logprobs: null }] })
      response.end(chunk(" Hel", null) + chunk("lo.", "stop") + "data: [DONE]\n\n")
    }
    let text = ""
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "hi" },
      { role: "assistant", content: "Hey." },
      { role: "user", content: "again" }
    ] as const
    for await (const piece of engineOf(server).streamText({ messages })) text += piece
    expect(text).toBe(" Hello.")
    expect(upstream.requests.at(-1)!.json).toMatchObject({
      prompt: "System: Be brief.\n\nUser: hi\n\nAssistant: Hey.\n\nUser: again\n\nAssistant:",
      stop: ["\nUser:"],
      stream: true
    })
  })

  it("refuses what has no place in a prompt, before anything is sent", async () => {
    const before = upstream.requests.length
    await expect(engineOf(server).generateText({ prompt: "x", tools: [{ name: "f" }] })).rejects.toMatchObject({
      kind: "UnsupportedAbility"
    })
    expect(upstream.requests.length).toBe(before)
  })
})

describe("a provider of kind google", () => {
  const google = { kind: "google", model: "gemini-2.5-flash" } as const
  const chunk = (parts: ReadonlyArray<object>, rest: object = {}) => ({
    candidates: [{ content: { role: "model", parts }, index: 0, ...rest }],
    usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 },
    modelVersion: "gemini-2.5-flash",
    responseId: "r1"
  })

  it("answers whole and streamed", async () => {
    upstream.respond = sendJson(200, chunk([{ text: "Hello." }], { finishReason: "STOP" }))
    const engine = engineOf(google)
    expect(await engine.generateText({ prompt: "hi" })).toMatchObject({
      content: "Hello.",
      finishReason: "stop",
      usage: { promptTokens: 9, completionTokens: 3 }
    })
    expect(upstream.requests.at(-1)).toMatchObject({
      path: "/v1beta/models/gemini-2.5-flash:generateContent",
      headers: { "x-goog-api-key": "k" }
    })
    upstream.respond = (response) => {
      response.writeHead(200, eventStream)
      response.write(event(chunk([{ text: "Hel" }])).replaceAll("\n", "\r\n"))
      response.end(event(chunk([{ text: "lo." }], { finishReason: "STOP" })).replaceAll("\n", "\r\n"))
    }
    const stream = engine.streamText({ prompt: "hi" })
    let text = ""
    for await (const piece of stream) text += piece
    expect({ text, finishReason: (await stream.response).finishReason }).toEqual({
      text: "Hello.",
      finishReason: "stop"
    })
    expect(upstream.requests.at(-1)!.path).toBe("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
  })

  it("gives its bodies back to callers of its own dialect", async () => {
    const body = chunk([{ text: "Hello." }], { finishReason: "STOP" })
    upstream.respond = sendJson(200, body)
    const completion = await ask(google, wire("gemini"))
    expect(completion.wire).toEqual({ dialect: "gemini", body: JSON.stringify(body) })
    expect(upstream.requests.at(-1)!.json).toEqual({ unknown: 1 })
  })

  it("tells how long to wait, from Google's RetryInfo", async () => {
    const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "12.5s" }]
    upstream.respond = sendJson(429, { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "quota", details } })
    const error: AIEngineError = await engineOf(google)
      .generateText({ prompt: "hi" })
      .then(
        () => Promise.reject(new Error("expected a failure")),
        (failure: AIEngineError) => failure
      )
    expect(error).toMatchObject({ kind: "ProviderRateLimited", retryAfter: 12_500 })
  })

  it("takes a blocked prompt for an answer that was filtered, and does not ask again", async () => {
    upstream.respond = sendJson(200, { promptFeedback: { blockReason: "SAFETY" } })
    const before = upstream.requests.length
    expect(await engineOf(google).generateText({ prompt: "hi" })).toMatchObject({
      content: "",
      finishReason: "content-filter",
      rawFinishReason: "SAFETY"
    })
    expect(upstream.requests.length).toBe(before + 1)
  })
})
