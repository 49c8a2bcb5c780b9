import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { openAiResponses } from "../../../engine/src/protocols/OpenAiResponses.ts"
import { endpointOf, named, type NamedEvent, readText, requestOf, sent } from "./Samples.ts"

const whole = (body: unknown) =>
  openAiResponses.decodeWhole(typeof body === "string" ? body : JSON.stringify(body), endpointOf())

const answered = (output: ReadonlyArray<object>, rest: object = {}) =>
  Result.getOrThrow(whole({ id: "resp_1", object: "response", model: "m", status: "completed", output, ...rest }))

const failed = (body: unknown) => Result.getOrThrow(Result.flip(whole(body)))

const message = (...content: ReadonlyArray<object>) => ({ type: "message", id: "msg_1", role: "assistant", content })
const text = (written: string) => ({ type: "output_text", text: written, annotations: [] })
const call = (call_id: string, rest: object = {}) => ({
  type: "function_call",
  id: `fc_${call_id}`,
  call_id,
  name: "add",
  arguments: '{"a":1}',
  ...rest
})
const reasoning = (rest: object) => ({ type: "reasoning", id: "rs_1", summary: [], ...rest })

const created = { type: "response.created", response: { id: "resp_1", model: "m", status: "in_progress", output: [] } }
const added = (output_index: number, item: object) => ({ type: "response.output_item.added", output_index, item })
const finished = (output_index: number, item: object) => ({ type: "response.output_item.done", output_index, item })
const delta = (kind: string, output_index: number, written: string, rest: object = {}) => ({
  type: `response.${kind}.delta`,
  output_index,
  delta: written,
  ...rest
})
const completed = (rest: object = {}) => ({
  type: "response.completed",
  response: { id: "resp_1", model: "m", status: "completed", output: [], ...rest }
})
const stream = (...events: ReadonlyArray<NamedEvent>) => readText(openAiResponses, named(...events))

describe("OpenAI Responses whole answers", () => {
  it("reads text, refusals, reasoning and the client's calls in their order, and leaves the provider's own tools out", () => {
    const { content, finishReason, id, model } = answered([
      reasoning({
        summary: [
          { type: "summary_text", text: "one" },
          { type: "summary_text", text: "two" }
        ]
      }),
      { type: "web_search_call", id: "ws_1", status: "completed", action: {} },
      message(text("a"), { type: "refusal", refusal: "no" }),
      call("c1"),
      { type: "custom_tool_call", id: "ct_1", call_id: "c2", name: "math", input: "4 + 4" },
      { type: "compaction", id: "cmp_1", encrypted_content: "x" },
      message(text("b"))
    ])
    expect({ id, model, finishReason }).toEqual({ id: "resp_1", model: "m", finishReason: "tool-calls" })
    expect(content).toEqual([
      { type: "reasoning", text: "one\ntwo" },
      { type: "text", text: "a" },
      { type: "refusal", text: "no" },
      { type: "tool-call", id: "c1", name: "add", arguments: '{"a":1}' },
      { type: "tool-call", id: "c2", name: "math", arguments: "4 + 4" },
      { type: "text", text: "b" }
    ])
  })

  it("reads reasoning as it is where the provider gives it instead of a summary", () => {
    const content = [{ type: "reasoning_text", text: "hm" }]
    expect(answered([reasoning({ content })]).content).toEqual([{ type: "reasoning", text: "hm" }])
    const summary = [{ type: "summary_text", text: "in short" }]
    expect(answered([reasoning({ content, summary })]).content).toEqual([{ type: "reasoning", text: "in short" }])
  })

  it.each([
    [{ status: "completed" }, "stop", "completed"],
    [{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }, "length", "max_output_tokens"],
    [{ status: "incomplete", incomplete_details: { reason: "content_filter" } }, "content-filter", "content_filter"],
    [{ status: "incomplete", incomplete_details: null }, "length", "incomplete"],
    [{ status: "queued" }, "other", "queued"],
    [{ status: undefined }, "other", undefined]
  ])("reads how it ended from %j as %s", (rest, finishReason, rawFinishReason) => {
    expect(answered([message(text("a"))], rest)).toMatchObject({ finishReason, rawFinishReason })
  })

  it("takes a refusal for filtered content, and a call for what was waited for", () => {
    const refusal = message({ type: "refusal", refusal: "no" })
    expect(answered([refusal]).finishReason).toBe("content-filter")
    expect(answered([refusal, call("c")]).finishReason).toBe("tool-calls")
  })

  it("splits usage into parts that do not overlap; what a total has more is output", () => {
    const usage = {
      input_tokens: 100,
      input_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 },
      output_tokens: 20,
      output_tokens_details: { reasoning_tokens: 15 },
      total_tokens: 125
    }
    expect(answered([], { usage }).usage).toEqual({
      uncachedInput: 10,
      cacheReadInput: 60,
      cacheWriteInput: 30,
      output: 25,
      reasoning: 15,
      estimated: false
    })
    expect(answered([]).usage).toMatchObject({ output: 0, estimated: true })
  })

  it("turns a failed response and an error inside a 200 into a failure", () => {
    const error = { code: "rate_limit_exceeded", message: "slow down" }
    expect(failed({ id: "r", status: "failed", output: [], error })).toMatchObject({
      _tag: "ProviderRateLimited",
      code: "rate_limit_exceeded",
      upstreamStatus: 200
    })
    expect(failed({ error: { message: "x", type: "server_error" } })).toMatchObject({ _tag: "ProviderServerError" })
    expect(
      failed({ status: "failed", output: [], error: { code: "invalid_prompt", message: "usage policy" } })
    ).toMatchObject({
      _tag: "ContentFiltered"
    })
  })

  it.each([
    ["", "an empty body"],
    ["<!doctype html>", "an HTML page instead of JSON"],
    ['{"output":[', "a body that is not valid JSON"],
    ['{"object":"response"}', "JSON without output"]
  ])("says what %j is, and quotes nothing of it", (body, detail) => {
    expect(failed(body)).toMatchObject({ _tag: "ProviderInvalidResponse", detail })
  })
})

describe("OpenAI Responses streams", () => {
  it("reads deltas of every kind, parallel calls by their place", () => {
    const result = stream(
      created,
      added(0, reasoning({})),
      delta("reasoning_summary_text", 0, "one", { summary_index: 0 }),
      delta("reasoning_summary_text", 0, "two", { summary_index: 1 }),
      delta("reasoning_text", 0, "the same at length", { content_index: 0 }),
      finished(0, reasoning({ summary: [{ type: "summary_text", text: "one" }] })),
      added(1, message()),
      delta("output_text", 1, "a"),
      { type: "response.output_text.annotation.added", output_index: 1, annotation: {} },
      delta("output_text", 1, "b"),
      { type: "response.output_text.done", output_index: 1, text: "ab" },
      finished(1, message(text("ab"))),
      added(2, call("c1", { arguments: "" })),
      added(3, call("c2", { arguments: "" })),
      delta("function_call_arguments", 3, '{"b":'),
      delta("function_call_arguments", 2, '{"a":1}'),
      delta("function_call_arguments", 3, "2}"),
      { type: "response.function_call_arguments.done", output_index: 2, arguments: '{"a":1}' },
      finished(2, call("c1")),
      finished(3, call("c2", { arguments: '{"b":2}' })),
      added(4, { type: "custom_tool_call", id: "ct", call_id: "c3", name: "math", input: "" }),
      delta("custom_tool_call_input", 4, "4 + 4"),
      finished(4, { type: "custom_tool_call", id: "ct", call_id: "c3", name: "math", input: "4 + 4" }),
      completed()
    )
    expect(result.error).toBeUndefined()
    expect(result.completion).toMatchObject({ finishReason: "tool-calls", rawFinishReason: "completed" })
    expect(result.completion.content).toEqual([
      { type: "reasoning", text: "one\ntwo" },
      { type: "text", text: "ab" },
      { type: "tool-call", id: "c1", name: "add", arguments: '{"a":1}' },
      { type: "tool-call", id: "c2", name: "add", arguments: '{"b":2}' },
      { type: "tool-call", id: "c3", name: "math", arguments: "4 + 4" }
    ])
  })

  it("reads items that come without deltas from where they are stated", () => {
    const items = [message(text("a")), call("c1"), reasoning({ content: [{ type: "reasoning_text", text: "hm" }] })]
    const content = [
      { type: "text", text: "a" },
      { type: "tool-call", id: "c1", name: "add", arguments: '{"a":1}' },
      { type: "reasoning", text: "hm" }
    ]
    const done = stream(created, ...items.map((item, index) => finished(index, item)), completed({ output: items }))
    expect(done.completion.content).toEqual(content)
    expect(stream(created, completed({ output: items })).completion.content).toEqual(content)
    const late = stream(
      created,
      added(0, call("c1", { arguments: "" })),
      delta("function_call_arguments", 0, '{"a"'),
      finished(0, call("c1")),
      completed()
    )
    expect(late.completion.content).toEqual([content[1]])
  })

  it("reads refusals", () => {
    const result = stream(created, added(0, message()), delta("refusal", 0, "no"), completed())
    expect(result.completion).toMatchObject({
      content: [{ type: "refusal", text: "no" }],
      finishReason: "content-filter"
    })
  })

  it("takes the id from the end where it is another than at the start", () => {
    const { completion, parts } = stream(created, delta("output_text", 0, "a"), completed({ id: "resp_2" }))
    expect(parts[0]).toEqual({ type: "start", id: "resp_1", model: "m" })
    expect(completion.id).toBe("resp_2")
  })

  it("is complete with response.completed or response.incomplete, and truncated without", () => {
    const begun = [created, delta("output_text", 0, "a")]
    expect(stream(...begun).error).toMatchObject({ _tag: "StreamTruncated" })
    expect(readText(openAiResponses, `${named(...begun)}data: [DONE]\n\n`).error).toMatchObject({
      _tag: "StreamTruncated"
    })
    expect(stream(...begun, completed(), delta("output_text", 0, "b")).completion.content).toEqual([
      { type: "text", text: "a" }
    ])
    const response = { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }
    expect(stream(...begun, { type: "response.incomplete", response })).toMatchObject({
      error: undefined,
      completion: { finishReason: "length" }
    })
  })

  it.each([
    [{ type: "error", code: "rate_limit_exceeded", message: "x", param: null }, "ProviderRateLimited"],
    [{ type: "error", error: { type: "insufficient_quota", message: "x" } }, "ProviderQuotaExceeded"],
    [{ type: "error", code: null, message: "x" }, "ProviderServerError"],
    [
      { type: "response.failed", response: { status: "failed", error: { code: "server_error", message: "x" } } },
      "ProviderServerError"
    ]
  ])("ends with %j as %s, and with nothing after it", (event, tag) => {
    expect(stream(created, event, completed())).toMatchObject({ parts: [], error: { _tag: tag } })
    const late = stream(created, delta("output_text", 0, "a"), event, completed())
    expect(late.error).toMatchObject({ _tag: tag })
    expect(late.parts.map((part) => part.type)).toEqual(["start", "text"])
  })

  it("fails on an event that is no JSON", () => {
    expect(readText(openAiResponses, `${named(created)}data: {oops\n\n`).error).toMatchObject({
      _tag: "ProviderInvalidResponse"
    })
  })

  it("passes every event on in wire form, before what is decoded from it", () => {
    const events = [created, added(0, message()), delta("output_text", 0, "a"), completed()]
    const { parts } = readText(openAiResponses, named(...events), { wire: true })
    expect(parts.flatMap((part) => (part.type === "wire" ? [[part.event, JSON.parse(part.data)]] : []))).toEqual(
      events.map((event) => [event.type, event])
    )
    expect(parts.map((part) => part.type)).toEqual(["wire", "start", "wire", "wire", "text", "wire", "finish"])
  })
})

describe("OpenAI Responses reasoning", () => {
  const summarised = {
    type: "reasoning",
    id: "rs_1",
    summary: [{ type: "summary_text", text: "hm" }],
    encrypted_content: "gAAAA=="
  }
  const told = {
    type: "reasoning",
    id: "rs_2",
    summary: [],
    content: [{ type: "reasoning_text", text: "hm" }],
    encrypted_content: "x"
  }
  const silent = { type: "reasoning", id: "rs_3", summary: [], encrypted_content: "a:b:c" }

  it("goes back as the item that it was, streamed or whole", () => {
    for (const item of [summarised, told, silent]) {
      const whole = answered([item, message(text("a"))]).content
      const streamed = stream(
        created,
        added(0, reasoning({})),
        finished(0, item),
        delta("output_text", 1, "a"),
        completed()
      )
      expect(streamed.completion.content).toEqual(whole)
      const { input } = sent(
        openAiResponses,
        requestOf({ messages: [{ role: "assistant", content: whole as never }] })
      ).body
      expect(input).toEqual([item, { role: "assistant", content: "a" }])
    }
  })

  it("keeps no id that could be read as something else", () => {
    const [block] = answered([{ ...silent, id: "rs:3" }]).content
    const { input } = sent(
      openAiResponses,
      requestOf({ messages: [{ role: "assistant", content: [block as never] }] })
    ).body
    expect(input).toEqual([{ type: "reasoning", summary: [], encrypted_content: "a:b:c" }])
  })
})
