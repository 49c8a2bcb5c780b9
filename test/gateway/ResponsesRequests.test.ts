/**
 * What becomes of bodies of `POST /v1/responses`: over an upstream of the same dialect they go through, over any other they are
 * translated, reported or refused; and what is remembered of earlier responses.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { responseAnswer as whole, signedThoughts } from "../support/answers.ts"
import { namedEvents, postTo } from "../support/dialects.ts"
import { last, openDoors } from "../support/doors.ts"
import { startGateway, type TestGateway } from "../support/gateway.ts"
import { chatCompletion, chatEvents, eventStream, send, sendJson, type TestUpstream } from "../support/upstream.ts"

let gateway: TestGateway
let openai: TestUpstream
let compatible: TestUpstream
let anthropic: TestUpstream
let close: () => Promise<void>

beforeAll(async () => {
  ;({ close, gateway, openai, compatible, anthropic } = await openDoors())
})
afterAll(() => close())
beforeEach(() => {
  openai.respond = sendJson(200, whole)
  compatible.respond = sendJson(200, chatCompletion("Hello."))
})

const ask = (body: object) => postTo(`${gateway.url}/v1/responses`, { input: "hi", ...body })

const viaChat = { model: "compatible/m" }

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
    ["truncation", { truncation: "auto" }, "truncation"]
  ])("%s is a 400 that names it, and nothing is sent", async (_, body, named) => {
    const before = compatible.requests.length
    const { json, status } = await ask({ ...viaChat, ...body })
    expect(status).toBe(400)
    expect(json.error.message).toContain(named)
    expect(compatible.requests.length).toBe(before)
    expect((await ask({ model: "openai/m", ...body })).status).toBe(200)
  })

  it("Anthropic's signed thoughts come and go in encrypted_content", async () => {
    anthropic.respond = sendJson(200, signedThoughts)
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

it("what adds to something that OpenAI keeps is never answered from the cache", async () => {
  const cached = await startGateway({
    providers: [{ name: "openai", apiKey: "canary-key", model: "m", baseUrl: `${openai.url}/v1` }],
    cache: { enabled: true }
  })
  const caches = async (more: object) => {
    const got = []
    for (let i = 0; i < 2; i++) {
      const { headers } = await postTo(`${cached.url}/v1/responses`, { model: "openai/m", input: "hi", ...more })
      got.push(headers.get("x-millrace-cache"))
    }
    return got
  }
  expect(await caches({})).toEqual(["miss", "hit"])
  expect(await caches({ conversation: "conv_1" })).toEqual(["bypass", "bypass"])
  await cached.close()
})
