/**
 * What becomes of bodies of Gemini's `generateContent` and `countTokens`: over an upstream of the same dialect they go through,
 * over any other they are translated, reported or refused.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { geminiAnswer as whole, signedThoughts } from "../support/answers.ts"
import { postTo } from "../support/dialects.ts"
import { last, openDoors } from "../support/doors.ts"
import type { TestGateway } from "../support/gateway.ts"
import { chatCompletion, sendJson, type TestUpstream } from "../support/upstream.ts"

let gateway: TestGateway
let openai: TestUpstream
let anthropic: TestUpstream
let google: TestUpstream
let close: () => Promise<void>

beforeAll(async () => {
  ;({ close, gateway, openai, anthropic, google } = await openDoors())
})
afterAll(() => close())
beforeEach(() => {
  openai.respond = sendJson(200, chatCompletion("Hello."))
  google.respond = sendJson(200, whole)
})

const hi = { contents: [{ role: "user", parts: [{ text: "hi" }] }] }
const post = (path: string, body: object = hi) => postTo(`${gateway.url}${path}`, body)
const generate = (body: object, model = "openai/m") =>
  post(`/v1beta/models/${model}:generateContent`, { ...hi, ...body })

describe("requests to another dialect", () => {
  it("contents, tools and settings get their places, in either spelling", async () => {
    const { headers, status } = await generate({
      system_instruction: { parts: [{ text: "Be kind." }] },
      safety_settings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
      generation_config: {
        temperature: 0.3,
        top_p: 0.9,
        max_output_tokens: 50,
        stop_sequences: ["END"],
        seed: 7,
        response_mime_type: "application/json",
        response_schema: {
          type: "OBJECT",
          properties: {
            some_name: { type: "STRING", nullable: true },
            list: { type: "ARRAY", items: { type: "NUMBER" } }
          }
        },
        thinking_config: { thinking_level: "LOW" }
      },
      tools: [
        { function_declarations: [{ name: "f", description: "looks", parameters: { type: "OBJECT", properties: {} } }] }
      ],
      tool_config: { function_calling_config: { mode: "ANY", allowed_function_names: ["f"] } },
      contents: [
        {
          role: "user",
          parts: [
            { text: "What is this?" },
            { inline_data: { mime_type: "image/png", data: "aGk=" } },
            { fileData: { mimeType: "image/png", fileUri: "https://example.com/a.png" } },
            { inlineData: { mimeType: "application/pdf", data: "aGk=" } }
          ]
        },
        {
          role: "model",
          parts: [
            { text: "Look.", thought: true },
            { functionCall: { name: "f", args: { some_key: 1 } }, thoughtSignature: "CiQB" },
            { functionCall: { name: "f", args: { some_key: 2 } } }
          ]
        },
        {
          role: "user",
          parts: [
            { functionResponse: { name: "f", response: { output: "one" } } },
            { functionResponse: { name: "f", response: { some_key: [2] } } },
            { text: "Now?" }
          ]
        }
      ]
    })
    expect(status).toBe(200)
    const call = (id: string, written: string) => ({
      id,
      type: "function",
      function: { name: "f", arguments: written }
    })
    expect(last(openai).json).toEqual({
      model: "m",
      stream: false,
      temperature: 0.3,
      top_p: 0.9,
      max_tokens: 50,
      stop: ["END"],
      seed: 7,
      reasoning_effort: "low",
      response_format: {
        type: "json_schema",
        json_schema: {
          name: "response",
          schema: {
            type: "object",
            properties: { some_name: { type: ["string", "null"] }, list: { type: "array", items: { type: "number" } } }
          }
        }
      },
      tools: [
        {
          type: "function",
          function: { name: "f", description: "looks", parameters: { type: "object", properties: {} } }
        }
      ],
      tool_choice: { type: "function", function: { name: "f" } },
      messages: [
        { role: "system", content: "Be kind." },
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } },
            { type: "image_url", image_url: { url: "https://example.com/a.png" } },
            { type: "file", file: { filename: "file.pdf", file_data: "data:application/pdf;base64,aGk=" } }
          ]
        },
        {
          role: "assistant",
          content: null,
          reasoning_content: "Look.",
          tool_calls: [call("call_0", '{"some_key":1}'), call("call_1", '{"some_key":2}')]
        },
        { role: "tool", tool_call_id: "call_0", content: "one" },
        { role: "tool", tool_call_id: "call_1", content: '{"some_key":[2]}' },
        { role: "user", content: "Now?" }
      ]
    })
    expect(headers.get("x-millrace-omitted")).toContain("safetySettings")
  })

  it.each([
    ["Google's own search", { tools: [{ googleSearch: {} }] }, "tools of kind googleSearch"],
    ["a cached prompt", { cachedContent: "cachedContents/1" }, "cachedContent"],
    ["several candidates", { generationConfig: { candidateCount: 2 } }, "candidateCount"],
    ["sound", { generationConfig: { responseModalities: ["AUDIO"] } }, "responseModalities"],
    [
      "an uploaded file",
      {
        contents: [{ parts: [{ fileData: { fileUri: "https://generativelanguage.googleapis.com/v1beta/files/x" } }] }]
      },
      "uploaded"
    ],
    ["code that ran", { contents: [{ parts: [{ executableCode: { code: "1" } }] }] }, "executableCode"]
  ])("%s is a 400 that names it, and nothing is sent", async (_, body, named) => {
    const before = openai.requests.length
    const { json, status } = await generate(body)
    expect([status, json.error.status]).toEqual([400, "INVALID_ARGUMENT"])
    expect(json.error.message).toContain(named)
    expect(openai.requests.length).toBe(before)
    expect((await generate(body, "google/m")).status).toBe(200)
  })

  it("Anthropic's signed thoughts come as base64 and go back as they were", async () => {
    anthropic.respond = sendJson(200, signedThoughts)
    const { content } = (await generate({}, "anthropic/m")).json.candidates[0]
    for (const part of content.parts) {
      if (part.thoughtSignature !== undefined) {
        expect(Buffer.from(part.thoughtSignature as string, "base64").toString("base64")).toBe(part.thoughtSignature)
      }
    }
    const result = { role: "user", parts: [{ functionResponse: { id: "t1", name: "f", response: { output: "ok" } } }] }
    const contents = [...hi.contents, content, result]
    await generate({ contents }, "anthropic/m")
    expect(last(anthropic).json["messages"][1]).toEqual({
      role: "assistant",
      content: [
        { type: "thinking", thinking: "Look.", signature: "EqQB" },
        { type: "redacted_thinking", data: "hidden" },
        { type: "tool_use", id: "t1", name: "f", input: { q: 1 } }
      ]
    })
    const { headers } = await generate({ contents }, "google/m")
    expect(headers.get("x-millrace-omitted")).toBe(
      "contents[1].parts[0].thoughtSignature, contents[1].parts[1].thoughtSignature"
    )
    expect(last(google).json["contents"][1].parts).toEqual([{ functionCall: { id: "t1", name: "f", args: { q: 1 } } }])
  })
})

describe("over a Gemini upstream", () => {
  it("the request goes there as it is, in its own spelling, and the answer comes back as it is", async () => {
    const body = {
      ...hi,
      system_instruction: { parts: [{ text: "Be kind." }] },
      tools: [{ google_search: {} }],
      brand_new: { deep: [1] }
    }
    const { headers, text } = await generate(body, "google/m")
    expect(last(google).path).toBe("/v1beta/models/m:generateContent")
    expect(last(google).json).toEqual(body)
    expect(text).toBe(JSON.stringify(whole))
    expect(headers.get("x-millrace-omitted")).toBeNull()
  })

  it("countTokens is Google's own count there, and our estimate elsewhere", async () => {
    google.respond = sendJson(200, { totalTokens: 4242 })
    expect((await post("/v1beta/models/google/m:countTokens")).json).toEqual({ totalTokens: 4242 })
    expect(last(google).path).toBe("/v1beta/models/m:countTokens")
    expect(last(google).json).toEqual({ generateContentRequest: { model: "models/m", ...hi } })
    const wrapped = { generateContentRequest: { model: "models/x", ...hi } }
    const estimate = await post("/v1beta/models/simulated/simulated:countTokens", wrapped)
    expect(estimate.json.totalTokens).toBeGreaterThan(0)
  })
})
