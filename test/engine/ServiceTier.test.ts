/**
 * A tier that isn't the ordinary one is never priced as if it were: it is read from every provider's answers, and taken from
 * the request where an answer says nothing.
 */
import { beforeAll, describe, expect, it } from "vitest"
import { Effect, Result } from "effect"
import fc from "fast-check"
import { keyLength } from "../../engine/src/CacheKey.ts"
import { decodeRecord } from "../../engine/src/CacheRecord.ts"
import * as ModelCatalog from "../../engine/src/ModelCatalog.ts"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import { PartReader } from "../../engine/src/protocols/PartReader.ts"
import type { Protocol } from "../../engine/src/protocols/Protocol.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { askedTier, serviceTierOf } from "../../engine/src/ServiceTier.ts"
import type { Usage } from "../../engine/src/Usage.ts"
import { endpoint } from "../conformance/Replay.ts"
import { makeRequest } from "./requests.ts"

const whole = (protocol: Protocol, body: object, asked?: string): Usage =>
  Result.getOrThrow(protocol.decodeWhole(JSON.stringify(body), { ...endpoint, serviceTier: asked })).usage

const streamed = (protocol: Protocol, events: ReadonlyArray<object>, asked?: string): Usage => {
  const reader = new PartReader(protocol, { ...endpoint, serviceTier: asked }, undefined)
  const parts: Array<Reply.Part> = []
  const named = events.map((data) => {
    const type = "type" in data && typeof data.type === "string" ? `event: ${data.type}\n` : ""
    return `${type}data: ${JSON.stringify(data)}\n\n`
  })
  const done = protocol === openAiChat ? "data: [DONE]\n\n" : ""
  reader.push(new TextEncoder().encode(named.join("") + done), parts)
  expect(reader.end(parts)).toBeUndefined()
  const collector = new Reply.Collector()
  for (const part of parts) collector.add(part)
  return collector.completion().usage
}

const chat = (tier: object, usage: object = {}) => ({
  id: "c",
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110, ...usage },
  ...tier
})

const responses = (tier: object, output: ReadonlyArray<object> = []) => ({
  id: "r",
  model: "m",
  status: "completed",
  output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "x" }] }, ...output],
  usage: { input_tokens: 100, output_tokens: 10, total_tokens: 110 },
  ...tier
})

const messages = (usage: object) => ({
  id: "m",
  type: "message",
  model: "m",
  role: "assistant",
  content: [{ type: "text", text: "x" }],
  stop_reason: "end_turn",
  usage: { input_tokens: 100, output_tokens: 10, ...usage }
})

const content = (usage: object) => ({
  responseId: "g",
  modelVersion: "m",
  candidates: [{ content: { parts: [{ text: "x" }] }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 10, totalTokenCount: 110, ...usage }
})

describe("the tier of an answer", () => {
  it.each<readonly [string, Usage, string | undefined]>([
    ["chat, ordinary", whole(openAiChat, chat({ service_tier: "default" })), undefined],
    ["chat, none", whole(openAiChat, chat({})), undefined],
    ["chat, null", whole(openAiChat, chat({ service_tier: null }), "flex"), "flex"],
    ["chat, flex", whole(openAiChat, chat({ service_tier: "flex" })), "flex"],
    ["groq, ordinary", whole(openAiChat, chat({ service_tier: "on_demand" })), undefined],
    ["chat, asked and silent", whole(openAiChat, chat({}), "priority"), "priority"],
    ["chat, asked and not given", whole(openAiChat, chat({ service_tier: "default" }), "priority"), undefined],
    ["responses, priority", whole(openAiResponses, responses({ service_tier: "priority" })), "priority"],
    ["responses, asked and silent", whole(openAiResponses, responses({}), "flex"), "flex"],
    ["messages, ordinary", whole(anthropicMessages, messages({ service_tier: "standard" })), undefined],
    ["messages, batch", whole(anthropicMessages, messages({ service_tier: "batch" })), "batch"],
    ["messages, fast", whole(anthropicMessages, messages({ service_tier: "standard", speed: "fast" })), "fast"],
    [
      "messages, in one country",
      whole(anthropicMessages, messages({ service_tier: "priority", inference_geo: "us", speed: "standard" })),
      "priority-us"
    ],
    ["messages, anywhere", whole(anthropicMessages, messages({ inference_geo: "global" })), undefined],
    ["gemini, ordinary", whole(gemini, content({ trafficType: "ON_DEMAND" })), undefined],
    ["gemini, flex", whole(gemini, content({ serviceTier: "flex" })), "flex"],
    ["vertex, priority", whole(gemini, content({ trafficType: "ON_DEMAND_PRIORITY" })), "priority"],
    [
      "vertex, provisioned",
      whole(gemini, content({ trafficType: "PROVISIONED_THROUGHPUT" })),
      "provisioned_throughput"
    ],
    [
      "chat stream, in its chunks",
      streamed(openAiChat, [
        { id: "c", choices: [{ index: 0, delta: { content: "x" } }], service_tier: "flex" },
        { id: "c", choices: [{ index: 0, delta: {}, finish_reason: "stop" }], service_tier: "flex" },
        { id: "c", choices: [], usage: { prompt_tokens: 100, completion_tokens: 10 } }
      ]),
      "flex"
    ],
    [
      "messages stream, in its start",
      streamed(anthropicMessages, [
        {
          type: "message_start",
          message: {
            id: "m",
            usage: {
              input_tokens: 100,
              cache_creation_input_tokens: 50,
              cache_creation: { ephemeral_1h_input_tokens: 20 },
              output_tokens: 1,
              service_tier: "priority"
            }
          }
        },
        { type: "content_block_start", index: 0, content_block: { type: "text", text: "x" } },
        { type: "content_block_stop", index: 0 },
        { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 10 } },
        { type: "message_stop" }
      ]),
      "priority"
    ]
  ])("%s", (_, usage, tier) => {
    expect(usage.detail?.serviceTier).toBe(tier)
    expect(usage).toMatchObject({ uncachedInput: 100, output: 10, estimated: false })
  })
})

describe("what else is billed apart", () => {
  it("is read: hour-long writes, searches, sound and pictures", () => {
    const writes = {
      cache_creation_input_tokens: 50,
      cache_creation: { ephemeral_5m_input_tokens: 30, ephemeral_1h_input_tokens: 20 },
      server_tool_use: { web_search_requests: 2 }
    }
    expect(whole(anthropicMessages, messages(writes)).detail).toEqual({ cacheWrite1h: 20, webSearches: 2 })
    const search = { type: "web_search_call", action: { type: "search" } }
    const open = { type: "web_search_call", action: { type: "open_page" } }
    expect(whole(openAiResponses, responses({}, [search, open, search])).detail).toEqual({ webSearches: 2 })
    const sound = {
      prompt_tokens_details: { audio_tokens: 40, cached_tokens: 70 },
      completion_tokens_details: { audio_tokens: 6 }
    }
    expect(whole(openAiChat, chat({}, sound)).detail).toEqual({
      media: [
        { of: "input", medium: "audio", tokens: 30 },
        { of: "cacheRead", medium: "audio", tokens: 10 },
        { of: "output", medium: "audio", tokens: 6 }
      ]
    })
    const heard = {
      cachedContentTokenCount: 30,
      promptTokensDetails: [
        { modality: "TEXT", tokenCount: 30 },
        { modality: "AUDIO", tokenCount: 50 },
        { modality: "IMAGE", tokenCount: 20 }
      ],
      cacheTokensDetails: [{ modality: "AUDIO", tokenCount: 30 }]
    }
    expect(whole(gemini, content(heard)).detail).toEqual({
      media: [
        { of: "input", medium: "audio", tokens: 20 },
        { of: "input", medium: "image", tokens: 20 },
        { of: "cacheRead", medium: "audio", tokens: 30 }
      ]
    })
  })

  it("is kept by a stored answer, so that what a hit saved is priced as the answer was", () => {
    const stored = {
      key: "k".repeat(keyLength),
      provider: "openai",
      model: "gpt-5",
      tenant: "default",
      namespace: null,
      storedAtMs: 0,
      expiresAtMs: 1,
      latencyMs: 1,
      completion: Result.getOrThrow(
        openAiChat.decodeWhole(
          JSON.stringify(chat({ service_tier: "flex" }, { completion_tokens_details: { audio_tokens: 3 } })),
          endpoint
        )
      )
    }
    const read = Result.getOrThrow(decodeRecord(JSON.parse(JSON.stringify(stored))))
    expect(read.completion.usage).toEqual(stored.completion.usage)
    expect(read.completion.usage.detail).toEqual({
      serviceTier: "flex",
      media: [{ of: "output", medium: "audio", tokens: 3 }]
    })
  })
})

describe("the tier of a request", () => {
  it("is that of its options, or of a body that reaches the provider as it is", () => {
    const wire = { dialect: "openai-chat", body: { service_tier: "flex" }, needs: [] } as const
    expect(askedTier(makeRequest({ wire }), "openai-chat")).toBe("flex")
    expect(askedTier(makeRequest({ wire }), "anthropic-messages")).toBeUndefined()
    expect(askedTier(makeRequest({ wire, providerOptions: { service_tier: "priority" } }), "gemini")).toBe("priority")
    expect(askedTier(makeRequest({ providerOptions: { service_tier: "auto" } }), undefined)).toBeUndefined()
    expect(askedTier(makeRequest(), "openai-chat")).toBeUndefined()
  })

  it("has a name that is safe to show, whatever is sent", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(serviceTierOf(text) ?? "none").toMatch(/^[a-z0-9_-]{1,32}$/)
      })
    )
  })
})

describe("the price", () => {
  beforeAll(() => Effect.runPromise(ModelCatalog.load))

  it("of a tier is its own or none, never the ordinary one", () => {
    const ref = { kind: "openai", model: "gpt-5" }
    const flex = whole(openAiChat, chat({ service_tier: "flex" }))
    const ordinary = whole(openAiChat, chat({ service_tier: "default" }), "flex")
    expect(ModelCatalog.price(flex, ref, 0)).toEqual({
      _tag: "Unpriced",
      reason: "no price is known for the service tier flex; set pricing.serviceTiers.flex"
    })
    expect(ModelCatalog.price(ordinary, ref, 0)).toMatchObject({ usd: 0.000225 })
    expect(ModelCatalog.price(flex, { ...ref, pricing: { serviceTiers: { flex: 0.5 } } }, 0)).toMatchObject({
      usd: 0.0001125,
      table: `${ModelCatalog.priceTable}*0.5`
    })
  })
})
