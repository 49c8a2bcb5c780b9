import { describe, expect, it } from "vitest"
import type { AIRequest } from "../../../engine/src/Request.ts"
import { anthropicMessages } from "../../../engine/src/protocols/AnthropicMessages.ts"
import { endpointOf, refusal, requestOf, sent } from "./Samples.ts"

const claude = endpointOf({ baseUrl: "https://api.anthropic.com", model: "claude-sonnet-5-5" })

const bodyOf = (request: AIRequest, endpoint = claude) => sent(anthropicMessages, requestOf(request), endpoint).body

describe("Anthropic Messages requests", () => {
  it("carries every canonical field", () => {
    const request = requestOf({
      system: "be brief",
      prompt: "hello",
      temperature: 0.5,
      topP: 0.9,
      maxTokens: 100,
      stop: ["END"],
      tools: [
        { name: "add", description: "adds", parameters: { properties: { a: { type: "number" } } }, strict: true },
        { name: "now" }
      ],
      toolChoice: "required",
      responseFormat: { type: "json-schema", name: "answer", description: "an answer", schema: { type: "object" } },
      reasoning: { effort: "high" },
      metadata: { secret: "ours" },
      tenant: "acme",
      providerOptions: { top_k: 5 }
    })
    expect(sent(anthropicMessages, request, claude)).toEqual({
      url: "https://api.anthropic.com/v1/messages",
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": "canary-5f1c9e7d"
      },
      omitted: [],
      body: {
        model: "claude-sonnet-5-5",
        stream: false,
        max_tokens: 100,
        system: "be brief",
        messages: [{ role: "user", content: "hello" }],
        temperature: 0.5,
        top_p: 0.9,
        stop_sequences: ["END"],
        tools: [
          {
            name: "add",
            description: "adds",
            input_schema: { type: "object", properties: { a: { type: "number" } } },
            strict: true
          },
          { name: "now", input_schema: { type: "object", properties: {} } }
        ],
        tool_choice: { type: "any" },
        thinking: { type: "adaptive", display: "summarized" },
        output_config: {
          effort: "high",
          format: { type: "json_schema", schema: { type: "object", description: "an answer" } }
        },
        top_k: 5
      }
    })
  })

  it("carries texts, images, files, signed reasoning, tool calls and their results in turns that alternate", () => {
    expect(
      bodyOf({
        messages: [
          { role: "system", content: "one" },
          { role: "system", content: "two" },
          {
            role: "user",
            content: [
              { type: "text", text: "look" },
              { type: "image", image: "https://example.com/a.png" },
              { type: "image", image: "data:image/png;base64,AAAA" },
              { type: "file", data: "CCCC", mediaType: "application/pdf", filename: "a.pdf" },
              { type: "file", data: "aGk=", mediaType: "text/markdown" },
              { type: "file", data: "https://example.com/b.pdf", mediaType: "application/pdf" }
            ]
          },
          {
            role: "assistant",
            content: [
              { type: "reasoning", text: "hm", signature: "sig" },
              { type: "reasoning", text: "", redacted: "secret" },
              { type: "text", text: "calling" },
              { type: "tool-call", id: "functions.add:0", name: "add", arguments: '{"a":1}' },
              { type: "tool-call", id: "c2", name: "now", arguments: "" }
            ]
          },
          { role: "tool", content: [{ type: "tool-result", id: "functions.add:0", content: "3" }] },
          {
            role: "tool",
            content: [{ type: "tool-result", id: "c2", content: [{ type: "text", text: "noon" }], isError: true }]
          },
          { role: "user", content: "thanks" },
          { role: "system", content: "be kind" },
          { role: "user", content: "bye" }
        ]
      })
    ).toMatchObject({
      system: [
        { type: "text", text: "one" },
        { type: "text", text: "two" }
      ],
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "look" },
            { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
            { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
            {
              type: "document",
              source: { type: "base64", media_type: "application/pdf", data: "CCCC" },
              title: "a.pdf"
            },
            { type: "document", source: { type: "text", media_type: "text/plain", data: "hi" } },
            { type: "document", source: { type: "url", url: "https://example.com/b.pdf" } }
          ]
        },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "hm", signature: "sig" },
            { type: "redacted_thinking", data: "secret" },
            { type: "text", text: "calling" },
            { type: "tool_use", id: "functions_add_0", name: "add", input: { a: 1 } },
            { type: "tool_use", id: "c2", name: "now", input: {} }
          ]
        },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "functions_add_0", content: "3" },
            { type: "tool_result", tool_use_id: "c2", is_error: true, content: [{ type: "text", text: "noon" }] },
            { type: "text", text: "thanks" }
          ]
        },
        { role: "system", content: "be kind" },
        { role: "user", content: "bye" }
      ]
    })
  })

  it("names a limit where the request has none: the endpoint's, else one by model", () => {
    const limitOf = (model: string, maxTokens?: number) =>
      bodyOf({ prompt: "x" }, endpointOf({ model, maxTokens }))["max_tokens"]
    expect(limitOf("claude-sonnet-5-5", 77)).toBe(77)
    expect(limitOf("claude-opus-4-1-20250805")).toBe(32_000)
    expect(limitOf("claude-3-7-sonnet-20250219")).toBe(32_000)
    expect(limitOf("claude-3-5-haiku-20241022")).toBe(8192)
    expect(limitOf("claude-3-haiku-20240307")).toBe(4096)
    expect(limitOf("some-other-model")).toBe(4096)
  })

  it("turns an effort into a budget for models that know no effort", () => {
    const bodyFor = (model: string, reasoning: AIRequest["reasoning"]) =>
      bodyOf({ prompt: "x", maxTokens: 10_000, reasoning }, endpointOf({ model }))
    for (const model of [
      "claude-3-7-sonnet-latest",
      "claude-sonnet-4-20250514",
      "claude-opus-4-1",
      "claude-haiku-4-5-20251001"
    ]) {
      expect(bodyFor(model, { effort: "medium" })["thinking"], model).toEqual({ type: "enabled", budget_tokens: 5000 })
      expect(bodyFor(model, { effort: "medium" })).not.toHaveProperty("output_config")
    }
    for (const model of ["claude-opus-4-6", "claude-opus-4-8", "claude-haiku-5-5", "claude-fable-5"]) {
      expect(bodyFor(model, { effort: "medium" })["output_config"], model).toEqual({ effort: "medium" })
      expect(bodyFor(model, { effort: "medium" })["thinking"]).toMatchObject({ type: "adaptive" })
    }
    expect(bodyFor("claude-opus-4-8", { effort: "none" })["thinking"]).toEqual({ type: "disabled" })
    expect(bodyFor("claude-opus-4-6", { maxTokens: 2000 })["thinking"]).toEqual({
      type: "enabled",
      budget_tokens: 2000
    })
    expect(bodyFor("claude-opus-4-6", { effort: "minimal" })["output_config"]).toEqual({ effort: "low" })
  })

  it("sends a request of the same dialect on as it came, but for model, stream and a missing limit", () => {
    const body = {
      model: "ours/alias",
      max_tokens: 9,
      messages: [],
      container: "c",
      thinking: { type: "adaptive" },
      unknown: 1
    }
    const request = {
      ...requestOf({ prompt: "hi", stream: true }),
      wire: { dialect: "anthropic-messages" as const, body, needs: [] }
    }
    expect(sent(anthropicMessages, request, claude).body).toEqual({ ...body, model: "claude-sonnet-5-5", stream: true })
    const { max_tokens: _, ...unlimited } = body
    const open = { ...request, wire: { ...request.wire, body: unlimited } }
    expect(sent(anthropicMessages, open, endpointOf({ maxTokens: 50 })).body).toMatchObject({ max_tokens: 50 })
  })

  it("fails with what a body of another dialect needs and only that dialect can carry", () => {
    const wire = { dialect: "openai-chat" as const, body: {}, needs: ["several choices (n)", "logit_bias"] }
    expect(refusal(anthropicMessages, { ...requestOf({ prompt: "x" }), wire })).toMatchObject({
      _tag: "UnsupportedAbility",
      ability: "several choices (n), logit_bias"
    })
    expect(sent(anthropicMessages, { ...requestOf({ prompt: "x" }), wire: { ...wire, needs: [] } }).body).toMatchObject(
      {
        messages: [{ role: "user", content: "x" }]
      }
    )
  })

  it("says which hints it left out", () => {
    const request = requestOf({
      messages: [
        { role: "user", name: "ann", content: [{ type: "image", image: "https://example.com/a.png", detail: "low" }] },
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "unsigned" },
            { type: "text", text: "yes" }
          ]
        },
        { role: "user", content: "go on" }
      ]
    })
    expect(sent(anthropicMessages, request, claude)).toMatchObject({
      omitted: ["messages[0].name", "messages[0].content[0].detail", "messages[1].content[0]"],
      body: { messages: [{}, { role: "assistant", content: "yes" }, {}] }
    })
  })

  it("fails with the ability that is missing instead of dropping it", () => {
    const file = (data: string, mediaType: string): AIRequest => ({
      messages: [{ role: "user", content: [{ type: "file", data, mediaType }] }]
    })
    const cases: ReadonlyArray<readonly [AIRequest, string]> = [
      [{ prompt: "x", seed: 1 }, "a seed"],
      [{ prompt: "x", temperature: 1.5 }, "a temperature over 1"],
      [{ prompt: "x", responseFormat: { type: "json" } }, "JSON mode without a schema (responseFormat json)"],
      [file("AAAA", "audio/mpeg"), "files of type audio/mpeg"],
      [file("https://example.com/a.txt", "text/plain"), "files of type text/plain by URL"]
    ]
    for (const [request, ability] of cases) {
      expect(refusal(anthropicMessages, requestOf(request), claude)).toMatchObject({
        _tag: "UnsupportedAbility",
        ability
      })
    }
  })

  it("names the field that is wrong", () => {
    const call = (written: string): AIRequest => ({
      messages: [{ role: "assistant", content: [{ type: "tool-call", id: "1", name: "f", arguments: written }] }]
    })
    const cases: ReadonlyArray<readonly [AIRequest, string]> = [
      [call("{"), "messages[0].content[0].arguments"],
      [call("[1]"), "messages[0].content[0].arguments"],
      [{ prompt: "x", reasoning: { maxTokens: 500 } }, "reasoning.maxTokens"],
      [{ prompt: "x", maxTokens: 2000, reasoning: { maxTokens: 2000 } }, "maxTokens"],
      [{ messages: [{ role: "tool", content: "3" }] }, "messages[0].content[0]"],
      [
        { messages: [{ role: "user", content: [{ type: "file", data: "%%%", mediaType: "text/plain" }] }] },
        "messages[0].content[0].data"
      ]
    ]
    for (const [request, field] of cases) {
      expect(refusal(anthropicMessages, requestOf(request), claude)).toMatchObject({ _tag: "InvalidRequest", field })
    }
  })

  it("takes base URLs with or without /v1 and doubles nothing", () => {
    const urlFor = (baseUrl: string) => sent(anthropicMessages, requestOf({ prompt: "x" }), endpointOf({ baseUrl })).url
    expect(urlFor("https://api.anthropic.com")).toBe("https://api.anthropic.com/v1/messages")
    expect(urlFor("https://api.anthropic.com/v1/")).toBe("https://api.anthropic.com/v1/messages")
    expect(urlFor("https://api.anthropic.com/v1beta")).toBe("https://api.anthropic.com/v1/messages")
    expect(urlFor("https://x.services.ai.azure.com/anthropic")).toBe(
      "https://x.services.ai.azure.com/anthropic/v1/messages"
    )
  })
})
