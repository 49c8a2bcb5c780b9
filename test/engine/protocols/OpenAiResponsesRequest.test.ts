import { describe, expect, it } from "vitest"
import type { AIRequest } from "../../../engine/src/Request.ts"
import { openAiResponses } from "../../../engine/src/protocols/OpenAiResponses.ts"
import { endpointOf, refusal, requestOf, sent } from "./Samples.ts"

const openai = endpointOf({ baseUrl: "https://api.openai.com/v1", model: "gpt-5.4-mini" })

const bodyOf = (request: AIRequest, endpoint = endpointOf()) => sent(openAiResponses, requestOf(request), endpoint).body

describe("OpenAI Responses requests", () => {
  it("carries every canonical field and leaves nothing upstream", () => {
    const request = requestOf({
      system: "be brief",
      prompt: "hello",
      temperature: 0.5,
      topP: 0.9,
      maxTokens: 100,
      tools: [
        { name: "add", description: "adds", parameters: { type: "object", properties: {} }, strict: true },
        { name: "now" }
      ],
      toolChoice: { name: "add" },
      responseFormat: { type: "json-schema", name: "answer", schema: { type: "object" }, strict: true },
      reasoning: { effort: "high" },
      metadata: { secret: "ours" },
      tenant: "acme",
      providerOptions: { parallel_tool_calls: false }
    })
    expect(sent(openAiResponses, request)).toEqual({
      url: "http://127.0.0.1:9/v1/responses",
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        authorization: "Bearer canary-5f1c9e7d"
      },
      omitted: [],
      body: {
        model: "sample-model",
        stream: false,
        store: false,
        input: [
          { role: "system", content: "be brief" },
          { role: "user", content: "hello" }
        ],
        max_output_tokens: 100,
        temperature: 0.5,
        top_p: 0.9,
        tools: [
          {
            type: "function",
            name: "add",
            description: "adds",
            parameters: { type: "object", properties: {} },
            strict: true
          },
          { type: "function", name: "now", parameters: { type: "object", properties: {} }, strict: false }
        ],
        tool_choice: { type: "function", name: "add" },
        text: { format: { type: "json_schema", name: "answer", schema: { type: "object" }, strict: true } },
        reasoning: { effort: "high" },
        include: ["reasoning.encrypted_content"],
        parallel_tool_calls: false
      }
    })
  })

  it("carries texts, images, files, calls and their results as items in their order", () => {
    expect(
      bodyOf({
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "look" },
              { type: "image", image: "https://example.com/a.png", detail: "low" },
              { type: "image", image: "BBBB", mediaType: "image/jpeg" },
              { type: "file", data: "CCCC", mediaType: "application/pdf", filename: "a.pdf" },
              { type: "file", data: "https://example.com/b.pdf", mediaType: "application/pdf" },
              { type: "file", data: "DDDD", mediaType: "image/png" }
            ]
          },
          {
            role: "assistant",
            content: [
              { type: "text", text: "calling" },
              { type: "tool-call", id: "c1", name: "add", arguments: '{"a":1}' },
              { type: "text", text: "both" },
              { type: "tool-call", id: "c2", name: "now", arguments: " " }
            ]
          },
          {
            role: "tool",
            content: [
              { type: "tool-result", id: "c1", content: "3" },
              {
                type: "tool-result",
                id: "c2",
                content: [
                  { type: "text", text: "noon" },
                  { type: "image", image: "data:image/png;base64,AAAA" }
                ]
              }
            ]
          },
          { role: "system", content: "be kind" },
          { role: "user", content: "thanks" }
        ]
      })["input"]
    ).toEqual([
      {
        role: "user",
        content: [
          { type: "input_text", text: "look" },
          { type: "input_image", image_url: "https://example.com/a.png", detail: "low" },
          { type: "input_image", image_url: "data:image/jpeg;base64,BBBB", detail: "auto" },
          { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,CCCC" },
          { type: "input_file", file_url: "https://example.com/b.pdf" },
          { type: "input_image", image_url: "data:image/png;base64,DDDD", detail: "auto" }
        ]
      },
      { role: "assistant", content: "calling" },
      { type: "function_call", call_id: "c1", name: "add", arguments: '{"a":1}' },
      { role: "assistant", content: "both" },
      { type: "function_call", call_id: "c2", name: "now", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "3" },
      {
        type: "function_call_output",
        call_id: "c2",
        output: [
          { type: "input_text", text: "noon" },
          { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "auto" }
        ]
      },
      { role: "system", content: "be kind" },
      { role: "user", content: "thanks" }
    ])
  })

  it("asks for encrypted reasoning where the model has it", () => {
    const includes = (model: string, request: Partial<AIRequest> = {}) =>
      "include" in bodyOf({ prompt: "x", ...request }, endpointOf({ model }))
    for (const model of ["gpt-5.4-mini", "o3", "o4-mini-2025-04-16", "openai/gpt-5"]) expect(includes(model)).toBe(true)
    for (const model of ["gpt-4o", "gpt-5-chat-latest", "gpt-oss-120b", "grok-4"]) expect(includes(model)).toBe(false)
    expect(includes("grok-4", { reasoning: { effort: "low" } })).toBe(true)
    expect(includes("some-model", { reasoning: { effort: "none" } })).toBe(false)
  })

  it("takes the limit of the endpoint where the request has none", () => {
    const endpoint = endpointOf({ maxTokens: 77 })
    expect(bodyOf({ prompt: "x" }, endpoint)["max_output_tokens"]).toBe(77)
    expect(bodyOf({ prompt: "x", maxTokens: 5 }, endpoint)["max_output_tokens"]).toBe(5)
    expect(bodyOf({ prompt: "x" })).not.toHaveProperty("max_output_tokens")
  })

  it("sends a request of the same dialect on as it came, but for model, stream and a missing limit", () => {
    const body = { model: "ours/alias", input: "hi", store: true, previous_response_id: "resp_0", unknown: 1 }
    const request = {
      ...requestOf({ prompt: "hi", stream: true }),
      wire: { dialect: "openai-responses" as const, body, needs: ["a stored conversation"] }
    }
    expect(sent(openAiResponses, request, openai).body).toEqual({ ...body, model: "gpt-5.4-mini", stream: true })
    expect(sent(openAiResponses, request, endpointOf({ maxTokens: 50 })).body).toMatchObject({ max_output_tokens: 50 })
    const limited = { ...request, wire: { ...request.wire, body: { ...body, max_output_tokens: 9 } } }
    expect(sent(openAiResponses, limited, endpointOf({ maxTokens: 50 })).body).toMatchObject({ max_output_tokens: 9 })
    const { store: _, ...silent } = body
    const unstored = { ...request, wire: { ...request.wire, body: silent } }
    expect(sent(openAiResponses, unstored, openai).body).not.toHaveProperty("store")
  })

  it("drops the options of a stream from a whole call", () => {
    const body = { input: "hi", stream_options: { include_obfuscation: false } }
    const wire = { dialect: "openai-responses" as const, body, needs: [] }
    expect(sent(openAiResponses, { ...requestOf({ prompt: "x" }), wire }).body).not.toHaveProperty("stream_options")
    const streamed = { ...requestOf({ prompt: "x", stream: true }), wire }
    expect(sent(openAiResponses, streamed).body).toHaveProperty("stream_options")
  })

  it("says which hints it left out: foreign reasoning as well", () => {
    const request = requestOf({
      messages: [
        { role: "user", name: "ann", content: "hi" },
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "unsigned" },
            { type: "reasoning", text: "claude's", signature: "Er4B" },
            { type: "reasoning", text: "gemini's", signature: "gemini:CiQ=" },
            { type: "reasoning", text: "", redacted: "xyz" },
            { type: "text", text: "yes" }
          ]
        },
        { role: "tool", content: [{ type: "tool-result", id: "1", name: "f", content: "x", isError: true }] }
      ]
    })
    expect(sent(openAiResponses, request)).toMatchObject({
      omitted: [
        "messages[0].name",
        "messages[1].content[0]",
        "messages[1].content[1]",
        "messages[1].content[2]",
        "messages[1].content[3]",
        "messages[2].content[0].isError",
        "messages[2].content[0].name"
      ],
      body: {
        input: [
          { role: "user", content: "hi" },
          { role: "assistant", content: "yes" },
          { type: "function_call_output", call_id: "1", output: "x" }
        ]
      }
    })
  })

  it("fails with the ability that is missing instead of dropping it", () => {
    const cases: ReadonlyArray<readonly [AIRequest, string]> = [
      [{ prompt: "x", stop: ["END"] }, "stop sequences"],
      [{ prompt: "x", seed: 1 }, "a seed"],
      [{ prompt: "x", topK: 5 }, "topK"],
      [{ prompt: "x", presencePenalty: 1 }, "penalties"],
      [
        { messages: [{ role: "user", content: [{ type: "file", data: "AAAA", mediaType: "audio/wav" }] }] },
        "files of type audio/wav"
      ]
    ]
    for (const [request, ability] of cases) {
      expect(refusal(openAiResponses, requestOf(request), openai)).toMatchObject({
        _tag: "UnsupportedAbility",
        ability
      })
    }
    const wire = { dialect: "openai-chat" as const, body: {}, needs: ["several choices (n)"] }
    expect(refusal(openAiResponses, { ...requestOf({ prompt: "x" }), wire })).toMatchObject({
      ability: "several choices (n)"
    })
  })

  it("names the part that has no place where it is", () => {
    const cases: ReadonlyArray<readonly [AIRequest, string]> = [
      [{ messages: [{ role: "user", content: [{ type: "image", image: "AAAA" }] }] }, "messages[0].content[0].image"],
      [{ messages: [{ role: "tool", content: "3" }] }, "messages[0].content"],
      [
        { messages: [{ role: "user", content: [{ type: "tool-call", id: "1", name: "f", arguments: "{}" }] }] },
        "messages[0].content[0]"
      ],
      [
        { messages: [{ role: "assistant", content: [{ type: "image", image: "https://example.com" }] }] },
        "messages[0].content[0]"
      ]
    ]
    for (const [request, field] of cases) {
      expect(refusal(openAiResponses, requestOf(request))).toMatchObject({ _tag: "InvalidRequest", field })
    }
  })

  it("takes base URLs with or without /v1, and the header of Azure", () => {
    const at = (baseUrl: string) => sent(openAiResponses, requestOf({ prompt: "x" }), endpointOf({ baseUrl }))
    expect(at("https://api.openai.com").url).toBe("https://api.openai.com/v1/responses")
    expect(at("https://api.openai.com/v1/").url).toBe("https://api.openai.com/v1/responses")
    expect(at("https://x.openai.azure.com/openai/v1").url).toBe("https://x.openai.azure.com/openai/v1/responses")
    expect(at("https://x.openai.azure.com/openai/v1").headers).toMatchObject({ "api-key": "canary-5f1c9e7d" })
  })
})
