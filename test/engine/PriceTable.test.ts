/**
 * Prices against a table that was checked by hand: 35 models of 8 providers, then price steps, dates, hours, media, fees
 * and service tiers.
 *
 * The catalogue is `@pydantic/genai-prices` 0.1.8 (September 2026), which names its sources: developers.openai.com/api/docs/
 * pricing, anthropic.com/pricing#api, ai.google.dev/gemini-api/docs/pricing, docs.x.ai/docs/models, mistral.ai/pricing/api,
 * console.groq.com/docs/models, api-docs.deepseek.com/quick_start/pricing, docs.perplexity.ai/docs/getting-started/pricing.
 * The figures below were not taken from it:
 *
 * - openai, anthropic, google, x-ai, deepseek: LiteLLM's `model_prices_and_context_window.json` as of 2026-07-24, a table that
 *   is kept by other people from the same pages (copy at github.com/Wei-Shaw/model-price-repo, commit f9ff147). The dollars
 *   in the last column were worked out in decimal arithmetic from those figures. What changed after that day, or is not in
 *   LiteLLM's table, says so.
 * - mistral, groq: price lists that other projects published in 2026; no second table of the same rank was at hand.
 * - perplexity, and prices from after 2026-07-24: genai-prices alone; the arithmetic is checked, the source is not.
 *
 * Where the two tables disagree the model is left out, or has a test of its own: `deepseek-chat` and `deepseek-reasoner` are
 * older in genai-prices than at LiteLLM (0.28, 0.028 and 0.42 dollars), `grok-4.5` reads its cache for 0.3 or 0.5.
 */
import { beforeAll, describe, expect, it } from "vitest"
import { Effect } from "effect"
import * as ModelCatalog from "../../engine/src/ModelCatalog.ts"
import { decimalOf } from "../../engine/src/Money.ts"
import { linePicos, providerCacheSavedUsd } from "../../engine/src/PriceLines.ts"
import { fromInclusive, type Usage, type UsageDetail } from "../../engine/src/Usage.ts"

beforeAll(() => Effect.runPromise(ModelCatalog.load))

const urls: { readonly [provider: string]: string } = {
  "x-ai": "https://api.x.ai/v1",
  mistral: "https://api.mistral.ai/v1",
  groq: "https://api.groq.com/openai/v1",
  deepseek: "https://api.deepseek.com",
  perplexity: "https://api.perplexity.ai"
}

const refOf = (provider: string, model: string, pricing?: ModelCatalog.Pricing): ModelCatalog.ModelRef =>
  urls[provider] === undefined
    ? { kind: provider, model, pricing }
    : { kind: "openai-compatible", model, baseUrl: urls[provider], pricing }

/** 12,345 uncached tokens, 67,890 read from the cache, 1,000 written to it (400 for an hour), 2,222 of answer. */
const full: Usage = {
  uncachedInput: 12_345,
  cacheReadInput: 67_890,
  cacheWriteInput: 1000,
  output: 2222,
  reasoning: 1111,
  estimated: false,
  detail: { cacheWrite1h: 400 }
}

const july = Date.parse("2026-07-24T12:00:00Z")

const usdAt = (
  provider: string,
  model: string,
  usage: Usage,
  time: string | number,
  pricing?: ModelCatalog.Pricing
) => {
  const cost = ModelCatalog.price(usage, refOf(provider, model, pricing), new Date(time).getTime())
  return cost._tag === "Priced" ? cost.usd : cost.reason
}

describe("the price of a full usage, by the published rates", () => {
  // provider, model, dollars per million of input, cache read, cache write, hour-long cache write, output; dollars of `full`.
  // Where a rate is null the provider has none, and such tokens cost as much as other input.
  it.each<readonly [string, string, number, number | null, number | null, number | null, number, string]>([
    ["openai", "gpt-3.5-turbo", 0.5, null, null, null, 1.5, "0.0439505"],
    ["openai", "gpt-4o", 2.5, 1.25, null, null, 10, "0.140445"],
    ["openai", "gpt-4o-mini", 0.15, 0.075, null, null, 0.6, "0.0084267"],
    ["openai", "gpt-4.1", 2, 0.5, null, null, 8, "0.078411"],
    ["openai", "gpt-4.1-mini", 0.4, 0.1, null, null, 1.6, "0.0156822"],
    ["openai", "gpt-5", 1.25, 0.125, null, null, 10, "0.0473875"],
    ["openai", "gpt-5-mini", 0.25, 0.025, null, null, 2, "0.0094775"],
    ["openai", "gpt-5-pro", 15, null, null, null, 120, "1.485165"],
    ["openai", "gpt-5.1", 1.25, 0.125, null, null, 10, "0.0473875"],
    ["openai", "gpt-5.2", 1.75, 0.175, null, null, 14, "0.0663425"],
    ["openai", "gpt-5.4", 2.5, 0.25, null, null, 15, "0.083665"],
    ["openai", "gpt-5.4-mini", 0.75, 0.075, null, null, 4.5, "0.0250995"],
    ["openai", "gpt-5.5", 5, 0.5, null, null, 30, "0.16733"],
    ["openai", "o3", 2, 0.5, null, null, 8, "0.078411"],
    ["openai", "o3-mini", 1.1, 0.55, null, null, 4.4, "0.0617958"],
    ["openai", "o4-mini", 1.1, 0.275, null, null, 4.4, "0.04312605"],
    ["anthropic", "claude-haiku-4-5", 1, 0.1, 1.25, 2, 5, "0.031794"],
    ["anthropic", "claude-sonnet-4-5", 3, 0.3, 3.75, 6, 15, "0.095382"],
    ["anthropic", "claude-sonnet-4-6", 3, 0.3, 3.75, 6, 15, "0.095382"],
    ["anthropic", "claude-sonnet-5", 2, 0.2, 2.5, 4, 10, "0.063588"],
    ["anthropic", "claude-opus-4-1", 15, 1.5, 18.75, 30, 75, "0.47691"],
    ["anthropic", "claude-opus-4-5", 5, 0.5, 6.25, 10, 25, "0.15897"],
    ["anthropic", "claude-opus-5", 5, 0.5, 6.25, 10, 25, "0.15897"],
    ["google", "gemini-2.0-flash", 0.1, 0.025, null, null, 0.4, "0.00392055"],
    ["google", "gemini-2.5-flash", 0.3, 0.03, null, null, 2.5, "0.0115952"],
    ["google", "gemini-2.5-flash-lite", 0.1, 0.01, null, null, 0.4, "0.0029022"],
    ["google", "gemini-2.5-pro", 1.25, 0.125, null, null, 10, "0.0473875"],
    ["google", "gemini-3.1-flash-lite", 0.25, 0.025, null, null, 1.5, "0.0083665"],
    ["x-ai", "grok-4.3", 1.25, 0.2, null, null, 2.5, "0.03581425"],
    ["mistral", "mistral-large-2512", 0.5, 0.05, null, null, 1.5, "0.0134"],
    ["groq", "llama-3.3-70b-versatile", 0.59, null, null, null, 0.79, "0.04968403"],
    ["groq", "openai/gpt-oss-120b", 0.15, 0.075, null, null, 0.6, "0.0084267"],
    // 13,345 × 0.14 + 67,890 × 0.0028 + 2,222 × 0.28; dearer from 2026-08-17 on.
    ["deepseek", "deepseek-v4-flash", 0.14, 0.0028, null, null, 0.28, "0.002680552"],
    ["deepseek", "deepseek-v4-pro", 0.435, 0.003625, null, null, 0.87, "0.00798431625"],
    // 81,235 × 1 + 2,222 × 1 and twelve dollars a thousand requests.
    ["perplexity", "sonar", 1, null, null, null, 1, "0.095457"]
  ])("%s %s", (provider, model, input, cacheRead, cacheWrite, cacheWrite1h, output, usd) => {
    const cost = ModelCatalog.price(full, refOf(provider, model), july)
    if (cost._tag === "Unpriced" || cost.rates === undefined) throw new Error(`unpriced: ${model}`)
    const rates = { ...cost.rates }
    expect({
      input: rates.input / 1e6,
      cacheRead: rates.cacheRead / 1e6,
      cacheWrite: rates.cacheWrite / 1e6,
      cacheWrite1h: rates.cacheWrite1h / 1e6,
      output: rates.output! / 1e6
    }).toEqual({
      input,
      cacheRead: cacheRead ?? input,
      cacheWrite: cacheWrite ?? input,
      cacheWrite1h: cacheWrite1h ?? cacheWrite ?? input,
      output
    })
    const lines = linePicos(full, cost.rates)
    expect(decimalOf(Object.values(lines).reduce((sum, picos) => sum + BigInt(picos), 0n))).toBe(usd)
    expect(cost).toMatchObject({ usd: Number(usd), table: ModelCatalog.priceTable })
  })
})

/** A prompt of so many uncached tokens, and as many tokens of answer. */
const simple = (input: number, output: number, detail?: UsageDetail) => fromInclusive({ input, output, detail })

describe("steps by the size of the prompt", () => {
  it.each([
    // OpenAI: "prompts with < 272K input tokens" at the lower rate.
    ["openai", "gpt-5.4", 271_999, 0.6799975 + 0.015],
    ["openai", "gpt-5.4", 272_000, 1.36 + 0.0225],
    ["openai", "gpt-5.5", 272_000, 2.72 + 0.045],
    // Anthropic: above 200,000.
    ["anthropic", "claude-sonnet-4-5", 200_000, 0.6 + 0.015],
    ["anthropic", "claude-sonnet-4-5", 200_001, 1.200006 + 0.0225],
    // Google: "prompts > 200k".
    ["google", "gemini-2.5-pro", 200_000, 0.25 + 0.01],
    ["google", "gemini-2.5-pro", 200_001, 0.5000025 + 0.015]
  ])("%s %s at %d tokens", (provider, model, input, usd) => {
    expect(usdAt(provider, model, simple(input, 1000), july)).toBeCloseTo(usd, 12)
  })

  it("count cache reads and writes as prompt", () => {
    const usage = fromInclusive({ input: 300_000, cacheRead: 250_000, cacheWrite: 10_000, output: 0 })
    expect(usdAt("anthropic", "claude-sonnet-4-5", usage, july)).toBeCloseTo(
      (40_000 * 6 + 250_000 * 0.6 + 10_000 * 7.5) / 1e6,
      12
    )
  })
})

describe("prices that change", () => {
  it.each([
    // OpenAI lowered o3 by 80 % on 2025-06-10 (openai.com, price list of that day).
    ["openai", "o3", "2025-06-09T23:59:00Z", 10 + 40],
    ["openai", "o3", "2025-06-10T00:00:00Z", 2 + 8],
    // genai-prices alone: after LiteLLM's copy.
    ["openai", "gpt-5.6-luna", "2026-07-29T23:59:00Z", 2 + 9],
    ["openai", "gpt-5.6-luna", "2026-07-30T00:00:00Z", 0.4 + 1.8],
    // Anthropic: above 200,000 tokens dearer until 2026-03-13, flat since.
    ["anthropic", "claude-sonnet-4-6", "2026-03-12T23:59:00Z", 6 + 22.5],
    ["anthropic", "claude-sonnet-4-6", "2026-03-13T00:00:00Z", 3 + 15],
    // Mistral's alias moved to another model.
    ["mistral", "mistral-medium-latest", "2026-06-15T12:00:00Z", 0.4 + 2],
    ["mistral", "mistral-medium-latest", "2026-06-16T12:00:00Z", 1.5 + 7.5],
    // DeepSeek's nights (16:30 to 00:30 UTC) at half the price; see above on this model.
    ["deepseek", "deepseek-chat", "2025-08-01T16:29:00Z", 0.27 + 1.1],
    ["deepseek", "deepseek-chat", "2025-08-01T16:30:00Z", 0.135 + 0.55],
    ["deepseek", "deepseek-chat", "2025-08-02T00:30:00Z", 0.27 + 1.1]
  ])("%s %s at %s", (provider, model, time, usd) => {
    expect(usdAt(provider, model, simple(1_000_000, 1_000_000), time)).toBeCloseTo(usd, 12)
  })
})

describe("media, searches and fees", () => {
  const media = (of: "input" | "cacheRead" | "output", medium: "audio" | "image", tokens: number): UsageDetail => ({
    media: [{ of, medium, tokens }]
  })

  it("prices sound and pictures at rates of their own", () => {
    // LiteLLM: gpt-audio 2.5, 10 for text, 32 and 64 for sound.
    expect(usdAt("openai", "gpt-audio", simple(1000, 0, media("input", "audio", 400)), july)).toBeCloseTo(
      (600 * 2.5 + 400 * 32) / 1e6,
      12
    )
    expect(usdAt("openai", "gpt-audio", simple(0, 1000, media("output", "audio", 900)), july)).toBeCloseTo(
      (100 * 10 + 900 * 64) / 1e6,
      12
    )
    // gemini-2.5-flash: 0.3 for text, pictures and films, 1 for sound; 0.03 and 0.1 from the cache.
    const heard = fromInclusive({
      input: 1000,
      cacheRead: 200,
      output: 0,
      detail: {
        media: [
          { of: "input", medium: "audio", tokens: 300 },
          { of: "input", medium: "image", tokens: 258 },
          { of: "cacheRead", medium: "audio", tokens: 100 }
        ]
      }
    })
    expect(usdAt("google", "gemini-2.5-flash", heard, july)).toBeCloseTo(
      (500 * 0.3 + 300 * 1 + 100 * 0.03 + 100 * 0.1) / 1e6,
      12
    )
    // gemini-2.5-flash-image: a picture of 1,290 tokens at 30 dollars a million is 3.9 cents.
    expect(
      usdAt("google", "gemini-2.5-flash-image", simple(0, 1290, media("output", "image", 1290)), july)
    ).toBeCloseTo(0.0387, 12)
  })

  it("never prices sound as text where the table lacks its rate", () => {
    expect(usdAt("openai", "gpt-4o-audio-preview", simple(1000, 10, media("input", "audio", 1)), july)).toBe(
      `${ModelCatalog.priceTable} has no price for the audio tokens of this model`
    )
    expect(usdAt("openai", "gpt-4o-audio-preview", simple(1_000_000, 0), july)).toBe(2.5)
  })

  it("adds web searches: ten dollars a thousand at OpenAI and Anthropic", () => {
    const searched = simple(1000, 0, { webSearches: 3 })
    expect(usdAt("anthropic", "claude-haiku-4-5", searched, july)).toBeCloseTo(0.001 + 0.03, 12)
    expect(usdAt("openai", "gpt-4.1", searched, july)).toBeCloseTo(0.002 + 0.03, 12)
    expect(usdAt("google", "gemini-2.5-pro", searched, july)).toBe(
      `${ModelCatalog.priceTable} has no price for web searches`
    )
  })

  it("prices reasoning apart where it has a price of its own", () => {
    // sonar-deep-research: 2, 8 and 3 dollars.
    const usage = fromInclusive({ input: 1000, output: 1000, reasoning: 600 })
    expect(usdAt("perplexity", "sonar-deep-research", usage, july)).toBeCloseTo(
      (1000 * 2 + 400 * 8 + 600 * 3) / 1e6,
      12
    )
  })
})

describe("service tiers", () => {
  it("have no price unless one is configured: the table has none", () => {
    for (const serviceTier of ["flex", "priority", "batch", "provisioned_throughput"]) {
      expect(usdAt("openai", "gpt-5", simple(1000, 1000, { serviceTier }), july)).toBe(
        `no price is known for the service tier ${serviceTier}; set pricing.serviceTiers.${serviceTier}`
      )
    }
  })

  it.each([
    // LiteLLM: gpt-5 flex 0.625, 0.0625, 5 and priority 2.5, 0.25, 20.
    ["gpt-5", "flex", 0.5, (12_345 + 1000) * 0.625 + 67_890 * 0.0625 + 2222 * 5],
    ["gpt-5", "priority", 2, (12_345 + 1000) * 2.5 + 67_890 * 0.25 + 2222 * 20],
    // gpt-4.1 priority 3.5, 0.875, 14 and batch 1, 4; gpt-4o priority 4.25, 2.125, 17; o4-mini flex 0.55, 0.1375, 2.2.
    ["gpt-4.1", "priority", 1.75, (12_345 + 1000) * 3.5 + 67_890 * 0.875 + 2222 * 14],
    ["gpt-4.1", "batch", 0.5, (12_345 + 1000) * 1 + 67_890 * 0.25 + 2222 * 4],
    ["gpt-4o", "priority", 1.7, (12_345 + 1000) * 4.25 + 67_890 * 2.125 + 2222 * 17],
    ["o4-mini", "flex", 0.5, (12_345 + 1000) * 0.55 + 67_890 * 0.1375 + 2222 * 2.2]
  ])("%s %s is %d times the ordinary price", (model, serviceTier, factor, millionths) => {
    const usage = { ...full, detail: { serviceTier } }
    expect(usdAt("openai", model, usage, july, { serviceTiers: { [serviceTier]: factor } })).toBeCloseTo(
      millionths / 1e6,
      12
    )
  })
})

describe("what the provider's prompt cache saved", () => {
  it.each([
    // Reads at a tenth: 67,890 × 0.9; writes: 600 × 0.25 and 400 × 1 more.
    ["anthropic", "claude-haiku-4-5", full, (67_890 * 0.9 - 600 * 0.25 - 400 * 1) / 1e6],
    // Writes alone cost more than they save.
    ["anthropic", "claude-haiku-4-5", fromInclusive({ input: 5000, cacheWrite: 4000, output: 9 }), -4000 * 0.25e-6],
    ["openai", "gpt-4o", fromInclusive({ input: 5000, cacheRead: 4000, output: 9 }), 4000 * 1.25e-6],
    ["openai", "gpt-4o", fromInclusive({ input: 5000, output: 9 }), 0]
  ])("%s %s", (provider, model, usage, usd) => {
    const cost = ModelCatalog.price(usage, refOf(provider, model), july)
    expect(cost._tag === "Priced" && providerCacheSavedUsd(usage, cost.rates!)).toBeCloseTo(usd, 12)
  })
})
