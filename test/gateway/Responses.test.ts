/**
 * `POST /v1/responses`: OpenAI's Responses dialect over an upstream of the same dialect, of others, and over none.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { responseAnswer as whole } from "../support/answers.ts"
import { checkResponses, namedEvents, postTo } from "../support/dialects.ts"
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
let compatible: TestUpstream
let close: () => Promise<void>

beforeAll(async () => {
  ;({ close, gateway, openai, compatible } = await openDoors())
})
afterAll(() => close())
beforeEach(() => {
  openai.respond = sendJson(200, whole)
  compatible.respond = sendJson(200, chatCompletion("Hello."))
})

const ask = (body: object) => postTo(`${gateway.url}/v1/responses`, { input: "hi", ...body })

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
