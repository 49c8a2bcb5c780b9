/**
 * Gemini's `generateContent`, `streamGenerateContent` and `countTokens` as a door: over a Gemini upstream, over others, and
 * over none.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { geminiAnswer as whole } from "../support/answers.ts"
import { checkGemini, namedEvents, postTo } from "../support/dialects.ts"
import { last, openDoors } from "../support/doors.ts"
import type { TestGateway } from "../support/gateway.ts"
import {
  chatChunk,
  chatCompletion,
  chatEvents,
  event,
  eventStream,
  send,
  sendJson,
  type TestUpstream
} from "../support/upstream.ts"

let gateway: TestGateway
let openai: TestUpstream
let google: TestUpstream
let close: () => Promise<void>

beforeAll(async () => {
  ;({ close, gateway, openai, google } = await openDoors())
})
afterAll(() => close())
beforeEach(() => {
  openai.respond = sendJson(200, chatCompletion("Hello."))
  google.respond = sendJson(200, whole)
})

const hi = { contents: [{ role: "user", parts: [{ text: "hi" }] }] }
const post = (path: string, body: object = hi) => postTo(`${gateway.url}${path}`, body)
const generate = (body: object, model = "openai/m") =>
  post(`/v1beta/models/${model}:generateContent`, { ...hi, ...body })

describe("paths", () => {
  it.each([
    "/v1beta/models/openai/m:generateContent",
    "/v1/models/openai/m:generateContent",
    "/v1beta/models/openai%2Fm:generateContent",
    "/v1beta/openai/m:generateContent",
    "/v1/openai/m:generateContent?key=any"
  ])("%s asks openai/m", async (path) => {
    const { headers, status } = await post(path)
    expect([status, headers.get("x-millrace-provider"), headers.get("x-millrace-model")]).toEqual([200, "openai", "m"])
  })

  it("an unknown model, method or version is an error in Google's shape", async () => {
    const model = await post("/v1beta/models/nobody/nothing:generateContent")
    expect([model.status, model.json.error.code, model.json.error.status]).toEqual([404, 404, "NOT_FOUND"])
    expect(model.json.error.message).toContain("nobody/nothing")
    const path = await post("/v1beta/corpora")
    expect([path.status, path.json.error.status]).toEqual([404, "NOT_FOUND"])
    const get = await fetch(`${gateway.url}/v1beta/models/openai/m:generateContent`)
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"])
    expect(await get.json()).toMatchObject({ error: { code: 405, status: "INVALID_ARGUMENT" } })
  })

  it("models are listed in Google's shape under /v1beta and to who sends x-goog-api-key", async () => {
    const list = await fetch(`${gateway.url}/v1beta/models`)
    const names = ((await list.json()) as { readonly models: ReadonlyArray<{ readonly name: string }> }).models
    expect(names.map(({ name }) => name)).toContain("models/openai/m")
    const one = await fetch(`${gateway.url}/v1/models/openai/m`, { headers: { "x-goog-api-key": "any" } })
    expect(await one.json()).toMatchObject({
      name: "models/openai/m",
      supportedGenerationMethods: expect.any(Array) as []
    })
  })
})

describe("answers", () => {
  it("a whole answer of OpenAI is a candidate; thoughts are counted apart", async () => {
    openai.respond = sendJson(200, {
      ...chatCompletion("Hello."),
      usage: {
        prompt_tokens: 20,
        completion_tokens: 5,
        prompt_tokens_details: { cached_tokens: 12 },
        completion_tokens_details: { reasoning_tokens: 2 }
      }
    })
    const { json } = await generate({})
    expect(json).toEqual({
      candidates: [{ content: { parts: [{ text: "Hello." }], role: "model" }, finishReason: "STOP", index: 0 }],
      usageMetadata: {
        promptTokenCount: 20,
        candidatesTokenCount: 3,
        thoughtsTokenCount: 2,
        cachedContentTokenCount: 12,
        totalTokenCount: 25
      },
      modelVersion: "gpt-test-2026",
      responseId: expect.stringMatching(/^req_/) as string
    })
  })

  const answered = (message: object, finish_reason: string) =>
    sendJson(200, {
      ...chatCompletion(""),
      choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason }]
    })

  it.each([
    ["length", "MAX_TOKENS"],
    ["content_filter", "SAFETY"],
    ["tool_calls", "STOP"]
  ])("OpenAI's finish reason %s is %s", async (reason, word) => {
    openai.respond = answered({ content: "Hi" }, reason)
    expect((await generate({})).json.candidates[0].finishReason).toBe(word)
  })

  it("reasoning and calls are parts; broken arguments are a malformed call and no call at all", async () => {
    const call = (written: string) => ({ id: "c1", type: "function", function: { name: "f", arguments: written } })
    openai.respond = answered(
      { reasoning_content: "Hmm.", content: "Sure.", tool_calls: [call('{"x":1}')] },
      "tool_calls"
    )
    expect((await generate({})).json.candidates[0].content.parts).toEqual([
      { text: "Hmm.", thought: true },
      { text: "Sure." },
      { functionCall: { id: "c1", name: "f", args: { x: 1 } } }
    ])
    openai.respond = answered({ content: null, tool_calls: [call('{"x":')] }, "tool_calls")
    expect((await generate({})).json.candidates[0]).toEqual({
      content: { parts: [], role: "model" },
      finishReason: "MALFORMED_FUNCTION_CALL",
      finishMessage: expect.stringContaining('{"x":') as string,
      index: 0
    })
  })

  it("usage that the provider did not state is estimated and marked", async () => {
    openai.respond = sendJson(200, { ...chatCompletion("one two"), usage: undefined })
    expect((await generate({})).json["x-millrace"]).toEqual({ usage_estimated: true })
    google.respond = sendJson(200, { ...whole, usageMetadata: undefined })
    expect((await generate({}, "google/m")).json).toMatchObject({
      brand_new: { deep: [1] },
      usageMetadata: { candidatesTokenCount: expect.any(Number) as number },
      "x-millrace": { usage_estimated: true }
    })
  })
})

describe("streams", () => {
  const streamed = (...events: ReadonlyArray<string>) => send(200, eventStream, events.join(""))
  const sse = (model = "openai/m") => post(`/v1beta/models/${model}:streamGenerateContent?alt=sse`)
  const listed = (model = "openai/m") => post(`/v1beta/models/${model}:streamGenerateContent`)
  const chunksOf = (text: string) => namedEvents(text).map(({ data }) => data as { readonly [key: string]: any })

  const thoughtsAndCalls = () =>
    streamed(
      event(chatChunk({ role: "assistant", reasoning_content: "Hmm." })),
      event(chatChunk({ content: "Both." })),
      event(
        chatChunk({ tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: '{"x"' } }] })
      ),
      event(chatChunk({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] })),
      event(chatChunk({}, "tool_calls")),
      "data: [DONE]\n\n"
    )

  it("with alt=sse it is events: a part in each, usage and finish reason in the last", async () => {
    openai.respond = thoughtsAndCalls()
    const { headers, text } = await sse()
    expect(headers.get("content-type")).toBe("text/event-stream; charset=utf-8")
    const chunks = chunksOf(text)
    checkGemini(chunks)
    expect(chunks.flatMap((chunk) => chunk["candidates"][0].content.parts as Array<unknown>)).toEqual([
      { text: "Hmm.", thought: true },
      { text: "Both." },
      { functionCall: { id: "a", name: "f", args: { x: 1 } } }
    ])
  })

  it("without it is one JSON list of the same chunks", async () => {
    openai.respond = thoughtsAndCalls()
    const { headers, json } = await listed()
    expect(headers.get("content-type")).toBe("application/json; charset=utf-8")
    openai.respond = thoughtsAndCalls()
    const chunks = chunksOf((await sse()).text)
    const nameless = (list: ReadonlyArray<object>) => list.map((chunk) => ({ ...chunk, responseId: "" }))
    expect(nameless(json as ReadonlyArray<object>)).toEqual(nameless(chunks))
  })

  const breaking = () => {
    openai.respond = (response) => {
      response.writeHead(200, eventStream)
      response.write(event(chatChunk({ role: "assistant", content: "Good" })))
      setImmediate(() => response.destroy())
    }
  }

  it("what breaks off after the first part ends with an error, as an event or in the list", async () => {
    breaking()
    const chunks = chunksOf((await sse()).text)
    checkGemini(chunks)
    expect(chunks.at(-1)).toMatchObject({ error: { code: 502, status: "UNAVAILABLE" } })
    breaking()
    const list = (await listed()).json as ReadonlyArray<object>
    expect(list.at(-1)).toMatchObject({
      error: { code: 502, message: expect.stringContaining("ended early") as string }
    })
  })

  it("a failure before the first part has its status, in Google's shape", async () => {
    openai.respond = sendJson(503, { error: { message: "busy" } })
    const { json, status } = await sse()
    expect([status, json.error.code, json.error.status]).toEqual([503, 503, "UNAVAILABLE"])
  })

  it("a stream without usage gets an estimate that says so", async () => {
    openai.respond = streamed(...chatEvents(["Good ", "morning."], false))
    expect(chunksOf((await sse()).text).at(-1)).toMatchObject({ "x-millrace": { usage_estimated: true } })
  })

  it("a Gemini upstream's chunks go through untouched, as events or as a list", async () => {
    const chunks = [
      { candidates: [{ content: { parts: [{ text: "Hel" }], role: "model" }, index: 0 }], modelVersion: "gemini-up" },
      { candidates: [{ content: { parts: [{ executableCode: { code: "1" } }] } }], brand_new: 1 },
      whole
    ]
    google.respond = streamed(...chunks.map(event))
    expect((await sse("google/m")).text).toBe(chunks.map(event).join(""))
    expect(last(google).path).toBe("/v1beta/models/m:streamGenerateContent?alt=sse")
    expect((await listed("google/m")).json).toEqual(chunks)
    google.respond = streamed(...chunks.slice(0, 2).map(event))
    const broken = (await listed("google/m")).json as ReadonlyArray<unknown>
    expect(broken.slice(0, 2)).toEqual(chunks.slice(0, 2))
    expect(broken[2]).toMatchObject({ error: { code: 502 } })
  })
})

describe("errors", () => {
  it.each([
    [{ contents: [] }, "contents"],
    [{ contents: [{ role: "robot", parts: [] }] }, "contents[0].role"],
    [{ contents: [{ parts: [{ text: 5 }] }] }, "contents[0].parts[0].text"],
    [{ generationConfig: { temperature: 3 } }, "generationConfig.temperature"],
    [{ generation_config: { max_output_tokens: 0 } }, "generationConfig.maxOutputTokens"],
    [{ tools: [{ functionDeclarations: [{}] }] }, "tools[0].functionDeclarations[0].name"]
  ])("%o is a 400 that names %s, whoever would answer", async (body, field) => {
    for (const model of ["openai/m", "google/m", "simulated/simulated"]) {
      const { json, status } = await generate(body, model)
      expect([status, json.error.code, json.error.status]).toEqual([400, 400, "INVALID_ARGUMENT"])
      expect(json.error.message).toContain(`${field}: `)
    }
  })

  it.each([
    [401, 502, "UNAVAILABLE"],
    [404, 404, "NOT_FOUND"],
    [500, 502, "UNAVAILABLE"],
    [429, 429, "RESOURCE_EXHAUSTED"]
  ])("an upstream's %i is %i %s", async (upstream, status, word) => {
    openai.respond = sendJson(upstream, { error: { message: "It said no." } }, { "retry-after": "3" })
    const { headers, json, status: got, text } = await generate({})
    expect([got, json.error.code, json.error.status]).toEqual([status, status, word])
    expect(text).not.toContain("canary-key")
    if (status !== 429) return
    expect(headers.get("retry-after")).toBe("3")
    expect(json.error.details).toEqual([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "3s" }])
  })
})
