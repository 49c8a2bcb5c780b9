import { describe, expect, it } from "vitest"
import { CacheFields } from "../../engine/src/CacheFields.ts"
import { cacheKey, explain, explainFingerprints, fieldRoles, fingerprint } from "../../engine/src/CacheKey.ts"
import type { Dialect } from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import { makeRequest } from "./requests.ts"

const candidates = [{ provider: "a", model: "m" }]
const differences = (a: Partial<Request>, b: Partial<Request>): ReadonlyArray<string> =>
  explain({ request: makeRequest(a), candidates }, { request: makeRequest(b), candidates })

describe("cacheKey", () => {
  it("is 32 characters of base64url, the same for the same request in any process", () => {
    const key = cacheKey(makeRequest(), candidates)
    expect(key).toMatch(/^[A-Za-z0-9_-]{32}$/)
    expect(cacheKey(makeRequest({ id: "req_2" }), candidates)).toBe(key)
  })

  it("takes absent and undefined for the same, and null for something else", () => {
    const withOptions = (providerOptions: object) =>
      cacheKey(makeRequest({ providerOptions: providerOptions as NonNullable<Request["providerOptions"]> }), candidates)
    expect(withOptions({ a: 1, b: undefined })).toBe(withOptions({ a: 1 }))
    expect(withOptions({ a: 1, b: null })).not.toBe(withOptions({ a: 1 }))
    expect(withOptions({})).toBe(cacheKey(makeRequest(), candidates))
  })

  it("writes a message as it writes any other object", () => {
    const withOptions = (message: object) =>
      cacheKey(makeRequest({ providerOptions: { message } as NonNullable<Request["providerOptions"]> }), candidates)
    const message = { role: "user", content: "hello" }
    expect(withOptions({ ...message, name: undefined })).toBe(withOptions(message))
    expect(withOptions({ content: "hello", role: "user" })).toBe(withOptions(message))
    expect(withOptions({ ...message, name: "x" })).not.toBe(withOptions(message))
  })

  it("keeps apart what only looks alike", () => {
    const options: ReadonlyArray<object> = [
      { a: "1" },
      { a: 1 },
      { a: [1] },
      { a: { 0: 1 } },
      { a: true },
      { a: "true" },
      { "a.b": 1 },
      { a: { b: 1 } },
      { a: [[1], 2] },
      { a: [1, [2]] },
      { a: "", b: "x" },
      { a: "x", b: "" },
      { ab: 1 },
      { a: "1;b" },
      { __proto__: null, constructor: 1 }
    ]
    const keys = options.map((value) =>
      cacheKey(makeRequest({ providerOptions: value as NonNullable<Request["providerOptions"]> }), candidates)
    )
    expect(new Set(keys).size).toBe(options.length)
  })

  it("keeps apart long prompts that differ in one character", () => {
    const prompt = "x".repeat(100_000)
    const keyOf = (content: string) => cacheKey(makeRequest({ messages: [{ role: "user", content }] }), candidates)
    expect(keyOf(`${prompt}a`)).not.toBe(keyOf(`${prompt}b`))
    expect(keyOf(`a${prompt}`)).not.toBe(keyOf(`b${prompt}`))
    expect(keyOf("\ud83d")).not.toBe(keyOf("\ud83c"))
  })
})

describe("every field of a request", () => {
  const others: { readonly [K in keyof typeof fieldRoles]: Required<Request>[K] } = {
    id: "req_other",
    model: "other",
    provider: "other",
    messages: [{ role: "user", content: "other" }],
    temperature: 0.3,
    topP: 0.3,
    topK: 3,
    presencePenalty: 0.3,
    frequencyPenalty: 0.3,
    logprobs: 3,
    maxTokens: 3,
    stop: ["other"],
    seed: 3,
    tools: [{ name: "other" }],
    toolChoice: "required",
    parallelToolCalls: false,
    responseFormat: { type: "json" },
    reasoning: { effort: "low" },
    stream: true,
    metadata: { other: 1 },
    tenant: "other",
    key: { keyId: "key_other", name: "other", tenant: "other" },
    priority: 9,
    timeoutMs: 3,
    cacheMode: "refresh",
    cacheTtlMs: 3,
    cacheNamespace: "other",
    cachePacing: "original",
    cacheSemantic: true,
    providerOptions: { other: 1 },
    embed: { input: ["other"], dimensions: undefined },
    wire: { dialect: "openai-chat", body: { other: 1 }, needs: [] }
  }

  for (const [field, role] of Object.entries(fieldRoles)) {
    it(`${field}: ${role === "identity" ? "changes the key, and the explanation says so" : "leaves the key alone"}`, () => {
      const other = { [field]: others[field as keyof typeof others] }
      expect(cacheKey(makeRequest(other), candidates) === cacheKey(makeRequest(), candidates)).toBe(role === "delivery")
      expect(differences({}, other).length > 0).toBe(role === "identity")
    })
  }
})

describe("defaults that are written out", () => {
  const kinds = (kind: string) => () => kind
  const key = (fields: Partial<Request>, kind = "openai") => cacheKey(makeRequest(fields), candidates, kinds(kind))
  const chat = (body: object, kind?: string) =>
    key({ wire: { dialect: "openai-chat", body: { messages: [], ...body }, needs: [] } }, kind)
  const tools = [{ type: "function", function: { name: "f" } }]

  it("are the same request where the API documents them", () => {
    const same: ReadonlyArray<Partial<Request>> = [
      { temperature: 1 },
      { topP: 1 },
      { presencePenalty: 0 },
      { frequencyPenalty: 0 },
      { stop: [] },
      { tools: [] },
      { toolChoice: "auto" },
      { parallelToolCalls: true },
      { responseFormat: { type: "text" } },
      { reasoning: {} },
      { providerOptions: {} },
      { messages: [{ role: "user", content: [{ type: "text", text: "hello" }] }] }
    ]
    for (const fields of same) expect(key(fields), JSON.stringify(fields)).toBe(key({}))
    const bodies: ReadonlyArray<object> = [
      { temperature: 1, top_p: 1, n: 1, stream: false, presence_penalty: 0, frequency_penalty: 0 },
      { logprobs: false, logit_bias: {}, stop: null, seed: null, tools: null, response_format: { type: "text" } },
      { stop: [], tools: [], modalities: ["text"], service_tier: "auto", max_tokens: null, stream: true }
    ]
    for (const body of bodies) expect(chat(body), JSON.stringify(body)).toBe(chat({}))
    expect(chat({ tools, tool_choice: "auto", parallel_tool_calls: true })).toBe(chat({ tools }))
  })

  it("are other requests where the default is another, or none is documented", () => {
    expect(key({ temperature: 1 }, "google")).not.toBe(key({}, "google"))
    expect(key({ temperature: 1 }, "openai-compatible")).not.toBe(key({}, "openai-compatible"))
    expect(key({ topP: 1 }, "anthropic")).not.toBe(key({}, "anthropic"))
    expect(key({ temperature: 1 }, "anthropic")).toBe(key({}, "anthropic"))
    expect(key({ temperature: 0 })).not.toBe(key({}))
    expect(chat({ tools, tool_choice: "none" })).not.toBe(chat({ tools }))
    expect(chat({ tool_choice: "auto" })).not.toBe(chat({}))
    expect(chat({ n: 2 })).not.toBe(chat({}))
  })

  it("count only where all candidates share them", () => {
    const request = makeRequest({ temperature: 1 })
    const two = [...candidates, { provider: "g", model: "m" }]
    const kindOf = (provider: string) => (provider === "g" ? "google" : "openai")
    expect(cacheKey(request, two, kindOf)).not.toBe(cacheKey(makeRequest(), two, kindOf))
    expect(cacheKey(request, two, kinds("openai"))).toBe(cacheKey(makeRequest(), two, kinds("openai")))
  })

  it("are those of each dialect", () => {
    const wire = (dialect: Dialect, body: object, kind?: string) =>
      key({ wire: { dialect, body: { input: "x", ...body }, needs: [] } }, kind)
    const messages = { temperature: 1, stop_sequences: [], thinking: { type: "disabled" }, top_k: null }
    expect(wire("anthropic-messages", messages, "anthropic")).toBe(wire("anthropic-messages", {}, "anthropic"))
    const responses = { truncation: "disabled", text: { format: { type: "text" } }, include: [], background: false }
    expect(wire("openai-responses", responses)).toBe(wire("openai-responses", {}))
    const gemini = { generationConfig: { candidateCount: 1, temperature: null }, safetySettings: [] }
    expect(wire("gemini", gemini, "google")).toBe(wire("gemini", {}, "google"))
    expect(wire("gemini", { generationConfig: { temperature: 1 } }, "google")).not.toBe(wire("gemini", {}, "google"))
  })
})

describe("fingerprints", () => {
  it("name the fields that differ without holding them", () => {
    const long = Array.from({ length: 60 }, (_, i) => ({ role: "user" as const, content: `turn ${i}` }))
    const of = (fields: Partial<Request>) => fingerprint(makeRequest(fields), candidates)
    expect(explainFingerprints(of({}), of({}))).toEqual([])
    expect(explainFingerprints(of({ temperature: 0 }), of({ seed: 1 }))).toEqual(["temperature", "seed"])
    expect(explainFingerprints(of({ messages: long }), of({ messages: long.with(3, long[0]!) }))).toEqual([
      "messages[3]"
    ])
    expect(explainFingerprints(of({ messages: long }), of({ messages: long.with(50, long[0]!) }))).toEqual([
      "messages[16…]"
    ])
    expect(JSON.stringify(of({ messages: [{ role: "user", content: "a secret" }] }))).not.toContain("secret")
  })

  it("are bounded, however many fields a body has", () => {
    const body = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field${i}`, i]))
    const wire = (inner: { readonly [key: string]: unknown }) => ({
      wire: { dialect: "openai-chat" as const, body: inner, needs: [] }
    })
    const a = fingerprint(makeRequest(wire(body)), candidates)
    expect(a).toHaveLength(40)
    expect(explainFingerprints(a, fingerprint(makeRequest(wire({ ...body, field99: 0 })), candidates))).toEqual(["…"])
  })

  it("do not depend on the order of keys", () => {
    const of = (options: object) =>
      fingerprint(makeRequest({ providerOptions: options as NonNullable<Request["providerOptions"]> }), candidates)
    expect(of({ a: 1, b: { c: 2, d: [3] } })).toEqual(of({ b: { d: [3], c: 2 }, a: 1 }))
    expect(of({ a: 1, b: 2 })).not.toEqual(of({ a: 2, b: 1 }))
  })

  it("are four characters a field in memory, and come back as they were", () => {
    const fields = new CacheFields()
    const print = fingerprint(makeRequest({ temperature: 0.3, seed: 1 }), candidates)
    expect(fields.encode(print)).toHaveLength(4 * print.length)
    expect(fields.decode(fields.encode(print))).toEqual(print)
    for (let i = 0; i < 5000; i++) fields.encode([[`path ${i}`, i]])
    expect(fields.decode(fields.encode([["one more", 7]]))).toEqual([["(other)", 7]])
  })
})

describe("explain", () => {
  it("names the path of each difference, and nothing for equal requests", () => {
    expect(differences({}, {})).toEqual([])
    expect(differences({ temperature: 0 }, { temperature: 1 })).toEqual(["temperature"])
    expect(
      differences(
        { messages: [{ role: "user", content: "a" }], tools: [{ name: "f", parameters: { type: "object" } }] },
        {
          messages: [
            { role: "user", content: "b" },
            { role: "user", content: "c" }
          ],
          tools: [{ name: "f", parameters: { type: "array" } }]
        }
      )
    ).toEqual(["messages[0].content", "messages[1]", "tools[0].parameters.type"])
    expect(differences({ tenant: "x" }, { tenant: "y" })).toEqual(["tenant"])
    expect(differences({ cacheNamespace: "x" }, { cacheNamespace: "y" })).toEqual(["namespace"])
  })

  it("names the field of a body in a provider's dialect", () => {
    const wire = (body: { readonly [key: string]: unknown }) => ({
      wire: { dialect: "openai-chat" as const, body, needs: [] }
    })
    expect(differences(wire({ logit_bias: { 5: 1 } }), wire({ logit_bias: { 5: 2 }, n: 2 }))).toEqual([
      "logit_bias.5",
      "n"
    ])
  })

  it("names the model when the candidates differ", () => {
    const request = makeRequest()
    const other = [{ provider: "b", model: "m" }]
    expect(explain({ request, candidates }, { request, candidates: other })).toEqual(["model"])
  })
})
