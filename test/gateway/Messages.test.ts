/**
 * `POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's dialect over an upstream of the same dialect, of
 * OpenAI's, and over none.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { messageAnswer as message } from "../support/answers.ts"
import { eventsOf } from "../support/client.ts"
import { checkMessages, namedEvents, postTo } from "../support/dialects.ts"
import { openDoors } from "../support/doors.ts"
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
