/**
 * `POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's dialect over an upstream of the same dialect, of
 * OpenAI's, and over none.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { eventsOf } from "../support/client.ts"
import { checkMessages, namedEvents, postTo } from "../support/dialects.ts"
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
let anthropic: TestUpstream

beforeAll(async () => {
  openai = await startUpstream()
  anthropic = await startUpstream()
  const shared = { apiKey: "canary-key", model: "m" }
  gateway = await startGateway({
    providers: [
      { ...shared, name: "openai", baseUrl: `${openai.url}/v1` },
      { ...shared, name: "anthropic", baseUrl: anthropic.url },
      { name: "simulated", kind: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }
    ],
    aliases: { both: ["anthropic/m", "openai/m"] },
    retry: { maxAttempts: 1, maxDelay: 1000 },
    breaker: { minimumCalls: 1_000_000 },
    cache: { enabled: false }
  })
})
afterAll(async () => {
  await gateway.close()
  await openai.close()
  await anthropic.close()
})
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

const message = {
  id: "msg_up",
  type: "message",
  role: "assistant",
  model: "claude-up",
  content: [{ type: "text", text: "Hello." }],
  stop_reason: "end_turn",
  stop_sequence: null,
  container: { id: "c_1", expires_at: "2026-01-01T00:00:00Z" },
  usage: { input_tokens: 9, cache_read_input_tokens: 4, cache_creation_input_tokens: 2, output_tokens: 3 }
}

const last = (upstream: TestUpstream) => upstream.requests[upstream.requests.length - 1]!

describe("answers", () => {
  it("a whole answer of OpenAI is a message; its input excludes what was cached", async () => {
    openai.respond = sendJson(200, {
      ...chatCompletion("Hello."),
      usage: { prompt_tokens: 20, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 12 } }
    })
    const { headers, json, status } = await ask(viaOpenai)
    expect(status).toBe(200)
    expect(json).toEqual({
      id: expect.stringMatching(/^msg_req_/) as string,
      type: "message",
      role: "assistant",
      model: "gpt-test-2026",
      content: [{ type: "text", text: "Hello.", citations: null }],
      stop_reason: "end_turn",
      stop_sequence: null,
      stop_details: null,
      usage: { input_tokens: 8, cache_read_input_tokens: 12, cache_creation_input_tokens: 0, output_tokens: 5 }
    })
    expect(headers.get("x-millrace-provider")).toBe("openai")
    expect(headers.get("x-millrace-omitted")).toBeNull()
  })

  it.each([
    ["stop", "end_turn"],
    ["length", "max_tokens"],
    ["content_filter", "refusal"]
  ])("OpenAI's finish reason %s is %s", async (reason, stop) => {
    openai.respond = sendJson(200, {
      ...chatCompletion("Hello."),
      choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: reason }]
    })
    expect((await ask(viaOpenai)).json.stop_reason).toBe(stop)
  })

  it("a refusal is text with the stop reason refusal and its words as explanation", async () => {
    openai.respond = sendJson(200, {
      ...chatCompletion(""),
      choices: [{ index: 0, message: { role: "assistant", content: null, refusal: "I won't." }, finish_reason: "stop" }]
    })
    expect((await ask(viaOpenai)).json).toMatchObject({
      content: [{ type: "text", text: "I won't." }],
      stop_reason: "refusal",
      stop_details: { type: "refusal", category: null, explanation: "I won't." }
    })
  })

  it("calls are tool_use blocks; arguments that are no JSON stay the text they are", async () => {
    const call = (id: string, written: string) => ({
      id,
      type: "function",
      function: { name: "f", arguments: written }
    })
    const tool_calls = [call("a", '{"x":1}'), call("b", ""), call("c", '{"x":')]
    openai.respond = sendJson(200, {
      ...chatCompletion(""),
      choices: [{ index: 0, message: { role: "assistant", content: null, tool_calls }, finish_reason: "tool_calls" }]
    })
    const { json } = await ask(viaOpenai)
    expect(json.stop_reason).toBe("tool_use")
    expect(json.content).toEqual([
      { type: "tool_use", id: "a", name: "f", input: { x: 1 } },
      { type: "tool_use", id: "b", name: "f", input: {} },
      { type: "tool_use", id: "c", name: "f", input: '{"x":' }
    ])
  })

  it("reasoning of another provider is a thinking block without a signature", async () => {
    openai.respond = sendJson(200, {
      ...chatCompletion("Hello."),
      choices: [
        { index: 0, message: { role: "assistant", content: "Hi", reasoning_content: "Hmm." }, finish_reason: "stop" }
      ]
    })
    expect((await ask(viaOpenai)).json.content).toEqual([
      { type: "thinking", thinking: "Hmm.", signature: "" },
      { type: "text", text: "Hi", citations: null }
    ])
  })

  it("usage that the provider did not state is estimated and marked", async () => {
    openai.respond = sendJson(200, { ...chatCompletion("one two three"), usage: undefined })
    const { json } = await ask(viaOpenai)
    expect(json["x-millrace"]).toEqual({ usage_estimated: true })
    expect(json.usage.output_tokens).toBeGreaterThan(0)
    anthropic.respond = sendJson(200, { ...message, usage: undefined })
    const passed = (await ask(viaAnthropic)).json
    expect(passed["x-millrace"]).toEqual({ usage_estimated: true })
    expect(passed).toMatchObject({ id: "msg_up", container: message.container })
  })
})

describe("streams", () => {
  const stream = async (body: object) => {
    const { headers, text } = await ask({ ...body, stream: true })
    expect(headers.get("content-type")).toBe("text/event-stream; charset=utf-8")
    const events = namedEvents(text)
    checkMessages(events)
    return events.map(({ data }) => data as { readonly [key: string]: any })
  }
  const streamed = (...events: ReadonlyArray<string>) => send(200, eventStream, events.join(""))

  it("text comes as one block, with the provider's usage at the end", async () => {
    openai.respond = streamed(...chatEvents(["Good ", "morning."]))
    const events = await stream(viaOpenai)
    expect(events.filter(({ type }) => type === "content_block_delta").map(({ delta }) => delta.text)).toEqual([
      "Good ",
      "morning."
    ])
    expect(events.at(-2)).toMatchObject({
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { input_tokens: 9, output_tokens: 3 }
    })
    expect(events[0]!["message"].usage.input_tokens).toBeGreaterThan(0)
  })

  it("thoughts, text and parallel calls are blocks one after the other, also when calls interleave", async () => {
    const piece = (index: number, more: object) => event(chatChunk({ tool_calls: [{ index, ...more }] }))
    openai.respond = streamed(
      event(chatChunk({ role: "assistant", reasoning_content: "Hmm." })),
      event(chatChunk({ content: "Both." })),
      piece(0, { id: "a", type: "function", function: { name: "f", arguments: "" } }),
      piece(1, { id: "b", type: "function", function: { name: "g", arguments: "" } }),
      piece(0, { function: { arguments: '{"x":' } }),
      piece(1, { function: { arguments: '{"y":' } }),
      piece(0, { function: { arguments: "1}" } }),
      piece(1, { function: { arguments: "2}" } }),
      event(chatChunk({}, "tool_calls")),
      "data: [DONE]\n\n"
    )
    const events = await stream(viaOpenai)
    const blocks = events.filter(({ type }) => type === "content_block_start").map((data) => data["content_block"])
    expect(blocks).toEqual([
      { type: "thinking", thinking: "", signature: "" },
      { type: "text", text: "", citations: null },
      { type: "tool_use", id: "a", name: "f", input: {} },
      { type: "tool_use", id: "b", name: "g", input: {} }
    ])
    const inputs = ["", "", "", ""]
    for (const { delta, index, type } of events) {
      if (type === "content_block_delta") inputs[index as number] += String(delta.partial_json ?? "")
    }
    expect(inputs).toEqual(["", "", '{"x":1}', '{"y":2}'])
    expect(events.at(-2)!["delta"].stop_reason).toBe("tool_use")
  })

  it("a stream without usage gets an estimate that says so", async () => {
    openai.respond = streamed(...chatEvents(["Good ", "morning."], false))
    const events = await stream(viaOpenai)
    expect(events.at(-2)).toMatchObject({ "x-millrace": { usage_estimated: true } })
    expect(events.at(-2)!["usage"].output_tokens).toBeGreaterThan(0)
  })

  it("what breaks off after the first part is an error event and nothing after it", async () => {
    openai.respond = (response) => {
      response.writeHead(200, eventStream)
      response.write(event(chatChunk({ role: "assistant", content: "Good" })))
      setImmediate(() => response.destroy())
    }
    const events = await stream(viaOpenai)
    expect(events.at(-1)).toMatchObject({
      type: "error",
      error: { type: "api_error", message: expect.stringContaining("ended early") as string },
      request_id: expect.stringMatching(/^req_/) as string
    })
    expect(events.some(({ type }) => type === "message_delta")).toBe(false)
  })

  it("a failure before the first part has its status, as without a stream", async () => {
    openai.respond = sendJson(503, { error: { message: "busy" } })
    const { json, status } = await ask({ ...viaOpenai, stream: true })
    expect(status).toBe(503)
    expect(json).toMatchObject({ type: "error", error: { type: "overloaded_error" } })
  })
})

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
    ["top_k", { top_k: 5 }, "top_k"],
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

describe("errors", () => {
  it.each([
    [401, 502, "api_error"],
    [403, 502, "api_error"],
    [404, 404, "not_found_error"],
    [400, 400, "invalid_request_error"],
    [413, 413, "request_too_large"],
    [500, 502, "api_error"],
    [503, 503, "overloaded_error"],
    [529, 529, "overloaded_error"],
    [429, 429, "rate_limit_error"]
  ])("an upstream's %i is %i %s", async (upstream, status, type) => {
    openai.respond = sendJson(upstream, { error: { message: "It said no." } }, { "retry-after": "3" })
    const answer = await ask(viaOpenai)
    expect(answer.status).toBe(status)
    expect(answer.json).toEqual({
      type: "error",
      error: { type, message: expect.stringContaining("openai") as string },
      request_id: answer.headers.get("x-millrace-request-id")
    })
    expect(answer.text).not.toContain("canary-key")
    expect(answer.headers.get("x-millrace-fault")).toBe(status < 500 && status !== 429 ? "caller" : "provider")
    if (status === 429) expect(answer.headers.get("retry-after")).toBe("3")
  })

  it.each([
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "user", content: [{ type: "text", text: 5 }] }] }, "messages[0].content[0].text"],
    [{ max_tokens: -1 }, "max_tokens"],
    [{ temperature: 2 }, "temperature"],
    [{ top_p: 1.5 }, "top_p"],
    [{ stream: "yes" }, "stream"],
    [{ thinking: { type: "enabled", budget_tokens: 10 } }, "thinking.budget_tokens"],
    [{ tools: [{ name: "f" }] }, "tools[0].input_schema"],
    [{ tool_choice: { type: "tool" } }, "tool_choice.name"],
    [{ output_config: { effort: "huge" } }, "output_config.effort"]
  ])("%o is a 400 that names %s, whoever would answer", async (body, field) => {
    for (const base of [viaOpenai, viaAnthropic]) {
      const { json, status } = await ask({ ...base, ...body })
      expect(status).toBe(400)
      expect(json.error).toMatchObject({ type: "invalid_request_error" })
      expect(json.error.message).toContain(`${field}: `)
    }
  })

  it("an unknown model, an unknown path and a wrong method have Anthropic's shape", async () => {
    const unknown = await ask({ ...hi, model: "nobody/nothing" })
    expect(unknown.status).toBe(404)
    expect(unknown.json.error).toMatchObject({ type: "not_found_error" })
    expect(unknown.json.error.message).toContain("nobody/nothing")
    const path = await postTo(`${gateway.url}/v1/messages/batches`, {})
    expect([path.status, path.json.error.type]).toEqual([404, "not_found_error"])
    const method = await fetch(`${gateway.url}/v1/messages`)
    expect([method.status, method.headers.get("allow"), (await method.json()) as unknown]).toMatchObject([
      405,
      "POST",
      { type: "error" }
    ])
    const models = await fetch(`${gateway.url}/v1/models/nope`, { headers: { "anthropic-version": "2023-06-01" } })
    expect(await models.json()).toMatchObject({ type: "error", error: { type: "not_found_error" } })
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

it("a Chat caller gets the same answer from the same Anthropic stream", async () => {
  anthropic.respond = send(
    200,
    eventStream,
    [
      { type: "message_start", message: { ...message, content: [] } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello." } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } },
      { type: "message_stop" }
    ]
      .map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`)
      .join("")
  )
  const { text } = await postTo(`${gateway.url}/v1/chat/completions`, { ...viaAnthropic, stream: true })
  expect(eventsOf(text).at(-1)).toBe("[DONE]")
  expect(text).toContain('"content":"Hello."')
})
