/**
 * What becomes of bodies of `POST /v1/messages` and `/v1/messages/count_tokens`: over an upstream of the same dialect they go
 * through, over any other they are translated, reported or refused.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { messageAnswer as message } from "../support/answers.ts"
import { namedEvents, postTo } from "../support/dialects.ts"
import { last, openDoors } from "../support/doors.ts"
import type { TestGateway } from "../support/gateway.ts"
import { chatCompletion, eventStream, send, sendJson, type TestUpstream } from "../support/upstream.ts"

let gateway: TestGateway
let openai: TestUpstream
let anthropic: TestUpstream
let close: () => Promise<void>

beforeAll(async () => {
  ;({ close, gateway, openai, anthropic } = await openDoors())
})
afterAll(() => close())
beforeEach(() => {
  openai.respond = sendJson(200, chatCompletion("Hello."))
  anthropic.respond = sendJson(200, message)
})

const ask = (body: object, headers: { readonly [name: string]: string } = {}) =>
  postTo(
    `${gateway.url}/v1/messages`,
    { max_tokens: 100, ...body },
    { headers: { "anthropic-version": "1", ...headers } }
  )

const hi = { messages: [{ role: "user", content: "hi" }] }
const viaOpenai = { model: "openai/m", ...hi }
const viaAnthropic = { model: "anthropic/m", ...hi }

describe("requests to another dialect", () => {
  it("system, images, documents, thoughts, calls and results get their places", async () => {
    const { headers, status } = await ask({
      model: "openai/m",
      system: [{ type: "text", text: "Be kind.", cache_control: { type: "ephemeral" } }],
      temperature: 0.3,
      stop_sequences: ["END"],
      tools: [{ name: "f", description: "looks", input_schema: { type: "object" }, strict: true }],
      tool_choice: { type: "any", disable_parallel_tool_use: true },
      metadata: { user_id: "u" },
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } },
            { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
            {
              type: "document",
              title: "a.pdf",
              source: { type: "base64", media_type: "application/pdf", data: "aGk=" }
            }
          ]
        },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Look.", signature: "sig" },
            { type: "tool_use", id: "t1", name: "f", input: { q: 1 } }
          ]
        },
        {
          role: "user",
          content: [
            { type: "text", text: "Now?" },
            { type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "a cat" }], is_error: true }
          ]
        }
      ]
    })
    expect(status).toBe(200)
    expect(last(openai).json).toEqual({
      model: "m",
      stream: false,
      temperature: 0.3,
      stop: ["END"],
      max_tokens: 100,
      tools: [
        {
          type: "function",
          function: { name: "f", description: "looks", parameters: { type: "object" }, strict: true }
        }
      ],
      tool_choice: "required",
      parallel_tool_calls: false,
      messages: [
        { role: "system", content: "Be kind." },
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } },
            { type: "image_url", image_url: { url: "https://example.com/a.png" } },
            { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,aGk=" } }
          ]
        },
        {
          role: "assistant",
          content: null,
          reasoning_content: "Look.",
          tool_calls: [{ id: "t1", type: "function", function: { name: "f", arguments: '{"q":1}' } }]
        },
        { role: "tool", tool_call_id: "t1", content: "a cat" },
        { role: "user", content: "Now?" }
      ]
    })
    expect(headers.get("x-millrace-omitted")).toBe("system[0].cache_control, metadata, messages[3].content[0].isError")
  })

  it.each([
    ["a tool of Anthropic's", { tools: [{ type: "web_search_20250305", name: "s" }] }, "web_search_20250305"],
    ["MCP servers", { mcp_servers: [{ type: "url", url: "https://example.com", name: "x" }] }, "mcp_servers"],
    [
      "a search result",
      { messages: [{ role: "user", content: [{ type: "search_result", source: "s", title: "t", content: [] }] }] },
      "content blocks of type search_result"
    ]
  ])("%s is a 400 that names it, and nothing is sent", async (_, body, named) => {
    const before = openai.requests.length
    const { json, status } = await ask({ ...viaOpenai, ...body })
    expect(status).toBe(400)
    expect(json).toMatchObject({ type: "error", error: { type: "invalid_request_error" } })
    expect(json.error.message).toContain(named)
    expect(openai.requests.length).toBe(before)
    expect((await ask({ ...viaAnthropic, ...body })).status).toBe(200)
  })

  it("a chain goes on to a provider that can, when the first can't carry the request", async () => {
    anthropic.respond = sendJson(529, { type: "error", error: { type: "overloaded_error", message: "busy" } })
    const { headers, status } = await ask({ ...hi, model: "both", metadata: { user_id: "u" } })
    expect(status).toBe(200)
    expect(headers.get("x-millrace-provider")).toBe("openai")
    expect(headers.get("x-millrace-omitted")).toBe("metadata")
  })
})

describe("over an Anthropic upstream", () => {
  it("unknown fields and the beta header go through, both ways", async () => {
    const body = {
      ...viaAnthropic,
      top_k: 4,
      container: "c_1",
      brand_new: { deep: [1] },
      messages: [{ role: "user", content: [{ type: "brand_new_block", x: 1, cache_control: { type: "ephemeral" } }] }]
    }
    const { headers, text } = await ask(body, { "anthropic-beta": "files-2025, other", "x-unrelated": "1" })
    expect(last(anthropic).json).toEqual({ max_tokens: 100, ...body, model: "m", stream: false })
    expect(last(anthropic).headers).toMatchObject({ "anthropic-beta": "files-2025, other", "x-api-key": "canary-key" })
    expect(last(anthropic).headers["x-unrelated"]).toBeUndefined()
    expect(text).toBe(JSON.stringify(message))
    expect(headers.get("x-millrace-omitted")).toBeNull()
  })

  const events = [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: { type: "server_tool_use", id: "s", name: "web_search" } },
    { type: "content_block_stop", index: 0 },
    { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
    { type: "ping" },
    { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "Hi" } },
    { type: "content_block_delta", index: 1, delta: { type: "citations_delta", citation: { type: "brand_new" } } },
    { type: "content_block_stop", index: 1 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 7 }, brand_new: true },
    { type: "message_stop" }
  ]
  const named = (list: ReadonlyArray<{ readonly type: string }>) =>
    list.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join("")

  it("a stream goes through untouched, with the names of its events", async () => {
    anthropic.respond = send(200, eventStream, named(events))
    const { text } = await ask({ ...viaAnthropic, stream: true })
    expect(text).toBe(named(events))
  })

  it("a stream that breaks off ends with an error event of ours", async () => {
    anthropic.respond = send(200, eventStream, named(events.slice(0, 6)))
    const { text } = await ask({ ...viaAnthropic, stream: true })
    expect(text.startsWith(named(events.slice(0, 6)))).toBe(true)
    expect(namedEvents(text).at(-1)).toMatchObject({ event: "error", data: { error: { type: "api_error" } } })
  })

  it("a stream whose upstream states no usage gets an estimate in message_delta", async () => {
    const bare = events.map(({ usage: _, ...data }: { readonly type: string; readonly usage?: unknown }) =>
      data.type === "message_start" ? { ...data, message: { ...message, content: [], usage: undefined } } : data
    )
    anthropic.respond = send(200, eventStream, named(bare))
    const { text } = await ask({ ...viaAnthropic, stream: true })
    expect(namedEvents(text).map(({ event: name }) => name)).toEqual(bare.map(({ type }) => type))
    expect(namedEvents(text).at(-2)!.data).toMatchObject({
      brand_new: true,
      usage: { output_tokens: expect.any(Number) as number },
      "x-millrace": { usage_estimated: true }
    })
  })

  it("thoughts that Anthropic did not sign are taken out and reported; its own stay", async () => {
    const { headers, status } = await ask({
      model: "anthropic/m",
      messages: [
        ...hi.messages,
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "mine", signature: "EqQB" },
            { type: "thinking", thinking: "unsigned", signature: "" },
            { type: "thinking", thinking: "of Gemini", signature: "gemini:CiQB" },
            { type: "text", text: "Hello." }
          ]
        },
        ...hi.messages
      ]
    })
    expect(status).toBe(200)
    expect(last(anthropic).json["messages"][1].content).toEqual([
      { type: "thinking", thinking: "mine", signature: "EqQB" },
      { type: "text", text: "Hello." }
    ])
    expect(headers.get("x-millrace-omitted")).toBe("messages[1].content[1], messages[1].content[2]")
  })
})

describe("count_tokens", () => {
  const count = (body: object) => postTo(`${gateway.url}/v1/messages/count_tokens`, { ...hi, ...body })

  it("an Anthropic upstream counts by itself", async () => {
    anthropic.respond = sendJson(200, { input_tokens: 4242 })
    const { json } = await count({ model: "anthropic/m", system: "Be kind.", brand_new: 1 })
    expect(json).toEqual({ input_tokens: 4242 })
    expect(last(anthropic).path).toBe("/v1/messages/count_tokens")
    expect(last(anthropic).json).toEqual({ model: "m", system: "Be kind.", ...hi })
  })

  it("an upstream of that dialect without the endpoint, and any other, get our estimate", async () => {
    anthropic.respond = sendJson(404, { error: "no" })
    const estimates = [await count({ model: "anthropic/m" }), await count({ model: "openai/m" }), await count({})]
    for (const { json, status } of estimates) {
      expect(status).toBe(200)
      expect(json.input_tokens).toBeGreaterThan(0)
    }
  })

  it("a refused key is our fault and not the caller's; a wrong field is the caller's", async () => {
    anthropic.respond = sendJson(401, { type: "error", error: { type: "authentication_error", message: "no" } })
    const refused = await count({ model: "anthropic/m" })
    expect([refused.status, refused.headers.get("x-millrace-fault")]).toEqual([502, "provider"])
    expect((await count({ model: "anthropic/m", messages: 5 })).status).toBe(400)
    expect((await count({ model: "nobody/x" })).status).toBe(404)
  })
})
