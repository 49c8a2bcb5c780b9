import { Result } from "effect"
import { describe, expect, it } from "vitest"
import type { Message } from "../../../engine/src/Request.ts"
import { gemini } from "../../../engine/src/protocols/Gemini.ts"
import { endpointOf, readText, requestOf, sent, sse } from "./Samples.ts"

const whole = (body: unknown) =>
  gemini.decodeWhole(typeof body === "string" ? body : JSON.stringify(body), endpointOf())

const chunk = (parts: ReadonlyArray<object>, rest: object = {}, more: object = {}) => ({
  candidates: [{ content: { role: "model", parts }, index: 0, ...rest }],
  modelVersion: "gemini-3-flash",
  responseId: "resp-1",
  ...more
})

const answered = (parts: ReadonlyArray<object>, finishReason = "STOP", more: object = {}) =>
  Result.getOrThrow(whole(chunk(parts, { finishReason }, more)))

const failed = (body: unknown) => Result.getOrThrow(Result.flip(whole(body)))

const stream = (...chunks: ReadonlyArray<unknown>) => readText(gemini, sse(...chunks))

const call = (name: string, args: object = {}, rest: object = {}) => ({ functionCall: { name, args, ...rest } })

/** What a next turn would give back of an answer. */
const givenBack = (content: unknown, model = "gemini-3-flash") => {
  const messages = [
    { role: "user", content: "hi" },
    { role: "assistant", content }
  ] as ReadonlyArray<Message>
  const { contents } = sent(gemini, requestOf({ messages }), endpointOf({ model })).body
  return (contents as ReadonlyArray<{ readonly parts: unknown }>)[1]?.parts
}

describe("Gemini whole answers", () => {
  it("reads text, thoughts and the client's calls of the first candidate, and leaves the provider's own tools out", () => {
    const body = chunk(
      [
        { text: "hm", thought: true },
        { executableCode: { language: "PYTHON", code: "1" } },
        { codeExecutionResult: { outcome: "OUTCOME_OK" } },
        { text: "a" },
        { inlineData: { mimeType: "image/png", data: "AAAA" } },
        {},
        { text: "b" },
        call("add", { a: 1 }, { id: "c1" }),
        call("now")
      ],
      { finishReason: "STOP" }
    )
    const other = { content: { parts: [{ text: "other" }] }, index: 1, finishReason: "MAX_TOKENS" }
    expect(Result.getOrThrow(whole({ ...body, candidates: [other, ...body.candidates] }))).toMatchObject({
      id: "resp-1",
      model: "gemini-3-flash",
      content: [
        { type: "reasoning", text: "hm" },
        { type: "text", text: "ab" },
        { type: "tool-call", id: "c1", name: "add", arguments: '{"a":1}' },
        { type: "tool-call", id: "call_resp1_1", name: "now", arguments: "{}" }
      ],
      finishReason: "tool-calls",
      rawFinishReason: "STOP"
    })
  })

  it("makes ids that are the same for the same answer and differ between answers, also without a response id", () => {
    const idOf = (args: object) => {
      const { responseId: _, ...body } = chunk([call("add", args)])
      return (Result.getOrThrow(whole(body)).content[0] as { readonly id: string }).id
    }
    expect(idOf({ a: 1 })).toBe(idOf({ a: 1 }))
    expect(idOf({ a: 1 })).not.toBe(idOf({ a: 2 }))
    expect(idOf({ a: 1 }).length).toBeLessThanOrEqual(40)
  })

  it.each([
    ["STOP", "stop"],
    ["FUNCTION_CALL", "tool-calls"],
    ["MAX_TOKENS", "length"],
    ["SAFETY", "content-filter"],
    ["RECITATION", "content-filter"],
    ["BLOCKLIST", "content-filter"],
    ["PROHIBITED_CONTENT", "content-filter"],
    ["SPII", "content-filter"],
    ["IMAGE_SAFETY", "content-filter"],
    ["MALFORMED_FUNCTION_CALL", "error"],
    ["LANGUAGE", "other"],
    ["SOMETHING_NEW", "other"]
  ])("reads the finish reason %s as %s", (raw, finishReason) => {
    expect(answered([{ text: "a" }], raw)).toMatchObject({ finishReason, rawFinishReason: raw })
  })

  it("takes a blocked prompt for filtered content, whole or streamed", () => {
    const body = { promptFeedback: { blockReason: "SAFETY", blockReasonMessage: "no" }, usageMetadata: {} }
    const blocked = { content: [], finishReason: "content-filter", rawFinishReason: "SAFETY" }
    expect(Result.getOrThrow(whole(body))).toMatchObject(blocked)
    expect(stream(body)).toMatchObject({ error: undefined, completion: blocked })
  })

  it("counts thoughts as output, prompts for the provider's own tools as input, and what a total has more as output", () => {
    const usageMetadata = {
      promptTokenCount: 100,
      cachedContentTokenCount: 60,
      toolUsePromptTokenCount: 30,
      candidatesTokenCount: 10,
      thoughtsTokenCount: 5,
      totalTokenCount: 150
    }
    expect(answered([], "STOP", { usageMetadata }).usage).toEqual({
      uncachedInput: 70,
      cacheReadInput: 60,
      cacheWriteInput: 0,
      output: 20,
      reasoning: 5,
      estimated: false
    })
    expect(answered([], "STOP", { usageMetadata: { trafficType: "ON_DEMAND" } }).usage).toMatchObject({
      estimated: true
    })
  })

  it("reads a stream that came as one list", () => {
    const chunks = [chunk([{ text: "a" }]), chunk([{ text: "b" }], { finishReason: "STOP" })]
    expect(Result.getOrThrow(whole(chunks))).toMatchObject({
      content: [{ type: "text", text: "ab" }],
      finishReason: "stop"
    })
    expect(readText(gemini, JSON.stringify(chunks)).completion.content).toEqual([{ type: "text", text: "ab" }])
  })

  it("turns an error inside a 200 into a failure", () => {
    const error = { code: 429, status: "RESOURCE_EXHAUSTED", message: "slow down" }
    for (const body of [{ error }, [{ error }]]) {
      expect(failed(body)).toMatchObject({ _tag: "ProviderRateLimited", type: "RESOURCE_EXHAUSTED", code: "429" })
    }
  })

  it.each([
    ["", "an empty body"],
    ["<!doctype html>", "an HTML page instead of JSON"],
    ['{"candidates":[', "a body that is not valid JSON"],
    ["{}", "JSON without candidates"],
    ["[]", "JSON without candidates"]
  ])("says what %j is, and quotes nothing of it", (body, detail) => {
    expect(failed(body)).toMatchObject({ _tag: "ProviderInvalidResponse", detail })
  })
})

describe("Gemini streams", () => {
  it("reads chunks with CRLF, several parts and calls", () => {
    const body = sse(
      chunk([{ text: "hm ", thought: true }]),
      chunk([{ text: "hm", thought: true }, { text: "a" }]),
      chunk([{ text: "b" }, call("add", { a: 1 })]),
      chunk([call("now", {}, { id: "c9" })], { finishReason: "STOP" })
    ).replaceAll("\n", "\r\n")
    expect(readText(gemini, body)).toMatchObject({
      error: undefined,
      completion: {
        id: "resp-1",
        model: "gemini-3-flash",
        content: [
          { type: "reasoning", text: "hm hm" },
          { type: "text", text: "ab" },
          { type: "tool-call", id: "call_resp1_0", name: "add", arguments: '{"a":1}' },
          { type: "tool-call", id: "c9", name: "now", arguments: "{}" }
        ],
        finishReason: "tool-calls"
      }
    })
  })

  it("collects arguments that come in pieces, up to the end of the call, of the next, or of the stream", () => {
    const piece = (jsonPath: string, value: object) => ({
      functionCall: { partialArgs: [{ jsonPath, ...value }], willContinue: true }
    })
    const { completion, parts } = stream(
      chunk([{ functionCall: { name: "add", willContinue: true }, thoughtSignature: "sig" }]),
      chunk([piece("$.list[0].name", { stringValue: "New", willContinue: true })]),
      chunk([piece("$.list[0].name", { stringValue: " York" })]),
      chunk([{ functionCall: {} }]),
      chunk([{ functionCall: { name: "now", willContinue: true } }]),
      chunk([{ functionCall: { name: "at", partialArgs: [{ jsonPath: "$.x", numberValue: 1 }] } }]),
      chunk([{ functionCall: { name: "on", willContinue: true } }]),
      chunk([piece("$.y", { boolValue: true })], { finishReason: "STOP" })
    )
    expect(completion.content).toMatchObject([
      { type: "reasoning", text: "", signature: "gemini:sig" },
      { name: "add", arguments: '{"list":[{"name":"New York"}]}' },
      { name: "now", arguments: "{}" },
      { name: "at", arguments: '{"x":1}' },
      { name: "on", arguments: '{"y":true}' }
    ])
    expect(parts.filter((part) => part.type === "tool-call" && part.id !== undefined)).toHaveLength(4)
  })

  it("takes the last finish reason and the last usage that states a prompt or a total", () => {
    const usage = (usageMetadata: object) => ({ usageMetadata })
    const { completion } = stream(
      chunk(
        [{ text: "a" }],
        { finishReason: "STOP" },
        usage({ promptTokenCount: 9, candidatesTokenCount: 7, totalTokenCount: 16 })
      ),
      chunk([], { finishReason: "RECITATION" }, usage({ promptTokenCount: 20, totalTokenCount: 20 })),
      { candidates: [], usageMetadata: { trafficType: "ON_DEMAND" } }
    )
    expect(completion).toMatchObject({
      finishReason: "content-filter",
      rawFinishReason: "RECITATION",
      usage: { uncachedInput: 20, output: 0 }
    })
  })

  it("is complete with a finish reason at the end of the body, and truncated without", () => {
    expect(stream(chunk([{ text: "a" }])).error).toMatchObject({ _tag: "StreamTruncated" })
    expect(stream(chunk([{ text: "a" }]), chunk([], { finishReason: "STOP" })).error).toBeUndefined()
    expect(stream({ candidates: [{ content: {}, index: 0 }] }).error).toMatchObject({ _tag: "StreamTruncated" })
  })

  it("ends with an error, and with nothing after it; one right at the start comes first", () => {
    const error = { error: { code: 503, status: "UNAVAILABLE", message: "busy" } }
    const late = stream(chunk([{ text: "a" }]), error, chunk([{ text: "b" }], { finishReason: "STOP" }))
    expect(late.error).toMatchObject({ _tag: "ProviderOverloaded", upstreamStatus: 503 })
    expect(late.parts.map((part) => part.type)).toEqual(["start", "text"])
    expect(stream(chunk([]), [error])).toMatchObject({ parts: [], error: { _tag: "ProviderOverloaded" } })
    expect(readText(gemini, "data: {oops\n\n").error).toMatchObject({ _tag: "ProviderInvalidResponse" })
  })

  it("passes every chunk on in wire form, before what is decoded from it", () => {
    const chunks = [chunk([]), chunk([{ text: "a" }]), chunk([], { finishReason: "STOP" })]
    const { parts } = readText(gemini, sse(...chunks), { wire: true })
    expect(parts.flatMap((part) => (part.type === "wire" ? [JSON.parse(part.data) as unknown] : []))).toEqual(chunks)
    expect(parts.map((part) => part.type)).toEqual(["wire", "start", "wire", "text", "wire", "finish"])
  })
})

describe("Gemini thought signatures", () => {
  it("go back with the part that they came with", () => {
    const calls = [
      { text: "hm", thought: true },
      { functionCall: { id: "c1", name: "add", args: { a: 1 } }, thoughtSignature: "sigA" },
      { functionCall: { id: "c2", name: "now", args: {} } }
    ]
    const text = [{ text: "a", thoughtSignature: "sigB" }]
    for (const parts of [calls, text]) {
      expect(givenBack(answered(parts).content)).toEqual(parts)
      const streamed = stream(...parts.map((part) => chunk([part])), chunk([], { finishReason: "STOP" }))
      expect(givenBack(streamed.completion.content)).toEqual(parts)
    }
  })

  it("go back in an empty part at the end, as they came in a stream", () => {
    const { completion } = stream(
      chunk([{ text: "a" }]),
      chunk([{ text: "", thoughtSignature: "sigC" }], { finishReason: "STOP" })
    )
    expect(givenBack(completion.content)).toEqual([{ text: "a" }, { text: "", thoughtSignature: "sigC" }])
  })

  it("are replaced by the documented placeholder for calls of other models, for Gemini 3 alone", () => {
    const content = [
      { type: "reasoning", text: "claude's", signature: "Er4B" },
      { type: "tool-call", id: "c1", name: "add", arguments: "{}" }
    ]
    const part = { functionCall: { id: "c1", name: "add", args: {} } }
    const placed = [{ ...part, thoughtSignature: "skip_thought_signature_validator" }]
    expect(givenBack(content)).toEqual(placed)
    expect(givenBack(content, "gemini-3.1-pro-preview")).toEqual(placed)
    expect(givenBack(content, "gemini-flash-latest")).toEqual(placed)
    expect(givenBack(content, "gemini-2.5-flash")).toEqual([part])
  })
})
