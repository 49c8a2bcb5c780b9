/**
 * `POST /v1/responses`: OpenAI's Responses dialect over an upstream of the same dialect, of others, and over none.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { checkResponses, namedEvents, postTo } from "../support/dialects.ts"
import { startGateway, type TestGateway } from "../support/gateway.ts"
import {
  chatChunk,
  chatCompletion,
  chatEvents,
  event,
  eventStream,
  send,
  sendJson,
  startUpstream,
  type TestUpstream
} from "../support/upstream.ts"

let gateway: TestGateway
let openai: TestUpstream
let compatible: TestUpstream
let anthropic: TestUpstream

beforeAll(async () => {
  ;[openai, compatible, anthropic] = await Promise.all([startUpstream(), startUpstream(), startUpstream()])
  const shared = { apiKey: "canary-key", model: "m" }
  gateway = await startGateway({
    providers: [
      { ...shared, name: "openai", baseUrl: `${openai.url}/v1` },
      { ...shared, name: "compatible", kind: "openai-compatible", models: ["m"], baseUrl: `${compatible.url}/v1` },
      { ...shared, name: "anthropic", baseUrl: anthropic.url },
      { name: "simulated", kind: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }
    ],
    retry: { maxAttempts: 1, maxDelay: 1000 },
    breaker: { minimumCalls: 1_000_000 },
    cache: { enabled: false }
  })
})
afterAll(async () => {
  await gateway.close()
  await Promise.all([openai.close(), compatible.close(), anthropic.close()])
})
beforeEach(() => {
  openai.respond = sendJson(200, whole)
  compatible.respond = sendJson(200, chatCompletion("Hello."))
})

const ask = (body: object) => postTo(`${gateway.url}/v1/responses`, { input: "hi", ...body })

const whole = {
  id: "resp_up",
  object: "response",
  status: "completed",
  model: "gpt-up",
  output: [
    { type: "web_search_call", id: "ws_1", status: "completed" },
    {
      type: "message",
      id: "msg_1",
      role: "assistant",
      content: [{ type: "output_text", text: "Hello.", annotations: [] }]
    }
  ],
  usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 },
  brand_new: { deep: [1] }
}

const last = (upstream: TestUpstream) => upstream.requests[upstream.requests.length - 1]!

const viaChat = { model: "compatible/m" }

describe("answers", () => {
  it("a whole answer of a Chat upstream is a response that repeats what was asked", async () => {
    compatible.respond = sendJson(200, {
      ...chatCompletion("Hello."),
      usage: {
        prompt_tokens: 20,
        completion_tokens: 5,
        prompt_tokens_details: { cached_tokens: 12 },
        completion_tokens_details: { reasoning_tokens: 2 }
      }
    })
    const { json, status } = await ask({
      ...viaChat,
      instructions: "Be kind.",
      temperature: 0.5,
      max_output_tokens: 50
    })
    expect(status).toBe(200)
    expect(json).toMatchObject({
      id: expect.stringMatching(/^resp_req_/) as string,
      object: "response",
      status: "completed",
      error: null,
      incomplete_details: null,
      instructions: "Be kind.",
      temperature: 0.5,
      max_output_tokens: 50,
      store: true,
      model: "gpt-test-2026",
      output: [
        {
          id: expect.stringMatching(/^msg_req_/) as string,
          type: "message",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: "Hello.", annotations: [], logprobs: [] }]
        }
      ],
      usage: {
        input_tokens: 20,
        input_tokens_details: { cached_tokens: 12 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 25
      }
    })
    expect(last(compatible).json).toMatchObject({
      messages: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "hi" }
      ],
      max_tokens: 50
    })
  })

  const answered = (message: object, finish_reason: string) =>
    sendJson(200, {
      ...chatCompletion(""),
      choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason }]
    })

  it("reasoning, text, refusal and calls are items in their order", async () => {
    const call = (id: string, written: string) => ({
      id,
      type: "function",
      function: { name: "f", arguments: written }
    })
    compatible.respond = answered(
      { reasoning_content: "Hmm.", content: "Sure.", tool_calls: [call("a", '{"x":1}'), call("b", "")] },
      "tool_calls"
    )
    const { json } = await ask(viaChat)
    expect(json.status).toBe("completed")
    expect(json.output).toMatchObject([
      { type: "reasoning", summary: [{ type: "summary_text", text: "Hmm." }] },
      { type: "message", content: [{ type: "output_text", text: "Sure." }] },
      { type: "function_call", call_id: "a", name: "f", arguments: '{"x":1}', status: "completed" },
      { type: "function_call", call_id: "b", name: "f", arguments: "{}", status: "completed" }
    ])
    expect(new Set(json.output.map(({ id }: { readonly id: string }) => id)).size).toBe(4)
    compatible.respond = answered({ content: null, refusal: "I won't." }, "stop")
    const refused = (await ask(viaChat)).json
    expect(refused).toMatchObject({
      status: "completed",
      output: [{ type: "message", content: [{ type: "refusal", refusal: "I won't." }] }]
    })
  })

  it.each([
    ["length", "max_output_tokens"],
    ["content_filter", "content_filter"]
  ])("an answer that ended by %s is incomplete because of %s", async (reason, because) => {
    compatible.respond = answered({ content: "Cut" }, reason)
    expect((await ask(viaChat)).json).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: because },
      output: [{ status: "incomplete" }]
    })
  })

  it("usage that the provider did not state is estimated and marked", async () => {
    compatible.respond = sendJson(200, { ...chatCompletion("one two three"), usage: undefined })
    expect((await ask(viaChat)).json["x-millrace"]).toEqual({ usage_estimated: true })
    openai.respond = sendJson(200, { ...whole, usage: undefined })
    expect((await ask({ model: "openai/m" })).json).toMatchObject({
      id: "resp_up",
      brand_new: { deep: [1] },
      usage: { output_tokens: expect.any(Number) as number },
      "x-millrace": { usage_estimated: true }
    })
  })
})

describe("streams", () => {
  const stream = async (body: object) => {
    const { headers, text } = await ask({ ...body, stream: true })
    expect(headers.get("content-type")).toBe("text/event-stream; charset=utf-8")
    const events = namedEvents(text)
    checkResponses(events)
    return events.map(({ data }) => data as { readonly [key: string]: any })
  }
  const streamed = (...events: ReadonlyArray<string>) => send(200, eventStream, events.join(""))

  it("text comes in deltas, and the last event holds the whole response", async () => {
    compatible.respond = streamed(...chatEvents(["Good ", "morning."]))
    const events = await stream(viaChat)
    expect(
      events.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => delta as string)
    ).toEqual(["Good ", "morning."])
    expect(events.map(({ type }) => type as string)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed"
    ])
    expect(events.at(-1)!["response"]).toMatchObject({
      status: "completed",
      output: [{ content: [{ text: "Good morning." }] }],
      usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 }
    })
  })

  it("thoughts and interleaved calls are items one after the other", async () => {
    const piece = (index: number, more: object) => event(chatChunk({ tool_calls: [{ index, ...more }] }))
    compatible.respond = streamed(
      event(chatChunk({ role: "assistant", reasoning_content: "Hmm." })),
      piece(0, { id: "a", type: "function", function: { name: "f", arguments: "" } }),
      piece(1, { id: "b", type: "function", function: { name: "g", arguments: '{"y":2}' } }),
      piece(0, { function: { arguments: '{"x":1}' } }),
      event(chatChunk({}, "tool_calls")),
      "data: [DONE]\n\n"
    )
    const events = await stream(viaChat)
    expect(events.at(-1)!["response"].output).toMatchObject([
      { type: "reasoning" },
      { type: "function_call", call_id: "a", arguments: '{"x":1}' },
      { type: "function_call", call_id: "b", arguments: '{"y":2}' }
    ])
  })

  it("an answer that was cut ends with response.incomplete", async () => {
    compatible.respond = streamed(
      event(chatChunk({ role: "assistant", content: "Cut" })),
      event(chatChunk({}, "length")),
      "data: [DONE]\n\n"
    )
    expect((await stream(viaChat)).at(-1)).toMatchObject({
      type: "response.incomplete",
      response: { incomplete_details: { reason: "max_output_tokens" } }
    })
  })

  it("what breaks off after the first part ends with response.failed", async () => {
    compatible.respond = (response) => {
      response.writeHead(200, eventStream)
      response.write(event(chatChunk({ role: "assistant", content: "Good" })))
      setImmediate(() => response.destroy())
    }
    const { text } = await ask({ ...viaChat, stream: true })
    const events = namedEvents(text)
    expect(events.map(({ data }) => data.sequence_number as number)).toEqual(events.map((_, index) => index))
    expect(events.at(-1)).toMatchObject({
      event: "response.failed",
      data: {
        response: {
          status: "failed",
          error: { code: "server_error", message: expect.stringContaining("ended early") as string }
        }
      }
    })
  })

  it("a failure before the first part has its status, in OpenAI's shape", async () => {
    compatible.respond = sendJson(503, { error: { message: "busy" } })
    const { json, status } = await ask({ ...viaChat, stream: true })
    expect(status).toBe(503)
    expect(json.error).toMatchObject({ type: "server_error", code: "provider_overloaded" })
  })
})

describe("requests to another dialect", () => {
  it("items become turns: one of the model for its neighbours, one for their results", async () => {
    const { headers, status } = await ask({
      ...viaChat,
      store: true,
      metadata: { a: "b" },
      text: {
        format: { type: "json_schema", name: "out", schema: { type: "object" }, strict: true },
        verbosity: "low"
      },
      tools: [{ type: "function", name: "f", description: "looks", parameters: { type: "object" }, strict: false }],
      tool_choice: { type: "function", name: "f" },
      parallel_tool_calls: false,
      reasoning: { effort: "low", summary: "auto" },
      include: ["reasoning.encrypted_content"],
      input: [
        { role: "developer", content: "Be kind." },
        {
          type: "message",
          role: "user",
          content: [
            { type: "input_text", text: "What is this?" },
            { type: "input_image", image_url: "https://example.com/a.png", detail: "low" },
            { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,aGk=" }
          ]
        },
        {
          type: "reasoning",
          id: "rs_1",
          summary: [{ type: "summary_text", text: "Look." }],
          encrypted_content: "gAAA"
        },
        {
          type: "message",
          role: "assistant",
          id: "msg_1",
          status: "completed",
          content: [{ type: "output_text", text: "A", annotations: [] }]
        },
        { type: "function_call", id: "fc_1", call_id: "c1", name: "f", arguments: '{"q":1}', status: "completed" },
        { type: "function_call", call_id: "c2", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: "one" },
        { type: "function_call_output", call_id: "c2", output: [{ type: "input_text", text: "two" }] },
        { role: "user", content: "Now?" }
      ]
    })
    expect(status).toBe(200)
    const call = (id: string, written: string) => ({
      id,
      type: "function",
      function: { name: "f", arguments: written }
    })
    expect(last(compatible).json).toEqual({
      model: "m",
      stream: false,
      messages: [
        { role: "system", content: "Be kind." },
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "low" } },
            { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,aGk=" } }
          ]
        },
        {
          role: "assistant",
          content: "A",
          reasoning_content: "Look.",
          tool_calls: [call("c1", '{"q":1}'), call("c2", "{}")]
        },
        { role: "tool", tool_call_id: "c1", content: "one" },
        { role: "tool", tool_call_id: "c2", content: "two" },
        { role: "user", content: "Now?" }
      ],
      tools: [
        {
          type: "function",
          function: { name: "f", description: "looks", parameters: { type: "object" }, strict: false }
        }
      ],
      tool_choice: { type: "function", function: { name: "f" } },
      parallel_tool_calls: false,
      response_format: { type: "json_schema", json_schema: { name: "out", schema: { type: "object" }, strict: true } },
      reasoning_effort: "low"
    })
    expect(headers.get("x-millrace-omitted")).toBe("metadata, text.verbosity, reasoning.summary")
  })

  it.each([
    ["state at OpenAI", { previous_response_id: "resp_1" }, "previous_response_id"],
    ["a conversation", { conversation: "conv_1" }, "conversation"],
    ["work in the background", { background: true }, "background"],
    ["a stored prompt", { prompt: { id: "p" }, input: undefined }, "prompt"],
    ["a tool of OpenAI's", { tools: [{ type: "web_search" }] }, "tools of type web_search"],
    ["an item that stands elsewhere", { input: [{ type: "item_reference", id: "x" }] }, "items of type item_reference"],
    ["truncation", { truncation: "auto" }, "truncation"],
    ["log probabilities", { top_logprobs: 3 }, "log probabilities"]
  ])("%s is a 400 that names it, and nothing is sent", async (_, body, named) => {
    const before = compatible.requests.length
    const { json, status } = await ask({ ...viaChat, ...body })
    expect(status).toBe(400)
    expect(json.error.message).toContain(named)
    expect(compatible.requests.length).toBe(before)
    expect((await ask({ model: "openai/m", ...body })).status).toBe(200)
  })

  it("Anthropic's signed thoughts come and go in encrypted_content", async () => {
    anthropic.respond = sendJson(200, {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "claude-up",
      content: [
        { type: "thinking", thinking: "Look.", signature: "EqQB" },
        { type: "redacted_thinking", data: "hidden" },
        { type: "tool_use", id: "t1", name: "f", input: { q: 1 } }
      ],
      stop_reason: "tool_use",
      usage: { input_tokens: 9, output_tokens: 3 }
    })
    const { json } = await ask({ model: "anthropic/m" })
    await ask({
      model: "anthropic/m",
      input: [
        { role: "user", content: "hi" },
        ...json.output,
        { type: "function_call_output", call_id: "t1", output: "ok" }
      ]
    })
    expect(last(anthropic).json["messages"][1]).toEqual({
      role: "assistant",
      content: [
        { type: "thinking", thinking: "Look.", signature: "EqQB" },
        { type: "redacted_thinking", data: "hidden" },
        { type: "tool_use", id: "t1", name: "f", input: { q: 1 } }
      ]
    })
    const { headers } = await ask({ model: "openai/m", input: [{ role: "user", content: "hi" }, ...json.output] })
    expect(headers.get("x-millrace-omitted")).toBe("input[1], input[2]")
    expect(last(openai).json["input"]).toHaveLength(2)
  })
})

describe("what is remembered here", () => {
  const tool_calls = [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }]
  const calling = sendJson(200, {
    ...chatCompletion(""),
    choices: [{ index: 0, message: { role: "assistant", content: "Look.", tool_calls }, finish_reason: "tool_calls" }]
  })
  const result = { type: "function_call_output", call_id: "c1", output: "ok" }
  const turns = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "Look.", tool_calls },
    { role: "tool", tool_call_id: "c1", content: "ok" }
  ]

  it("an earlier response is gone on from by its id, and items of it by theirs", async () => {
    compatible.respond = calling
    const { json } = await ask(viaChat)
    await ask({ ...viaChat, previous_response_id: json.id, input: [result] })
    expect(last(compatible).json["messages"]).toEqual(turns)
    const references = json.output.map(({ id }: { readonly id: string }) => ({ type: "item_reference", id }))
    await ask({ ...viaChat, input: [{ role: "user", content: "hi" }, ...references, result] })
    expect(last(compatible).json["messages"]).toEqual(turns)
  })

  it("a chain of responses keeps all of its turns, streamed ones too", async () => {
    compatible.respond = send(200, eventStream, chatEvents(["one"]).join(""))
    const { text } = await ask({ ...viaChat, stream: true })
    const first = namedEvents(text).at(-1)!.data.response.id as string
    compatible.respond = sendJson(200, chatCompletion("two"))
    const second = (await ask({ ...viaChat, previous_response_id: first, input: "next" })).json.id as string
    await ask({ ...viaChat, previous_response_id: second, input: "last" })
    expect(last(compatible).json["messages"]).toEqual([
      { role: "user", content: "hi" },
      { role: "assistant", content: "one" },
      { role: "user", content: "next" },
      { role: "assistant", content: "two" },
      { role: "user", content: "last" }
    ])
  })

  it("nothing is kept with store: false, and nothing is another tenant's", async () => {
    const kept = (await ask(viaChat)).json.id as string
    const dropped = (await ask({ ...viaChat, store: false })).json.id as string
    const go = (previous_response_id: string, headers = {}) =>
      postTo(`${gateway.url}/v1/responses`, { ...viaChat, input: "next", previous_response_id }, { headers })
    expect((await go(kept)).status).toBe(200)
    expect((await go(kept, { "x-millrace-tenant": "other" })).status).toBe(400)
    const { json, status } = await go(dropped)
    expect(status).toBe(400)
    expect(json.error.message).toContain("previous_response_id")
  })
})

describe("over OpenAI", () => {
  it("the request goes to its Responses API as it is, and the answer comes back as it is", async () => {
    const body = {
      previous_response_id: "resp_0",
      tools: [{ type: "web_search" }],
      include: ["web_search_call.action.sources"],
      brand_new: { deep: [1] }
    }
    const { headers, text } = await ask({ model: "openai/m", ...body })
    expect(last(openai).path).toBe("/v1/responses")
    expect(last(openai).json).toEqual({ input: "hi", ...body, model: "m", stream: false })
    expect(text).toBe(JSON.stringify(whole))
    expect(headers.get("x-millrace-omitted")).toBeNull()
  })

  const events = [
    {
      type: "response.created",
      sequence_number: 0,
      response: { ...whole, status: "in_progress", output: [], usage: null }
    },
    { type: "response.web_search_call.searching", sequence_number: 1, item_id: "ws_1", output_index: 0 },
    {
      type: "response.output_item.added",
      sequence_number: 2,
      output_index: 1,
      item: { type: "message", id: "msg_1", content: [] }
    },
    {
      type: "response.output_text.delta",
      sequence_number: 3,
      output_index: 1,
      content_index: 0,
      item_id: "msg_1",
      delta: "Hello."
    },
    { type: "response.brand_new", sequence_number: 4 },
    { type: "response.completed", sequence_number: 5, response: whole }
  ]
  const named = (list: ReadonlyArray<{ readonly type: string }>) =>
    list.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join("")

  it("a stream goes through untouched, with the names of its events", async () => {
    openai.respond = send(200, eventStream, named(events))
    expect((await ask({ model: "openai/m", stream: true })).text).toBe(named(events))
  })

  it("a stream that breaks off ends with response.failed and the next number", async () => {
    openai.respond = send(200, eventStream, named(events.slice(0, 4)))
    const { text } = await ask({ model: "openai/m", stream: true })
    expect(text.startsWith(named(events.slice(0, 4)))).toBe(true)
    expect(namedEvents(text).at(-1)!.data).toMatchObject({
      type: "response.failed",
      sequence_number: 4,
      response: { id: "resp_up", status: "failed" }
    })
  })

  it("a stream whose upstream states no usage gets an estimate in its last event", async () => {
    const bare = [...events.slice(0, 5), { ...events[5]!, response: { ...whole, usage: undefined } }]
    openai.respond = send(200, eventStream, named(bare))
    const { text } = await ask({ model: "openai/m", stream: true })
    expect(namedEvents(text).at(-1)!.data.response).toMatchObject({
      brand_new: { deep: [1] },
      usage: { output_tokens: expect.any(Number) as number },
      "x-millrace": { usage_estimated: true }
    })
  })
})

describe("errors", () => {
  it.each([
    [{ input: 5 }, "input"],
    [{ input: [] }, "input"],
    [{ input: undefined }, "input"],
    [{ input: [{ role: "user", content: [{ type: "input_text", text: 1 }] }] }, "input[0].content[0].text"],
    [{ temperature: 3 }, "temperature"],
    [{ max_output_tokens: 0 }, "max_output_tokens"],
    [{ tools: [{ type: "function" }] }, "tools[0].name"],
    [{ reasoning: { effort: "huge" } }, "reasoning.effort"],
    [{ text: { format: { type: "json_schema", name: "x" } } }, "text.format.schema"]
  ])("%o is a 400 that names %s, whoever would answer", async (body, field) => {
    for (const model of ["compatible/m", "openai/m", "simulated/simulated"]) {
      const { json, status } = await ask({ model, ...body })
      expect(status).toBe(400)
      expect(json.error).toMatchObject({ type: "invalid_request_error", param: field })
    }
  })

  it("an unknown model is 404 and is named", async () => {
    const { json, status } = await ask({ model: "nobody/nothing" })
    expect(status).toBe(404)
    expect(json.error).toMatchObject({ code: "model_not_found" })
    expect(json.error.message).toContain("nobody/nothing")
  })
})
