import { Redacted } from "effect"
import { describe, expect, it } from "vitest"
import type { AIRequest } from "../../../engine/src/Request.ts"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { endpointOf, refusal, requestOf, sent } from "./Samples.ts"

const openai = endpointOf({ baseUrl: "https://api.openai.com/v1", model: "gpt-5.4-mini", apiKey: Redacted.make("k") })

const messagesOf = (request: AIRequest, endpoint = endpointOf()) =>
  sent(openAiChat, requestOf(request), endpoint).body["messages"]

describe("OpenAI Chat requests", () => {
  it("carries every canonical field", () => {
    const request = requestOf({
      system: "be brief",
      prompt: "hello",
      temperature: 0.5,
      topP: 0.9,
      maxTokens: 100,
      stop: ["END"],
      seed: 7,
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
    expect(sent(openAiChat, request)).toEqual({
      url: "http://127.0.0.1:9/v1/chat/completions",
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        authorization: "Bearer canary-5f1c9e7d"
      },
      omitted: [],
      body: {
        model: "sample-model",
        stream: false,
        messages: [
          { role: "system", content: "be brief" },
          { role: "user", content: "hello" }
        ],
        max_tokens: 100,
        temperature: 0.5,
        top_p: 0.9,
        stop: ["END"],
        seed: 7,
        tools: [
          {
            type: "function",
            function: { name: "add", description: "adds", parameters: { type: "object", properties: {} }, strict: true }
          },
          { type: "function", function: { name: "now", parameters: { type: "object", properties: {} } } }
        ],
        tool_choice: { type: "function", function: { name: "add" } },
        response_format: {
          type: "json_schema",
          json_schema: { name: "answer", schema: { type: "object" }, strict: true }
        },
        reasoning_effort: "high",
        parallel_tool_calls: false
      }
    })
  })

  it("carries texts, images, files, sound, tool calls and their results", () => {
    expect(
      messagesOf({
        messages: [
          {
            role: "user",
            name: "ann",
            content: [
              { type: "text", text: "look" },
              { type: "image", image: "https://example.com/a.png", detail: "low" },
              { type: "image", image: "data:image/png;base64,AAAA" },
              { type: "image", image: "BBBB", mediaType: "image/jpeg" },
              { type: "file", data: "CCCC", mediaType: "application/pdf", filename: "a.pdf" },
              { type: "file", data: "DDDD", mediaType: "audio/mpeg" },
              { type: "file", data: "EEEE", mediaType: "image/webp" }
            ]
          },
          {
            role: "assistant",
            content: [
              { type: "text", text: "calling" },
              { type: "tool-call", id: "c1", name: "add", arguments: '{"a":1}' },
              { type: "tool-call", id: "c2", name: "now", arguments: "" }
            ]
          },
          {
            role: "tool",
            content: [
              { type: "tool-result", id: "c1", content: "3" },
              { type: "tool-result", id: "c2", content: [{ type: "text", text: "noon" }] }
            ]
          }
        ]
      })
    ).toEqual([
      {
        role: "user",
        name: "ann",
        content: [
          { type: "text", text: "look" },
          { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "low" } },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
          { type: "image_url", image_url: { url: "data:image/jpeg;base64,BBBB" } },
          { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,CCCC" } },
          { type: "input_audio", input_audio: { data: "DDDD", format: "mp3" } },
          { type: "image_url", image_url: { url: "data:image/webp;base64,EEEE" } }
        ]
      },
      {
        role: "assistant",
        content: "calling",
        tool_calls: [
          { id: "c1", type: "function", function: { name: "add", arguments: '{"a":1}' } },
          { id: "c2", type: "function", function: { name: "now", arguments: "{}" } }
        ]
      },
      { role: "tool", tool_call_id: "c1", content: "3" },
      { role: "tool", tool_call_id: "c2", content: "noon" }
    ])
  })

  it("asks for usage in every stream, so that it is always known", () => {
    const request = requestOf({ prompt: "hi", stream: true, providerOptions: { stream_options: { x: 1 } } })
    expect(sent(openAiChat, request)).toMatchObject({
      headers: { accept: "text/event-stream" },
      body: { stream: true, stream_options: { x: 1, include_usage: true } }
    })
  })

  it("never lets provider options change the model or the framing", () => {
    const request = requestOf({ prompt: "hi", providerOptions: { model: "other", stream: true, stream_options: {} } })
    expect(sent(openAiChat, request).body).toMatchObject({ model: "sample-model", stream: false })
    expect(sent(openAiChat, request).body).not.toHaveProperty("stream_options")
  })

  it("sends a request of the same dialect on as it came, but for model, stream and usage", () => {
    const body = {
      model: "ours/alias",
      messages: [{ role: "user", content: "hi" }],
      n: 2,
      logit_bias: { 1: 2 },
      unknown: [1]
    }
    const request = {
      ...requestOf({ prompt: "hi", stream: true }),
      wire: { dialect: "openai-chat" as const, body, needs: [] }
    }
    expect(sent(openAiChat, request, endpointOf({ maxTokens: 50 })).body).toEqual({
      ...body,
      model: "sample-model",
      stream: true,
      max_tokens: 50,
      stream_options: { include_usage: true }
    })
    const limited = {
      ...request,
      stream: false,
      wire: { ...request.wire, body: { ...body, max_completion_tokens: 9, stream_options: {} } }
    }
    expect(sent(openAiChat, limited, endpointOf({ maxTokens: 50 })).body).toEqual({
      ...body,
      model: "sample-model",
      stream: false,
      max_completion_tokens: 9
    })
  })

  it("names the limit of completion tokens as the server reads it", () => {
    const request = requestOf({ prompt: "hi", maxTokens: 5 })
    const nameFor = (baseUrl: string, model: string) =>
      Object.keys(sent(openAiChat, request, endpointOf({ baseUrl, model })).body).filter((key) =>
        key.startsWith("max_")
      )
    expect(nameFor("https://api.openai.com/v1", "gpt-4o")).toEqual(["max_completion_tokens"])
    expect(nameFor("http://127.0.0.1:8000/v1", "gpt-5.4-mini")).toEqual(["max_completion_tokens"])
    expect(nameFor("https://openrouter.ai/api/v1", "openai/o3-mini")).toEqual(["max_completion_tokens"])
    expect(nameFor("http://127.0.0.1:8000/v1", "openai/gpt-oss-120b")).toEqual(["max_tokens"])
    expect(nameFor("https://api.groq.com/openai/v1", "llama-3.3-70b")).toEqual(["max_tokens"])
    expect(nameFor("https://api.mistral.ai/v1", "o1-like")).toEqual(["max_tokens"])
  })

  it("respects what Mistral and Azure do differently", () => {
    const request = requestOf({ prompt: "hi", seed: 3, stream: true })
    const mistral = sent(openAiChat, request, endpointOf({ baseUrl: "https://api.mistral.ai/v1" })).body
    expect(mistral).toMatchObject({ random_seed: 3 })
    expect(mistral).not.toHaveProperty("stream_options")
    const azure = endpointOf({ baseUrl: "https://x.openai.azure.com/openai/deployments/d?api-version=1" })
    expect(sent(openAiChat, request, azure)).toMatchObject({
      url: "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
      headers: { "api-key": "canary-5f1c9e7d" }
    })
    expect(sent(openAiChat, request, azure).headers).not.toHaveProperty("authorization")
  })

  it("gives earlier reasoning back in the field the server reads, and tells when there is none", () => {
    const request = requestOf({
      messages: [
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "hm", signature: "s" },
            { type: "text", text: "yes" }
          ]
        },
        { role: "user", content: "go on" }
      ]
    })
    const at = (baseUrl: string) => sent(openAiChat, request, endpointOf({ baseUrl }))
    const first = (baseUrl: string) => (at(baseUrl).body["messages"] as ReadonlyArray<unknown>)[0]
    expect(first("http://127.0.0.1:8000")).toEqual({ role: "assistant", content: "yes", reasoning_content: "hm" })
    expect(first("https://api.groq.com/openai/v1")).toEqual({ role: "assistant", content: "yes", reasoning: "hm" })
    expect(first("https://openrouter.ai/api/v1")).toEqual({
      role: "assistant",
      content: "yes",
      reasoning: "hm",
      reasoning_details: [{ type: "reasoning.text", text: "hm", signature: "s" }]
    })
    expect(first("https://api.mistral.ai/v1")).toEqual({
      role: "assistant",
      content: [
        { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
        { type: "text", text: "yes" }
      ]
    })
    expect(first("https://api.openai.com/v1")).toEqual({ role: "assistant", content: "yes" })
    expect(at("https://api.openai.com/v1").omitted).toEqual(["messages[0].reasoning"])
  })

  it("fails with what a body of another dialect needs and only that dialect can carry", () => {
    const wire = { dialect: "anthropic-messages" as const, body: {}, needs: ["several choices (n)", "logit_bias"] }
    expect(refusal(openAiChat, { ...requestOf({ prompt: "x" }), wire })).toMatchObject({
      _tag: "UnsupportedAbility",
      ability: "several choices (n), logit_bias"
    })
    expect(sent(openAiChat, { ...requestOf({ prompt: "x" }), wire: { ...wire, needs: [] } }).body).toMatchObject({
      messages: [{ role: "user", content: "x" }]
    })
  })

  it("says which hints it left out", () => {
    const request = requestOf({
      messages: [{ role: "tool", content: [{ type: "tool-result", id: "1", name: "f", content: "x", isError: true }] }]
    })
    expect(sent(openAiChat, request).omitted).toEqual(["messages[0].content[0].isError", "messages[0].content[0].name"])
  })

  it("fails with the ability that is missing instead of dropping it", () => {
    const image = { type: "image" as const, image: "https://example.com/a.png" }
    const cases: ReadonlyArray<readonly [AIRequest, string]> = [
      [{ prompt: "x", topK: 5 }, "topK"],
      [
        { messages: [{ role: "tool", content: [{ type: "tool-result", id: "1", content: [image] }] }] },
        "images and files in tool results"
      ],
      [
        {
          messages: [
            {
              role: "user",
              content: [{ type: "file", data: "https://example.com/a.pdf", mediaType: "application/pdf" }]
            }
          ]
        },
        "files by URL"
      ]
    ]
    for (const [request, ability] of cases) {
      expect(refusal(openAiChat, requestOf(request), openai)).toMatchObject({
        _tag: "UnsupportedAbility",
        ability,
        status: 400
      })
    }
    const router = endpointOf({ baseUrl: "https://openrouter.ai/api/v1" })
    expect(sent(openAiChat, requestOf({ prompt: "x", reasoning: { maxTokens: 2000 } }), router).body).toMatchObject({
      reasoning: { max_tokens: 2000 }
    })
  })

  it("names the part that has no place where it is", () => {
    const cases: ReadonlyArray<readonly [AIRequest, string]> = [
      [{ messages: [{ role: "user", content: [{ type: "image", image: "AAAA" }] }] }, "messages[0].content[0].image"],
      [
        { messages: [{ role: "user", content: [{ type: "image", image: "file:///etc/passwd" }] }] },
        "messages[0].content[0].image"
      ],
      [
        { messages: [{ role: "user", content: [{ type: "tool-call", id: "1", name: "f", arguments: "{}" }] }] },
        "messages[0].content[0]"
      ],
      [{ messages: [{ role: "tool", content: "3" }] }, "messages[0].content"],
      [
        { messages: [{ role: "system", content: [{ type: "image", image: "https://example.com" }] }] },
        "messages[0].content[0]"
      ]
    ]
    for (const [request, field] of cases) {
      expect(refusal(openAiChat, requestOf(request))).toMatchObject({ _tag: "InvalidRequest", field })
    }
  })

  it("takes base URLs with or without /v1 and doubles nothing", () => {
    const urlFor = (baseUrl: string) => sent(openAiChat, requestOf({ prompt: "x" }), endpointOf({ baseUrl })).url
    expect(urlFor("https://api.openai.com")).toBe("https://api.openai.com/v1/chat/completions")
    expect(urlFor("https://api.openai.com/")).toBe("https://api.openai.com/v1/chat/completions")
    expect(urlFor("https://api.openai.com/v1")).toBe("https://api.openai.com/v1/chat/completions")
    expect(urlFor("https://api.openai.com/v1//")).toBe("https://api.openai.com/v1/chat/completions")
    expect(urlFor("https://api.z.ai/api/paas/v4")).toBe("https://api.z.ai/api/paas/v4/chat/completions")
    expect(urlFor("https://api.perplexity.ai")).toBe("https://api.perplexity.ai/chat/completions")
    expect(urlFor("http://[::1]:8000")).toBe("http://[::1]:8000/v1/chat/completions")
  })
})
