/**
 * A schema for the answer, in the strictest form that each provider is known to offer for it.
 */
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../../engine/src/protocols/OpenAiResponses.ts"
import { isStrictSchema } from "../../../engine/src/protocols/StrictSchema.ts"
import { endpointOf, readText, requestOf, sent } from "./Samples.ts"

const closed = {
  type: "object",
  properties: {
    city: { type: "string" },
    tags: { type: "array", items: { anyOf: [{ type: "string" }, { type: "null" }] } }
  },
  required: ["city", "tags"],
  additionalProperties: false
} as const
const open = { type: "object", properties: { city: { type: "string" } } } as const

const asking = (schema: object, more: object = {}) =>
  requestOf({ prompt: "x", responseFormat: { type: "json-schema", schema: schema as never }, ...more })

describe("a strict schema", () => {
  it.each([
    ["everything required, nothing else allowed", closed, true],
    ["a property that may be left out", open, false],
    ["a looser object inside", { ...closed, properties: { city: open, tags: closed.properties.tags } }, false],
    ["a keyword that OpenAI refuses", { ...closed, allOf: [] }, false],
    ["definitions", { ...closed, $defs: { a: closed } }, true],
    ["a looser definition", { ...closed, $defs: { a: open } }, false],
    ["no object at the root", { type: "string" }, false],
    ["no type", {}, false]
  ])("%s", (_, schema, strict) => {
    expect(isStrictSchema(schema)).toBe(strict)
  })
})

describe("OpenAI", () => {
  const chat = endpointOf({ baseUrl: "https://api.openai.com/v1", model: "gpt-5.4" })
  const strictOf = (body: any) => [body.response_format?.json_schema.strict, body.text?.format.strict]

  it("is asked strictly where the schema has that form, and the caller says nothing else", () => {
    expect(strictOf(sent(openAiChat, asking(closed), chat).body)).toEqual([true, undefined])
    expect(strictOf(sent(openAiResponses, asking(closed), chat).body)).toEqual([undefined, true])
    expect(strictOf(sent(openAiChat, asking(open), chat).body)).toEqual([undefined, undefined])
    const lenient = { responseFormat: { type: "json-schema", schema: closed, strict: false } }
    expect(strictOf(sent(openAiChat, asking(closed, lenient), chat).body)).toEqual([false, undefined])
  })

  it.each(["https://openrouter.ai/api/v1", "https://api.cerebras.ai/v1", "https://api.mistral.ai/v1"])(
    "is what %s knows as well",
    (baseUrl) => {
      expect(strictOf(sent(openAiChat, asking(closed), endpointOf({ baseUrl, model: "m" })).body)[0]).toBe(true)
      expect(strictOf(sent(openAiChat, asking(open), endpointOf({ baseUrl, model: "m" })).body)[0]).toBeUndefined()
    }
  )

  it("leaves it to the caller at servers of which it is not known", () => {
    const vllm = endpointOf({ baseUrl: "http://localhost:8000/v1", model: "m" })
    expect(strictOf(sent(openAiChat, asking(closed), vllm).body)).toEqual([undefined, undefined])
  })
})

describe("Gemini", () => {
  it("gets the schema as JSON Schema", () => {
    expect(sent(gemini, asking(closed), endpointOf({ model: "gemini-2.5-flash" })).body).toMatchObject({
      generationConfig: { responseMimeType: "application/json", responseJsonSchema: closed }
    })
  })
})

describe("Anthropic", () => {
  it.each(["claude-opus-4-1-20250805", "claude-sonnet-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-7"])(
    "has structured outputs with %s",
    (model) => {
      const body: any = sent(anthropicMessages, asking(closed), endpointOf({ model })).body
      expect(body.output_config.format).toEqual({ type: "json_schema", schema: closed })
      expect(body.tools).toBeUndefined()
    }
  )

  it.each(["claude-3-5-sonnet-20241022", "claude-sonnet-4-20250514", "claude-opus-4-0"])(
    "makes %s call a tool with the schema",
    (model) => {
      const body: any = sent(anthropicMessages, asking(closed), endpointOf({ model })).body
      expect(body.output_config).toBeUndefined()
      expect(body.tools).toMatchObject([{ name: "millrace_answer", input_schema: closed }])
      expect(body.tool_choice).toEqual({ type: "tool", name: "millrace_answer", disable_parallel_tool_use: true })
    }
  )

  it("reads the input of that tool as the answer, whole and streamed", () => {
    const block = { type: "tool_use", id: "t", name: "millrace_answer" }
    const input = { city: "Köln", tags: [] }
    const usage = { input_tokens: 1, output_tokens: 1 }
    const whole = { id: "m", model: "claude", content: [{ ...block, input }], stop_reason: "tool_use", usage }
    const expected = {
      content: [{ type: "text", text: JSON.stringify(input) }],
      finishReason: "stop",
      rawFinishReason: "tool_use"
    }
    expect(Result.getOrThrow(anthropicMessages.decodeWhole(JSON.stringify(whole), endpointOf()))).toMatchObject(
      expected
    )
    const json = JSON.stringify(input)
    const delta = (partial_json: string) => ({
      type: "content_block_delta",
      index: 0,
      delta: { type: "input_json_delta", partial_json }
    })
    const events = [
      { type: "message_start", message: { id: "m", model: "claude", usage } },
      { type: "content_block_start", index: 0, content_block: { ...block, input: {} } },
      delta(json.slice(0, 5)),
      delta(json.slice(5)),
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage },
      { type: "message_stop" }
    ]
    const text = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")
    expect(readText(anthropicMessages, text).completion).toMatchObject(expected)
  })
})
