/**
 * Windows and prices in the admin API: every configured model has a price or the reason why it has none.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { PriceList } from "../../engine/src/AdminPriceAnswers.ts"
import { priceTable } from "../../engine/src/ModelCatalog.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { adminToken, startGateway, type TestGateway } from "../support/gateway.ts"

let gateway: TestGateway

beforeAll(async () => {
  gateway = await startGateway(
    {
      providers: [
        {
          name: "openai",
          apiKey: "sk-test",
          models: ["gpt-5.4", "gpt-4o"],
          pricing: { serviceTiers: { flex: 0.5 }, models: { "gpt-4o": { input: 2, output: 8, webSearch: 10 } } }
        },
        { name: "anthropic", apiKey: "sk-test", model: "claude-haiku-4-5" },
        { name: "own", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m", contextWindow: 8192 }
      ],
      cache: { enabled: false },
      logging: { level: "none" }
    },
    {
      providers: [
        scriptedProvider("anthropic", () => ({
          ...completionOf("claude-haiku-4-5", "fine"),
          usage: {
            uncachedInput: 100,
            cacheReadInput: 2000,
            cacheWriteInput: 1000,
            output: 50,
            reasoning: 20,
            estimated: false,
            detail: { cacheWrite1h: 400, webSearches: 1 }
          }
        }))
      ]
    }
  )
})
afterAll(() => gateway.close())

const admin = async (path: string) => {
  const response = await fetch(`${gateway.url}/admin/api/${path}`, {
    headers: { authorization: `Bearer ${adminToken}` }
  })
  return { status: response.status, json: (await response.json()) as any }
}

const list = async (path: string): Promise<PriceList> => (await admin(path)).json

describe("GET prices", () => {
  it("has the configured models with windows, abilities and prices, or the reason why there are none", async () => {
    const { catalogue, models } = await list("prices?at=2026-11-22")
    expect(catalogue).toBe(priceTable)
    expect(models.map(({ model, provider }) => `${provider}/${model}`)).toEqual([
      "openai/gpt-5.4",
      "openai/gpt-4o",
      "anthropic/claude-haiku-4-5",
      "own/m"
    ])
    expect(models[0]).toMatchObject({
      contextWindow: 1_050_000,
      maxOutputTokens: 128_000,
      modalities: { input: ["text", "image"], output: ["text"] },
      abilities: expect.arrayContaining(["function_calling", "structured_outputs", "reasoning"]),
      table: priceTable,
      unpricedReason: null,
      steps: [
        { abovePromptTokens: null, input: 2.5, cacheRead: 0.25, cacheWrite: 2.5, output: 15, reasoning: 15 },
        { abovePromptTokens: 271_999, input: 5, cacheRead: 0.5, output: 22.5 }
      ],
      serviceTiers: [{ tier: "flex", table: `${priceTable}*0.5`, steps: [{ input: 1.25 }, { input: 2.5 }] }]
    })
    expect(models[1]).toMatchObject({
      contextWindow: 128_000,
      table: expect.stringMatching(/^config:[0-9a-f]{8}$/),
      steps: [{ input: 2, output: 8, cacheRead: 2, webSearchUsd: 0.01 }]
    })
    expect(models[2]).toMatchObject({
      contextWindow: 200_000,
      modalities: null,
      steps: [{ input: 1, cacheRead: 0.1, cacheWrite: 1.25, cacheWrite1h: 2, output: 5, webSearchUsd: 0.01 }]
    })
    expect(models[3]).toMatchObject({
      contextWindow: 8192,
      table: null,
      unpricedReason: "no price table covers this openai-compatible provider; set its pricing",
      steps: []
    })
  })

  it("takes any model, one provider and any time", async () => {
    const at = (time: string) => list(`prices?provider=openai&model=gpt-5.6-luna&at=${time}`)
    expect((await at("2026-07-29")).models).toMatchObject([{ model: "gpt-5.6-luna", steps: [{ input: 1 }, {}] }])
    expect((await at("2026-07-30")).models).toMatchObject([{ steps: [{ input: 0.2 }, {}] }])
    expect((await list("prices?model=nope")).models.map(({ table }) => table)).toEqual([null, null, null])
  })

  it("names a provider that is not there", async () => {
    expect(await admin("prices?provider=nobody")).toMatchObject({
      status: 404,
      json: { message: 'no provider is named "nobody"' }
    })
    expect((await admin("prices?modle=x")).status).toBe(400)
  })
})

describe("GET models", () => {
  it("searches what the catalogue has of the configured providers", async () => {
    const found = await list("models?provider=anthropic&search=haiku")
    expect(found.models.map(({ model }) => model)).toContain("claude-3-haiku")
    expect(found.models.every(({ model }) => model.includes("haiku"))).toBe(true)
    const cut = await list("models?limit=2")
    expect(cut.models).toHaveLength(2)
    expect(cut.more).toBeGreaterThan(100)
  })
})

describe("GET requests/{id}", () => {
  it("has the dollars of each line, which add up to the cost", async () => {
    const response = await fetch(`${gateway.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
      body: JSON.stringify({ model: "claude-haiku-4-5", max_tokens: 9, messages: [{ role: "user", content: "hi" }] })
    })
    await response.text()
    const id = response.headers.get("x-millrace-request-id")!
    const { json } = await admin(`requests/${id}`)
    // By hand: 100 × 1 + 2,000 × 0.1 + 600 × 1.25 + 400 × 2 + 50 × 5 dollars a million, and a search for a cent.
    expect(json.price).toEqual({
      usd: 0.0121,
      table: priceTable,
      unpricedReason: null,
      lines: [
        { kind: "uncachedInput", tokens: 100, usd: 0.0001, usdPerMillion: 1 },
        { kind: "cacheReadInput", tokens: 2000, usd: 0.0002, usdPerMillion: 0.1 },
        { kind: "cacheWriteInput", tokens: 1000, usd: 0.00155, usdPerMillion: 1.55 },
        { kind: "output", tokens: 30, usd: 0.00015, usdPerMillion: 5 },
        { kind: "reasoning", tokens: 20, usd: 0.0001, usdPerMillion: 5 },
        { kind: "fees", tokens: 0, usd: 0.01, usdPerMillion: null }
      ]
    })
    // Reads saved 2,000 × 0.9, writes cost 1,550 − 1,000 more than input would have.
    expect(json.providerCacheSavedUsd).toBe(0.00125)
    expect(json.serviceTier).toBeNull()
  })
})
