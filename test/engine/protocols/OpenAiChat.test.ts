import { Result } from "effect"
import { describe, expect, it } from "vitest"
import * as Reply from "../../../engine/src/Reply.ts"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { endpointOf, readText, sse } from "./Samples.ts"

const whole = (body: unknown) =>
  openAiChat.decodeWhole(typeof body === "string" ? body : JSON.stringify(body), endpointOf())

const answered = (message: object, rest: object = {}) =>
  Result.getOrThrow(whole({ id: "r", model: "m", choices: [{ index: 0, message, finish_reason: "stop" }], ...rest }))

const failed = (body: unknown) => Result.getOrThrow(Result.flip(whole(body)))

const chunk = (delta: object, rest: object = {}, choice: object = {}) => ({
  id: "r",
  model: "m",
  choices: [{ index: 0, delta, finish_reason: null, ...choice }],
  ...rest
})
const finish = (reason: string, rest: object = {}) => chunk({}, rest, { finish_reason: reason })
const stream = (...events: ReadonlyArray<unknown>) => readText(openAiChat, sse(...events))
const callsOf = (...pieces: ReadonlyArray<object>) =>
  Reply.toolCallsOf(
    stream(...pieces.map((piece) => chunk({ tool_calls: [piece] })), finish("tool_calls"), "[DONE]").completion
  ).map(({ id, name, arguments: written }) => [id, name, written])

const fn = (name: string | null, written: string | null) => ({ function: { name, arguments: written } })

describe("OpenAI Chat whole answers", () => {
  it("reads reasoning from either field and content from parts", () => {
    expect(answered({ content: "a", reasoning_content: "b" }).content).toEqual([
      { type: "reasoning", text: "b" },
      { type: "text", text: "a" }
    ])
    expect(answered({ content: "a", reasoning: "b" }).content[0]).toEqual({ type: "reasoning", text: "b" })
    const parts = [
      { type: "thinking", thinking: [{ type: "text", text: "b" }] },
      { type: "text", text: "a" },
      { type: "refusal", refusal: "no" }
    ]
    expect(answered({ content: parts }).content).toEqual([
      { type: "reasoning", text: "b" },
      { type: "text", text: "a" },
      { type: "refusal", text: "no" }
    ])
  })

  it("keeps signed and encrypted reasoning of routers, so that it can be given back", () => {
    const encrypted = { type: "reasoning.encrypted", data: "xyz", format: "google-gemini-v1", index: 0 }
    const details = [{ type: "reasoning.text", text: "b", signature: "sig" }, encrypted]
    expect(answered({ content: "a", reasoning: "b", reasoning_details: details }).content).toEqual([
      { type: "reasoning", text: "b", signature: "sig" },
      { type: "reasoning", text: "", redacted: JSON.stringify(encrypted) },
      { type: "text", text: "a" }
    ])
  })

  it("takes a refusal as filtered content though the provider says stop", () => {
    expect(answered({ content: null, refusal: "no" })).toMatchObject({
      content: [{ type: "refusal", text: "no" }],
      finishReason: "content-filter",
      rawFinishReason: "stop"
    })
  })

  it("keeps each tool call apart, also when ids are missing or equal, and makes ids where there are none", () => {
    const call = (id: string | undefined, name: string) => ({ id, type: "function", ...fn(name, "{}") })
    expect(Reply.toolCallsOf(answered({ tool_calls: [call("c", "f"), call("c", "g")] }))).toHaveLength(2)
    const made = Reply.toolCallsOf(answered({ tool_calls: [call("", "f"), call(undefined, "g")] }))
    expect(made.map(({ id }) => id)).toEqual(["call_r_0", "call_r_1"])
  })

  it("reads arguments that are an object as JSON text", () => {
    const calls = [{ id: "c", function: { name: "f", arguments: { a: 1 } } }]
    expect(Reply.toolCallsOf(answered({ tool_calls: calls }))).toMatchObject([{ arguments: '{"a":1}' }])
  })

  it("splits usage without overlap, whatever the provider's convention", () => {
    const usage = (figures: object) => answered({ content: "a" }, { usage: figures }).usage
    const details = {
      prompt_tokens: 10,
      completion_tokens: 7,
      total_tokens: 17,
      prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 5 }
    }
    const read = { uncachedInput: 5, cacheReadInput: 4, cacheWriteInput: 1, output: 7, reasoning: 5, estimated: false }
    expect(usage(details)).toEqual(read)
    expect(usage({ prompt_tokens: 10, completion_tokens: 7, prompt_cache_hit_tokens: 4 })).toMatchObject({
      cacheReadInput: 4
    })
    expect(
      usage({ ...details, total_tokens: 10 + 7 + 20, completion_tokens_details: { reasoning_tokens: 20 } })
    ).toEqual({
      ...read,
      output: 27,
      reasoning: 20
    })
    expect(
      usage({ prompt_tokens: 10, completion_tokens: -1, prompt_tokens_details: { cached_tokens: 99 } })
    ).toMatchObject({
      uncachedInput: 0,
      cacheReadInput: 10,
      output: 0
    })
  })

  it("marks usage as estimated when the provider reports none", () => {
    expect(answered({ content: "a" }).usage).toMatchObject({ output: 0, estimated: true })
    expect(answered({ content: "a" }, { usage: null }).usage.estimated).toBe(true)
    expect(answered({ content: "a" }, { usage: { queue_time: 1 } }).usage.estimated).toBe(true)
  })

  it("turns an error inside a 200 into a failure", () => {
    const azure = { error: { message: "filtered", type: null, code: "content_filter", status: 400 } }
    expect(failed(azure)).toMatchObject({ _tag: "ContentFiltered", upstreamStatus: 200, code: "content_filter" })
    expect(failed({ choices: [], error: { code: 502, message: "x" } })).toMatchObject({ _tag: "ProviderServerError" })
    expect(failed({ choices: [{ index: 0, message: null, error: { code: 429, message: "x" } }] })).toMatchObject({
      _tag: "ProviderRateLimited"
    })
    expect(failed({ object: "error", message: "x", type: "BadRequestError", code: 400 })).toMatchObject({
      _tag: "RequestRejected",
      detail: "x"
    })
    expect(answered({ content: "a" }, { error: null }).content).toHaveLength(1)
  })

  it.each([
    ["", "an empty body"],
    ["<html><title>busy</title></html>", "an HTML page instead of JSON"],
    ['{"choices":[{"index":0,', "a body that is not valid JSON"],
    ['{"object":"chat.completion"}', "JSON without choices"],
    ["[1]", "a body that is not valid JSON"]
  ])("says what %j is, and quotes nothing of it", (body, detail) => {
    expect(failed(body)).toMatchObject({
      _tag: "ProviderInvalidResponse",
      detail,
      upstreamStatus: 200,
      fault: "provider"
    })
  })
})

describe("OpenAI Chat streams", () => {
  it("finds usage in a chunk without choices, in the last delta, in a choice, and in x_groq", () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2 }
    const expected = { uncachedInput: 3, output: 2, estimated: false }
    const a = chunk({ content: "a" })
    expect(stream(a, finish("stop"), { id: "r", choices: [], usage }, "[DONE]").completion.usage).toMatchObject(
      expected
    )
    expect(stream(a, finish("stop", { usage })).completion.usage).toMatchObject(expected)
    expect(stream(a, chunk({}, {}, { finish_reason: "stop", usage })).completion.usage).toMatchObject(expected)
    expect(stream(a, finish("stop", { x_groq: { usage } })).completion.usage).toMatchObject(expected)
    const growing = chunk({ content: "a" }, { usage: { prompt_tokens: 3, completion_tokens: 1 } })
    expect(stream(growing, finish("stop", { usage }), chunk({}, { usage: null })).completion.usage).toMatchObject(
      expected
    )
    expect(stream(a, finish("stop")).completion.usage.estimated).toBe(true)
  })

  it("ends at [DONE], or at the end of the body once a finish reason has come", () => {
    expect(stream(chunk({ content: "a" }), finish("stop")).completion.finishReason).toBe("stop")
    expect(stream(chunk({ content: "a" }), "[DONE]")).toMatchObject({
      error: undefined,
      completion: { finishReason: "other", rawFinishReason: undefined }
    })
    expect(stream(chunk({ content: "a" }), chunk({}, {}, { finish_reason: "" })).error).toMatchObject({
      _tag: "StreamTruncated"
    })
    expect(stream("[DONE]").error).toMatchObject({ _tag: "StreamTruncated" })
    expect(stream().error).toMatchObject({ _tag: "StreamTruncated" })
  })

  it("tells parallel calls apart that share index 0 and differ by id", () => {
    expect(
      callsOf(
        { index: 0, id: "a", ...fn("f", "") },
        { index: 0, id: "a", ...fn(null, '{"x":') },
        { index: 0, ...fn(null, "1}") },
        { index: 0, id: "b", ...fn("g", "{}") },
        { index: 0, id: "a", ...fn(null, " ") }
      )
    ).toEqual([
      ["a", "f", '{"x":1} '],
      ["b", "g", "{}"]
    ])
  })

  it("follows calls by index while their pieces interleave", () => {
    expect(
      callsOf(
        { index: 0, id: "a", ...fn("f", "") },
        { index: 1, id: "b", ...fn("g", "") },
        { index: 0, ...fn(null, "{}") },
        { index: 1, id: "", ...fn("", "[]") }
      )
    ).toEqual([
      ["a", "f", "{}"],
      ["b", "g", "[]"]
    ])
  })

  it("follows calls without ids, without indexes, and with a name that is repeated", () => {
    expect(callsOf({ index: 0, ...fn("f", "{}") }, { index: 0, ...fn("g", "{}") })).toEqual([
      ["call_r_0", "f", "{}"],
      ["call_r_1", "g", "{}"]
    ])
    expect(callsOf({ index: 0, ...fn("f", '{"a":') }, { index: 0, ...fn("f", "1}") })).toEqual([
      ["call_r_0", "f", '{"a":1}']
    ])
    expect(callsOf({ id: "a", ...fn("f", "{") }, fn(null, "}"), { id: "b", ...fn("g", "{}") })).toEqual([
      ["a", "f", "{}"],
      ["b", "g", "{}"]
    ])
  })

  it("reads choice 0 of several", () => {
    const other = { id: "r", model: "m", choices: [{ index: 1, delta: { content: "x" }, finish_reason: "length" }] }
    expect(stream(other, chunk({ content: "a" }), other, finish("stop"), other, "[DONE]").completion).toMatchObject({
      content: [{ type: "text", text: "a" }],
      finishReason: "stop"
    })
  })

  it.each([
    [{ error: { message: "x", type: "server_error" } }, "ProviderServerError"],
    [{ error: "plain" }, "ProviderServerError"],
    [{ id: "r", choices: [], error: { code: 502, message: "x" } }, "ProviderServerError"],
    [{ id: "r", choices: [{ index: 0, delta: {}, error: { code: 429, message: "x" } }] }, "ProviderRateLimited"],
    [{ object: "error", message: "x", code: 400 }, "RequestRejected"],
    [{ id: "r", x_groq: { error: "x" }, choices: [] }, "ProviderServerError"]
  ])("ends with the error that comes as %j, and with nothing after it", (event, tag) => {
    const result = stream(chunk({ content: "a" }), event, finish("stop"), "[DONE]")
    expect(result.error).toMatchObject({ _tag: tag })
    expect(result.parts.map((part) => part.type)).toEqual(["start", "text"])
  })

  it("reads an event named error whatever its data is", () => {
    expect(readText(openAiChat, "event: error\ndata: out of memory\n\n").error).toMatchObject({
      _tag: "ProviderServerError",
      detail: "out of memory"
    })
    expect(readText(openAiChat, 'event: error\ndata: {"message":"x","status_code":400}\n\n').error).toMatchObject({
      _tag: "RequestRejected"
    })
  })

  it("hands on nothing before there is content, so that an early error can still be retried", () => {
    const result = stream(chunk({ role: "assistant", content: "" }), { error: { message: "busy", code: 503 } })
    expect(result).toMatchObject({ parts: [], error: { _tag: "ProviderOverloaded" } })
  })

  it("starts with the first chunk that has an id, not with Azure's filter results", () => {
    const filters = { id: "", model: "", choices: [], prompt_filter_results: [] }
    expect(stream(filters, chunk({ content: "a" }), finish("stop")).parts[0]).toEqual({
      type: "start",
      id: "r",
      model: "m"
    })
  })

  it("fails on an event that is no JSON, and skips JSON that is no chunk", () => {
    expect(stream(chunk({ content: "a" }), "{oops").error).toMatchObject({ _tag: "ProviderInvalidResponse" })
    expect(stream("null", "1", '"ping"', chunk({ content: "a" }), finish("stop")).error).toBeUndefined()
  })

  it("marks the wire event that states usage alone, for doors whose caller did not ask for it", () => {
    const usage = { id: "r", choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }
    const text = sse(chunk({ content: "a" }), finish("stop"), usage, "[DONE]")
    const { completion, parts } = readText(openAiChat, text, { wire: true })
    expect(parts.flatMap((part) => (part.type === "wire" ? [part.usageOnly] : []))).toEqual([
      undefined,
      undefined,
      true
    ])
    expect(completion.usage.estimated).toBe(false)
  })
})
