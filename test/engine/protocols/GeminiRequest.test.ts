import { describe, expect, it } from "vitest"
import type { AIRequest } from "../../../engine/src/Request.ts"
import { gemini } from "../../../engine/src/protocols/Gemini.ts"
import { endpointOf, refusal, requestOf, sent } from "./Samples.ts"

const google = endpointOf({ baseUrl: "https://generativelanguage.googleapis.com", model: "gemini-3-flash" })

const bodyOf = (request: AIRequest, model = "gemini-3-flash") =>
  sent(gemini, requestOf(request), endpointOf({ model })).body

describe("Gemini requests", () => {
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
      responseFormat: { type: "json-schema", name: "answer", description: "an answer", schema: { type: "object" } },
      reasoning: { effort: "high" },
      metadata: { secret: "ours" },
      tenant: "acme",
      providerOptions: { safetySettings: [], generationConfig: { topK: 5, temperature: 0.1 } }
    })
    expect(sent(gemini, request, google)).toEqual({
      url: "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-flash:generateContent",
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        "x-goog-api-key": "canary-5f1c9e7d"
      },
      omitted: [],
      body: {
        systemInstruction: { parts: [{ text: "be brief" }] },
        contents: [{ role: "user", parts: [{ text: "hello" }] }],
        tools: [
          {
            functionDeclarations: [
              { name: "add", description: "adds", parametersJsonSchema: { type: "object", properties: {} } },
              { name: "now" }
            ]
          }
        ],
        toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["add"] } },
        generationConfig: {
          maxOutputTokens: 100,
          temperature: 0.1,
          topP: 0.9,
          topK: 5,
          stopSequences: ["END"],
          seed: 7,
          responseMimeType: "application/json",
          responseJsonSchema: { type: "object", description: "an answer" },
          thinkingConfig: { thinkingLevel: "high", includeThoughts: true }
        },
        safetySettings: []
      }
    })
  })

  it("carries texts, images, files, calls and their results in turns that alternate", () => {
    expect(
      bodyOf({
        messages: [
          { role: "system", content: "one" },
          { role: "system", content: "two" },
          {
            role: "user",
            content: [
              { type: "text", text: "look" },
              { type: "image", image: "https://example.com/a.webp?x=1" },
              { type: "image", image: "data:image/png;base64,AAAA" },
              { type: "file", data: "CCCC", mediaType: "application/pdf" },
              { type: "file", data: "https://example.com/b.mp3", mediaType: "audio/mpeg" }
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
          { role: "tool", content: [{ type: "tool-result", id: "c1", content: '{"sum":3}' }] },
          {
            role: "tool",
            content: [
              {
                type: "tool-result",
                id: "c2",
                isError: true,
                content: [
                  { type: "text", text: "no clock" },
                  { type: "image", image: "AAAA", mediaType: "image/png" }
                ]
              }
            ]
          },
          { role: "user", content: "thanks" }
        ]
      })
    ).toEqual({
      systemInstruction: { parts: [{ text: "one" }, { text: "two" }] },
      contents: [
        {
          role: "user",
          parts: [
            { text: "look" },
            { fileData: { mimeType: "image/webp", fileUri: "https://example.com/a.webp?x=1" } },
            { inlineData: { mimeType: "image/png", data: "AAAA" } },
            { inlineData: { mimeType: "application/pdf", data: "CCCC" } },
            { fileData: { mimeType: "audio/mpeg", fileUri: "https://example.com/b.mp3" } }
          ]
        },
        {
          role: "model",
          parts: [
            { text: "calling" },
            {
              functionCall: { id: "c1", name: "add", args: { a: 1 } },
              thoughtSignature: "skip_thought_signature_validator"
            },
            {
              functionCall: { id: "c2", name: "now", args: {} },
              thoughtSignature: "skip_thought_signature_validator"
            }
          ]
        },
        {
          role: "user",
          parts: [
            { functionResponse: { id: "c1", name: "add", response: { output: { sum: 3 } } } },
            {
              functionResponse: {
                id: "c2",
                name: "now",
                response: { error: "no clock" },
                parts: [{ inlineData: { mimeType: "image/png", data: "AAAA" } }]
              }
            },
            { text: "thanks" }
          ]
        }
      ]
    })
  })

  it("asks for a stream by its own operation, with SSE", () => {
    const streamed = sent(gemini, requestOf({ prompt: "x", stream: true }), google)
    expect(streamed.url).toMatch(/\/v1beta\/models\/gemini-3-flash:streamGenerateContent\?alt=sse$/)
    expect(streamed.headers["accept"]).toBe("text/event-stream")
    expect(streamed.body).not.toHaveProperty("stream")
  })

  it("turns tool choices into modes, and validates calls where a tool is strict", () => {
    const tools = [{ name: "f" }]
    const mode = (request: Partial<AIRequest>) => {
      const config = bodyOf({ prompt: "x", tools, ...request })["toolConfig"] as
        | { functionCallingConfig: object }
        | undefined
      return config?.functionCallingConfig
    }
    expect(mode({})).toBeUndefined()
    expect(mode({ toolChoice: "auto" })).toEqual({ mode: "AUTO" })
    expect(mode({ toolChoice: "none" })).toEqual({ mode: "NONE" })
    expect(mode({ toolChoice: "required" })).toEqual({ mode: "ANY" })
    expect(mode({ tools: [{ name: "f", strict: true }] })).toEqual({ mode: "VALIDATED" })
    expect(mode({ tools: [{ name: "f", strict: true }], toolChoice: "required" })).toEqual({ mode: "ANY" })
  })

  it("turns an effort into a level for Gemini 3 and into a budget before, and asks for thoughts", () => {
    const thinking = (model: string, reasoning: AIRequest["reasoning"]) =>
      (bodyOf({ prompt: "x", reasoning }, model)["generationConfig"] as { thinkingConfig: object }).thinkingConfig
    const includeThoughts = true
    expect(thinking("gemini-3-flash", { effort: "minimal" })).toEqual({ thinkingLevel: "minimal", includeThoughts })
    expect(thinking("gemini-3-pro", { effort: "minimal" })).toEqual({ thinkingLevel: "low", includeThoughts })
    expect(thinking("gemini-3.1-pro", { effort: "xhigh" })).toEqual({ thinkingLevel: "high", includeThoughts })
    expect(thinking("gemini-2.5-flash", { effort: "low" })).toEqual({ thinkingBudget: 1024, includeThoughts })
    expect(thinking("gemini-2.5-pro", { effort: "xhigh" })).toEqual({ thinkingBudget: 32_768, includeThoughts })
    expect(thinking("gemini-2.5-flash", { maxTokens: 77 })).toEqual({ thinkingBudget: 77, includeThoughts })
    expect(thinking("gemini-2.5-flash", { effort: "none" })).toEqual({ thinkingBudget: 0 })
    const none = requestOf({ prompt: "x", reasoning: { effort: "none" } })
    for (const [model, config] of [
      ["gemini-2.5-pro", { thinkingBudget: 128 }],
      ["gemini-3-flash", { thinkingLevel: "minimal" }],
      ["gemini-3-pro", { thinkingLevel: "low" }]
    ] as const) {
      expect(sent(gemini, none, endpointOf({ model }))).toMatchObject({
        omitted: ["reasoning.effort"],
        body: { generationConfig: { thinkingConfig: config } }
      })
    }
  })

  it("sends a request of the same dialect on as it came, but for a missing limit", () => {
    const body = { contents: [], cachedContent: "c", generationConfig: { topK: 3 }, unknown: 1 }
    const request = {
      ...requestOf({ prompt: "hi" }),
      wire: { dialect: "gemini" as const, body: { ...body, model: "ours", stream: false }, needs: ["code execution"] }
    }
    expect(sent(gemini, request, google).body).toEqual(body)
    const bounded = endpointOf({ maxTokens: 50 })
    expect(sent(gemini, request, bounded).body["generationConfig"]).toEqual({ topK: 3, maxOutputTokens: 50 })
    const snake = { contents: [], generation_config: { max_output_tokens: 9 } }
    const limited = { ...request, wire: { ...request.wire, body: snake } }
    expect(sent(gemini, limited, bounded).body).toEqual(snake)
  })

  it("sends ids of calls to the Gemini API and not to Vertex AI, which knows none", () => {
    const request = requestOf({
      messages: [
        { role: "assistant", content: [{ type: "tool-call", id: "c1", name: "add", arguments: "{}" }] },
        { role: "tool", content: [{ type: "tool-result", id: "c1", content: "3" }] }
      ]
    })
    const baseUrl = "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google"
    expect(JSON.stringify(sent(gemini, request, endpointOf({ baseUrl })).body)).not.toContain("c1")
    expect(JSON.stringify(sent(gemini, request, google).body)).toContain("c1")
  })

  it("says which hints it left out", () => {
    const request = requestOf({
      messages: [
        {
          role: "user",
          name: "ann",
          content: [
            { type: "image", image: "https://example.com/a.png", detail: "low" },
            { type: "file", data: "CCCC", mediaType: "application/pdf", filename: "a.pdf" }
          ]
        },
        { role: "assistant", content: [{ type: "reasoning", text: "unsigned" }] },
        { role: "user", content: "go on" }
      ]
    })
    expect(sent(gemini, request)).toMatchObject({
      omitted: [
        "messages[0].name",
        "messages[0].content[0].detail",
        "messages[0].content[1].filename",
        "messages[1].content[0]"
      ],
      body: { contents: [{ role: "user" }, { role: "user", parts: [{ text: "go on" }] }] }
    })
  })

  it("fails with the ability that is missing instead of dropping it", () => {
    const image = { type: "image" as const, image: "https://example.com/a.png" }
    const late: AIRequest = {
      messages: [
        { role: "user", content: "hi" },
        { role: "system", content: "be kind" }
      ]
    }
    expect(refusal(gemini, requestOf(late))).toMatchObject({
      _tag: "UnsupportedAbility",
      ability: "system messages after the first turn"
    })
    const pictured: AIRequest = {
      messages: [{ role: "tool", content: [{ type: "tool-result", id: "1", name: "f", content: [image] }] }]
    }
    expect(refusal(gemini, requestOf(pictured), endpointOf({ model: "gemini-2.5-flash" }))).toMatchObject({
      ability: "images and files in tool results"
    })
    const wire = { dialect: "openai-chat" as const, body: {}, needs: ["logit_bias"] }
    expect(refusal(gemini, { ...requestOf({ prompt: "x" }), wire })).toMatchObject({ ability: "logit_bias" })
  })

  it("names the field that is wrong", () => {
    const cases: ReadonlyArray<readonly [AIRequest, string]> = [
      [
        { messages: [{ role: "assistant", content: [{ type: "tool-call", id: "1", name: "f", arguments: "[1]" }] }] },
        "messages[0].content[0].arguments"
      ],
      [{ messages: [{ role: "tool", content: "3" }] }, "messages[0].content[0]"],
      [
        { messages: [{ role: "tool", content: [{ type: "tool-result", id: "1", content: "3" }] }] },
        "messages[0].content[0].name"
      ],
      [
        { messages: [{ role: "system", content: [{ type: "image", image: "https://example.com" }] }] },
        "messages[0].content[0]"
      ]
    ]
    for (const [request, field] of cases) {
      expect(refusal(gemini, requestOf(request))).toMatchObject({ _tag: "InvalidRequest", field })
    }
  })

  it("takes base URLs with or without a version and doubles nothing", () => {
    const urlFor = (baseUrl: string, model = "m") =>
      sent(gemini, requestOf({ prompt: "x" }), endpointOf({ baseUrl, model })).url
    const plain = "https://example.com/v1beta/models/m:generateContent"
    for (const end of ["", "/", "/v1beta", "/v1beta/", "/v1"]) expect(urlFor(`https://example.com${end}`)).toBe(plain)
    expect(urlFor("https://example.com/google/v1beta")).toBe(
      "https://example.com/google/v1beta/models/m:generateContent"
    )
    expect(urlFor("https://example.com/v1alpha")).toBe("https://example.com/v1alpha/models/m:generateContent")
    expect(urlFor("https://example.com/v1/projects/p/locations/l/publishers/google")).toBe(
      "https://example.com/v1/projects/p/locations/l/publishers/google/models/m:generateContent"
    )
    expect(urlFor("https://example.com/v1/projects/p/locations/l", "publishers/google/models/m")).toBe(
      "https://example.com/v1/projects/p/locations/l/publishers/google/models/m:generateContent"
    )
    expect(urlFor("https://example.com", "models/m")).toBe(plain)
    expect(urlFor("https://example.com", "tunedModels/m")).toBe(
      "https://example.com/v1beta/tunedModels/m:generateContent"
    )
    expect(urlFor("https://example.com?a=b")).toBe(`${plain}?a=b`)
  })

  it("lets no model leave its place in the path", () => {
    const asked = (model: string) => endpointOf({ baseUrl: "https://example.com", model })
    for (const model of ["../x", "a/../../b", "a//b", ".", ""]) {
      expect(refusal(gemini, requestOf({ prompt: "x" }), asked(model))).toMatchObject({
        _tag: "InvalidRequest",
        field: "model"
      })
    }
    const { url } = sent(gemini, requestOf({ prompt: "x" }), asked("a b?c=#d:e\ud800"))
    expect(new URL(url).pathname).toBe("/v1beta/models/a%20b%3Fc%3D%23d%3Ae%EF%BF%BD:generateContent")
  })
})
