import { describe, expect, it } from "vitest"
import { cacheKey, explain } from "../../engine/src/CacheKey.ts"
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
