import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../../engine/src/protocols/AnthropicMessages.ts"
import { endpointOf, named, type NamedEvent, readText } from "./Samples.ts"

const whole = (body: unknown) =>
  anthropicMessages.decodeWhole(typeof body === "string" ? body : JSON.stringify(body), endpointOf())

const answered = (content: ReadonlyArray<object>, rest: object = {}) =>
  Result.getOrThrow(whole({ id: "msg_1", type: "message", model: "m", content, stop_reason: "end_turn", ...rest }))

const failed = (body: unknown) => Result.getOrThrow(Result.flip(whole(body)))

const start = (usage: object = { input_tokens: 9, output_tokens: 1 }) => ({
  type: "message_start",
  message: { id: "msg_1", model: "m", content: [], usage }
})
const open = (index: number, content_block: object) => ({ type: "content_block_start", index, content_block })
const delta = (index: number, change: object) => ({ type: "content_block_delta", index, delta: change })
const close = (index: number) => ({ type: "content_block_stop", index })
const end = (stop_reason: string, usage: object = { output_tokens: 5 }) => [
  { type: "message_delta", delta: { stop_reason }, usage },
  { type: "message_stop" }
]
const text = (written: string) => [
  open(0, { type: "text", text: "" }),
  delta(0, { type: "text_delta", text: written }),
  close(0)
]
const stream = (...events: ReadonlyArray<NamedEvent>) => readText(anthropicMessages, named(...events))

describe("Anthropic Messages whole answers", () => {
  it("reads text, thinking with its signature, redacted thinking and the client's tool calls", () => {
    const content = [
      { type: "thinking", thinking: "hm", signature: "sig" },
      { type: "redacted_thinking", data: "xyz" },
      { type: "text", text: "a", citations: [{ cited_text: "q" }] },
      { type: "server_tool_use", id: "s", name: "web_search", input: {} },
      { type: "web_search_tool_result", tool_use_id: "s", content: [] },
      { type: "text", text: "b" },
      { type: "tool_use", id: "t", name: "add", input: { a: 1 } }
    ]
    expect(answered(content, { stop_reason: "tool_use" })).toMatchObject({
      id: "msg_1",
      model: "m",
      content: [
        { type: "reasoning", text: "hm", signature: "sig" },
        { type: "reasoning", text: "", redacted: "xyz" },
        { type: "text", text: "ab" },
        { type: "tool-call", id: "t", name: "add", arguments: '{"a":1}' }
      ],
      finishReason: "tool-calls",
      rawFinishReason: "tool_use"
    })
  })

  it.each([
    ["end_turn", "stop"],
    ["stop_sequence", "stop"],
    ["pause_turn", "stop"],
    ["max_tokens", "length"],
    ["model_context_window_exceeded", "length"],
    ["tool_use", "tool-calls"],
    ["refusal", "content-filter"],
    ["something_new", "other"]
  ])("reads the stop reason %s as %s", (stop_reason, finishReason) => {
    expect(answered([], { stop_reason })).toMatchObject({ finishReason, rawFinishReason: stop_reason })
  })

  it("takes usage as it is: Anthropic's figures do not overlap", () => {
    const usage = {
      input_tokens: 10,
      cache_read_input_tokens: 100,
      cache_creation_input_tokens: 20,
      output_tokens: 7,
      output_tokens_details: { thinking_tokens: 3 }
    }
    expect(answered([], { usage }).usage).toEqual({
      uncachedInput: 10,
      cacheReadInput: 100,
      cacheWriteInput: 20,
      output: 7,
      reasoning: 3,
      estimated: false
    })
    expect(answered([]).usage).toMatchObject({ output: 0, estimated: true })
  })

  it("turns an error inside a 200 into a failure", () => {
    const error = { type: "error", error: { type: "overloaded_error", message: "busy" } }
    expect(failed(error)).toMatchObject({ _tag: "ProviderOverloaded", type: "overloaded_error", upstreamStatus: 200 })
  })

  it.each([
    ["", "an empty body"],
    ["<!doctype html>", "an HTML page instead of JSON"],
    ['{"content":[', "a body that is not valid JSON"],
    ['{"type":"message"}', "JSON without content"]
  ])("says what %j is, and quotes nothing of it", (body, detail) => {
    expect(failed(body)).toMatchObject({ _tag: "ProviderInvalidResponse", detail })
  })
})

describe("Anthropic Messages streams", () => {
  it("reads blocks in their order and leaves the provider's own tools out", () => {
    const result = stream(
      start(),
      { type: "ping" },
      open(0, { type: "thinking", thinking: "", signature: "" }),
      delta(0, { type: "thinking_delta", thinking: "hm" }),
      delta(0, { type: "signature_delta", signature: "sig" }),
      close(0),
      open(1, { type: "redacted_thinking", data: "xyz" }),
      close(1),
      open(2, { type: "server_tool_use", id: "s", name: "web_search", input: {} }),
      delta(2, { type: "input_json_delta", partial_json: '{"q":1}' }),
      close(2),
      open(3, { type: "text", text: "" }),
      delta(3, { type: "text_delta", text: "a" }),
      delta(3, { type: "citations_delta", citation: {} }),
      close(3),
      open(4, { type: "tool_use", id: "t", name: "add", input: {} }),
      delta(4, { type: "input_json_delta", partial_json: "" }),
      delta(4, { type: "input_json_delta", partial_json: '{"a":' }),
      delta(4, { type: "input_json_delta", partial_json: "1}" }),
      close(4),
      open(5, { type: "tool_use", id: "u", name: "now", input: {} }),
      close(5),
      open(6, { type: "tool_use", id: "v", name: "at", input: { x: 1 } }),
      close(6),
      { type: "something_new" },
      ...end("tool_use")
    )
    expect(result.error).toBeUndefined()
    expect(result.completion.content).toEqual([
      { type: "reasoning", text: "hm", signature: "sig" },
      { type: "reasoning", text: "", redacted: "xyz" },
      { type: "text", text: "a" },
      { type: "tool-call", id: "t", name: "add", arguments: '{"a":1}' },
      { type: "tool-call", id: "u", name: "now", arguments: "{}" },
      { type: "tool-call", id: "v", name: "at", arguments: '{"x":1}' }
    ])
  })

  it("takes each figure of usage from where it came last", () => {
    const begun = { input_tokens: 9, cache_read_input_tokens: 4, cache_creation_input_tokens: 2, output_tokens: 1 }
    const usageAfter = (usage: object) => stream(start(begun), ...text("a"), ...end("end_turn", usage)).completion.usage
    expect(usageAfter({ output_tokens: 5 })).toMatchObject({
      uncachedInput: 9,
      cacheReadInput: 4,
      cacheWriteInput: 2,
      output: 5
    })
    expect(usageAfter({ input_tokens: 11, cache_read_input_tokens: null, output_tokens: 5 })).toMatchObject({
      uncachedInput: 11,
      cacheReadInput: 4
    })
  })

  it("is complete with message_stop and truncated without it", () => {
    const [last, stop] = end("end_turn")
    expect(stream(start(), ...text("a"), last!).error).toMatchObject({ _tag: "StreamTruncated" })
    expect(stream(start(), ...text("a"), last!, stop!).error).toBeUndefined()
    expect(stream({ type: "message_stop" }).error).toMatchObject({ _tag: "StreamTruncated" })
  })

  it.each([
    ["overloaded_error", "ProviderOverloaded"],
    ["rate_limit_error", "ProviderRateLimited"],
    ["api_error", "ProviderServerError"],
    ["authentication_error", "ProviderAuthFailed"],
    ["invalid_request_error", "RequestRejected"]
  ])("ends with the error event %s as %s, and with nothing after it", (type, tag) => {
    const event = { type: "error", error: { type, message: "x" } }
    const result = stream(start(), ...text("a"), event, ...end("end_turn"))
    expect(result.error).toMatchObject({ _tag: tag, type })
    expect(result.parts.map((part) => part.type)).toEqual(["start", "text"])
  })

  it("hands on nothing before a block begins, so that an early error can still be retried", () => {
    const busy = { type: "error", error: { type: "overloaded_error", message: "x" } }
    expect(stream(start(), { type: "ping" }, busy)).toMatchObject({ parts: [], error: { _tag: "ProviderOverloaded" } })
  })

  it("ignores a [DONE] that a router adds", () => {
    const result = readText(anthropicMessages, `${named(start(), ...text("a"), ...end("end_turn"))}data: [DONE]\n\n`)
    expect(result).toMatchObject({ error: undefined, completion: { finishReason: "stop" } })
  })

  it("fails on an event that is no JSON", () => {
    expect(readText(anthropicMessages, `${named(start())}data: {oops\n\n`).error).toMatchObject({
      _tag: "ProviderInvalidResponse"
    })
  })

  it("passes every event on in wire form, pings as well, before what is decoded from it", () => {
    const events = [start(), { type: "ping" }, ...text("a"), ...end("end_turn")]
    const { parts } = readText(anthropicMessages, named(...events), { wire: true })
    expect(parts.flatMap((part) => (part.type === "wire" ? [[part.event, JSON.parse(part.data)]] : []))).toEqual(
      events.map((event) => [event.type, event])
    )
    expect(parts.map((part) => part.type)).toEqual([
      "wire",
      "start",
      "wire",
      "wire",
      "wire",
      "text",
      "wire",
      "wire",
      "wire",
      "finish"
    ])
  })
})

it("keeps the id and the model when an event that is new to us comes first", () => {
  const read = stream({ type: "something.new" }, start(), ...text("Hi."), ...end("end_turn"))
  expect(read.completion).toMatchObject({ id: "msg_1", model: "m", content: [{ type: "text", text: "Hi." }] })
})
