/**
 * What requests respect of the servers that are known by their host: where they are asked, with which header, and what they
 * have no field for.
 */
import { Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { endpointOf, refusal, requestOf, sent } from "./Samples.ts"

const at = (baseUrl: string) => endpointOf({ baseUrl, model: "m", apiKey: Redacted.make("key-0123456789") })

describe("a base URL without a path", () => {
  it.each([
    ["https://api.openai.com", "https://api.openai.com/v1/chat/completions"],
    ["https://res.openai.azure.com", "https://res.openai.azure.com/openai/v1/chat/completions"],
    ["https://res.services.ai.azure.com", "https://res.services.ai.azure.com/openai/v1/chat/completions"],
    ["https://openrouter.ai", "https://openrouter.ai/api/v1/chat/completions"],
    ["https://api.groq.com", "https://api.groq.com/openai/v1/chat/completions"],
    ["https://api.perplexity.ai", "https://api.perplexity.ai/chat/completions"],
    [
      "https://generativelanguage.googleapis.com",
      "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"
    ],
    ["http://localhost:11434", "http://localhost:11434/v1/chat/completions"]
  ])("%s is asked at %s", (baseUrl, url) => {
    expect(sent(openAiChat, requestOf({ prompt: "x" }), at(baseUrl)).url).toBe(url)
  })
})

describe("Azure", () => {
  it("is asked at the deployment of the base URL, with its version and its own header", () => {
    const baseUrl = "https://res.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21"
    const { headers, url } = sent(openAiChat, requestOf({ prompt: "x" }), at(baseUrl))
    expect(url).toBe("https://res.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21")
    expect(headers["api-key"]).toBe("key-0123456789")
    expect(headers["authorization"]).toBeUndefined()
  })
})

describe("top_k", () => {
  it.each([
    "https://api.openai.com/v1",
    "https://api.mistral.ai/v1",
    "https://api.groq.com/openai/v1",
    "https://api.x.ai/v1"
  ])("is refused for %s, which has none", (baseUrl) => {
    expect(refusal(openAiChat, requestOf({ prompt: "x", topK: 5 }), at(baseUrl))).toMatchObject({ ability: "topK" })
  })

  it.each(["http://localhost:8000/v1", "https://openrouter.ai/api/v1", "https://api.perplexity.ai"])(
    "goes to %s",
    (baseUrl) => {
      expect(sent(openAiChat, requestOf({ prompt: "x", topK: 5 }), at(baseUrl)).body).toMatchObject({ top_k: 5 })
    }
  )
})

describe("a budget of reasoning", () => {
  it.each([
    [512, "low"],
    [1024, "low"],
    [1025, "medium"],
    [8192, "medium"],
    [31_999, "high"]
  ])("of %d tokens is the effort %s where budgets are not known", (maxTokens, effort) => {
    const request = requestOf({ prompt: "x", reasoning: { maxTokens } })
    const body = sent(openAiChat, request, at("https://api.openai.com/v1")).body
    expect(body).toMatchObject({ reasoning_effort: effort })
    expect(body).not.toHaveProperty("reasoning")
  })

  it("gives way to an effort that is stated beside it", () => {
    const request = requestOf({ prompt: "x", reasoning: { maxTokens: 31_999, effort: "low" } })
    expect(sent(openAiChat, request, at("https://api.openai.com/v1")).body).toMatchObject({ reasoning_effort: "low" })
  })
})
