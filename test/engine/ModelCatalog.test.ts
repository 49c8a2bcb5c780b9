import { beforeAll, describe, expect, it } from "vitest"
import { calcPrice, findProvider } from "@pydantic/genai-prices"
import { Effect } from "effect"
import fc from "fast-check"
import { readFileSync } from "node:fs"
import path from "node:path"
import * as ModelCatalog from "../../engine/src/ModelCatalog.ts"
import { fromInclusive, promptTokens, type Usage, zero } from "../../engine/src/Usage.ts"

const { lookup, price, pricesOf } = ModelCatalog

const noon = Date.parse("2026-11-22T12:00:00Z")
const thousand = fromInclusive({ input: 1000, output: 100 })
const urls = [
  "https://api.openai.com/v1",
  "https://api.anthropic.com",
  "https://generativelanguage.googleapis.com",
  "https://api.mistral.ai/v1",
  "https://api.deepseek.com",
  "https://api.x.ai/v1"
]
/** How a cost names the configuration's prices: with a hash of them. */
const configured = expect.stringMatching(/^config:[0-9a-f]{8}$/)

describe("before the tables are loaded", () => {
  it("knows no windows and says why there is no price", () => {
    expect(lookup({ kind: "openai", model: "gpt-4o" }).contextWindow).toBeUndefined()
    expect(price(thousand, { kind: "openai", model: "gpt-4o" }, noon)).toEqual({
      _tag: "Unpriced",
      reason: "the price table is not loaded"
    })
  })

  it("prices what the configuration prices", () => {
    const ref = { kind: "openai", model: "gpt-4o", pricing: { input: 1, output: 10 } }
    expect(price(thousand, ref, noon)).toMatchObject({ _tag: "Priced", usd: 0.002, table: configured })
  })
})

describe("ModelCatalog", () => {
  beforeAll(() => Effect.runPromise(ModelCatalog.load))

  it("names the version of the table that is installed", () => {
    const manifest = path.resolve(import.meta.dirname, "../../engine/package.json")
    const { dependencies } = JSON.parse(readFileSync(manifest, "utf8")) as { dependencies: Record<string, string> }
    expect(ModelCatalog.priceTable).toBe(`genai-prices@${dependencies["@pydantic/genai-prices"]}`)
  })

  describe("lookup", () => {
    it.each([
      ["openai", "gpt-4o", 128_000, undefined, 16_384],
      ["openai", "gpt-4o-2024-08-06", 128_000, undefined, 16_384],
      ["openai", "ft:gpt-4o-mini-2024-07-18:acme::8a1", 128_000, undefined, 16_384],
      ["openai", "gpt-5.4-mini", 400_000, 272_000, 128_000],
      ["openai", "gpt-5.4-mini-2099-01-01", 400_000, 272_000, 128_000],
      ["openai", "gpt-4.1", 1_047_576, undefined, 32_768],
      ["anthropic", "claude-haiku-4-5-20251001", 200_000, undefined, undefined],
      ["google", "gemini-2.5-flash", 1_048_576, undefined, undefined]
    ])("finds the windows of %s %s", (kind, model, contextWindow, maxInputTokens, maxOutputTokens) => {
      expect(lookup({ kind, model })).toMatchObject({ contextWindow, maxInputTokens, maxOutputTokens })
    })

    it.each([
      ["gpt-4o", "o200k_base", "openai"],
      ["gpt-4.1-mini-2025-04-14", "o200k_base", "openai"],
      ["chatgpt-4o-latest", "o200k_base", "openai"],
      ["gpt-5", "o200k_base", "openai-reasoning"],
      ["gpt-5-chat-latest", "o200k_base", "openai"],
      ["o3-mini-2025-01-31", "o200k_base", "openai-reasoning"],
      ["gpt-4", "cl100k_base", "openai"],
      ["gpt-4-1106-preview", "cl100k_base", "openai"],
      ["gpt-3.5-turbo-0125", "cl100k_base", "openai"],
      ["gpt-35-turbo", "cl100k_base", "openai"],
      ["ft:gpt-3.5-turbo:acme", "cl100k_base", "openai"],
      ["openai/gpt-4o", "o200k_base", "openai"],
      ["text-embedding-3-large", "cl100k_base", "openai"],
      ["text-davinci-003", "p50k_base", "openai"],
      ["gpt-oss-120b", "o200k_harmony", "other"],
      ["claude-sonnet-4-5", undefined, "claude"],
      ["anthropic/claude-haiku-4.5", undefined, "claude"],
      ["gemini-2.5-pro", undefined, "gemini"],
      ["mistral-large-latest", undefined, "other"]
    ])("knows how %s counts", (model, encoding, family) => {
      expect(lookup({ kind: "openai-compatible", model })).toMatchObject({ encoding, family })
    })

    it.each(["nope", "toString", "constructor", "__proto__", "", "x".repeat(10_000)])(
      "knows nothing of the model %j",
      (model) => {
        const found = lookup({ kind: "openai", model })
        expect(found.contextWindow).toBeUndefined()
        expect(found.maxOutputTokens).toBeUndefined()
        expect(price(thousand, { kind: "openai", model }, noon)._tag).toBe("Unpriced")
      }
    )

    it("takes a server by its base URL, and gives a server of one's own no list prices", () => {
      const model = "llama-3.3-70b-versatile"
      const groq = { kind: "openai-compatible", model, baseUrl: "https://api.groq.com/openai/v1" }
      const own = { kind: "openai-compatible", model, baseUrl: "http://127.0.0.1:8000/v1" }
      expect(price(thousand, groq, noon)).toMatchObject({ _tag: "Priced", table: ModelCatalog.priceTable })
      expect(price(thousand, own, noon)).toEqual({
        _tag: "Unpriced",
        reason: "no price table covers this openai-compatible provider; set its pricing"
      })
    })

    it("remembers a bounded number of models", () => {
      for (let i = 0; i < 5000; i++) lookup({ kind: "openai", model: `made-up-${i}` })
      expect(lookup({ kind: "openai", model: "gpt-4o" }).contextWindow).toBe(128_000)
    })
  })

  describe("price", () => {
    // By hand from the price lists: openai.com/api/pricing, claude.com/pricing#api and ai.google.dev/gemini-api/docs/pricing.
    it.each([
      ["openai", "gpt-4o", { input: 1_000_000, output: 0 }, 2.5],
      ["openai", "gpt-4o", { input: 0, output: 1_000_000 }, 10],
      ["openai", "gpt-4o-2024-08-06", { input: 2000, cacheRead: 1000, output: 500 }, 0.0025 + 0.00125 + 0.005],
      ["openai", "gpt-4o-mini", { input: 1_000_000, output: 1_000_000 }, 0.15 + 0.6],
      ["anthropic", "claude-haiku-4-5-20251001", { input: 1_000_000, output: 100_000 }, 1 + 0.5],
      ["anthropic", "claude-haiku-4-5", { input: 3000, cacheRead: 1000, cacheWrite: 1000, output: 0 }, 0.00235],
      ["google", "gemini-2.5-pro", { input: 100_000, output: 1000 }, 0.125 + 0.01],
      ["google", "gemini-2.5-pro", { input: 300_000, output: 1000 }, 0.75 + 0.015]
    ])("prices %s %s by the published list", (kind, model, figures, usd) => {
      const cost = price(fromInclusive(figures), { kind, model }, noon)
      expect(cost).toMatchObject({ _tag: "Priced", usd: expect.closeTo(usd, 12), table: ModelCatalog.priceTable })
    })

    it("never prices the simulator, unless the configuration does", () => {
      const simulated = { kind: "simulated", model: "simulated" }
      expect(price(thousand, simulated, noon)).toEqual({ _tag: "Unpriced", reason: "simulated provider" })
      const pricing = { input: 2, output: 4 }
      expect(price(thousand, { ...simulated, pricing }, noon)).toMatchObject({
        _tag: "Priced",
        usd: 0.0024,
        table: configured
      })
    })

    it("says that a model is not priced by tokens", () => {
      expect(price(thousand, { kind: "openai", model: "whisper-1" }, noon)).toMatchObject({
        _tag: "Unpriced",
        reason: expect.stringContaining("whisper-1 is not priced by tokens but by audio_hours")
      })
    })

    it("says that a model has no price for an answer", () => {
      const ref = { kind: "openai", model: "text-embedding-3-small" }
      expect(price({ ...thousand, output: 0 }, ref, noon)._tag).toBe("Priced")
      expect(price(thousand, ref, noon)._tag).toBe("Unpriced")
    })

    it("refuses usage that is no count", () => {
      const ref = { kind: "openai", model: "gpt-4o" }
      expect(price({ ...zero, output: Number.NaN }, ref, noon)._tag).toBe("Unpriced")
      expect(price({ ...zero, uncachedInput: -5 }, ref, noon)._tag).toBe("Unpriced")
    })

    it("follows the date and the hour of prices that change", () => {
      const luna = { kind: "openai", model: "gpt-5.6-luna" }
      const at = (time: string) => price(fromInclusive({ input: 1_000_000, output: 0 }), luna, Date.parse(time))
      expect(at("2026-07-29T23:59:00Z")).toMatchObject({ usd: 2 })
      expect(at("2026-07-30T00:00:00Z")).toMatchObject({ usd: 0.4 })
      expect(at("2026-07-29T23:59:00Z")).toMatchObject({ usd: 2 })
      const deepseek = { kind: "openai-compatible", model: "deepseek-chat", baseUrl: "https://api.deepseek.com" }
      const night = price(thousand, deepseek, Date.parse("2026-11-22T20:00:00Z"))
      const day = price(thousand, deepseek, Date.parse("2026-11-22T10:00:00Z"))
      expect(night).not.toEqual(day)
    })

    it("equals the table's own library for every text model of the large providers", () => {
      const tokens = fc.nat({ max: 400_000 })
      for (const kind of ["openai", "anthropic", "google"]) {
        const models = findProvider({ providerId: kind })!.models.map(({ id }) => id)
        fc.assert(
          fc.property(fc.constantFrom(...models), tokens, tokens, tokens, tokens, (model, a, b, c, output) => {
            const usage: Usage = {
              ...zero,
              uncachedInput: a,
              cacheReadInput: b,
              cacheWriteInput: c,
              output
            }
            const cost = price(usage, { kind, model }, noon)
            const expected = calcPrice(
              { input_tokens: promptTokens(usage), cache_read_tokens: b, cache_write_tokens: c, output_tokens: output },
              model,
              { providerId: kind, timestamp: new Date(noon) }
            )!
            if (cost._tag === "Unpriced") return
            expect(Math.abs(cost.usd - expected.total_price)).toBeLessThanOrEqual(expected.total_price * 1e-9)
          }),
          { numRuns: 400 }
        )
      }
    })

    it("equals the table's own library at any time, for every model whose price changes", () => {
      const changing = ["openai", "anthropic", "google", "mistral", "deepseek", "x-ai"].flatMap((provider) => {
        const { api_pattern: pattern, models } = findProvider({ providerId: provider })!
        const baseUrl = urls.find((url) => new RegExp(pattern).test(url))
        return models
          .filter(({ prices }) => Array.isArray(prices) && prices.length > 1)
          .map(({ id }) => ({ provider, model: id, baseUrl }))
      })
      expect(changing.length).toBeGreaterThan(15)
      // Days and hours at which prices change, and any time between them.
      const times = fc.oneof(
        fc.integer({ min: Date.parse("2025-01-01"), max: Date.parse("2027-06-01") }),
        fc
          .tuple(
            fc.integer({ min: 20_089, max: 20_970 }),
            fc.integer({ min: 0, max: 48 }),
            fc.integer({ min: -1, max: 1 })
          )
          .map(([day, half, offset]) => day * 86_400_000 + half * 1_800_000 + offset)
      )
      fc.assert(
        fc.property(fc.constantFrom(...changing), times, ({ baseUrl, model, provider }, atMs) => {
          const cost = price(thousand, { kind: "openai-compatible", model, baseUrl }, atMs)
          if (cost._tag === "Unpriced") return
          const expected = calcPrice({ input_tokens: 1000, output_tokens: 100 }, model, {
            providerId: provider,
            timestamp: new Date(atMs)
          })!
          expect(Math.abs(cost.usd - expected.total_price)).toBeLessThan(1e-12)
        }),
        { numRuns: 3000 }
      )
    })

    it("has no price of the providers themselves that its unit of account would round", () => {
      for (const id of ["openai", "anthropic", "google", "mistral", "groq", "deepseek", "x-ai"]) {
        for (const { prices } of findProvider({ providerId: id })!.models) {
          for (const entry of Array.isArray(prices) ? prices.map((inner) => inner.prices) : [prices]) {
            for (const [key, value] of Object.entries(entry)) {
              if (!key.endsWith("_mtok")) continue
              const figures =
                typeof value === "object" ? [value.base, ...value.tiers.map((tier) => tier.price)] : [value!]
              for (const figure of figures) {
                expect(Math.abs(Math.round(figure * 1e6) - figure * 1e6)).toBeLessThan(1e-6)
              }
            }
          }
        }
      }
    })
  })

  describe("pricesOf", () => {
    it("gives list prices below the first step, with input's where a cache price is missing", () => {
      expect(pricesOf({ kind: "openai", model: "gpt-4o" }, noon)).toEqual({
        input: 2.5,
        output: 10,
        cacheRead: 1.25,
        cacheWrite: 2.5
      })
      expect(pricesOf({ kind: "google", model: "gemini-2.5-pro" }, noon)).toMatchObject({ input: 1.25, output: 10 })
    })

    it("gives what is configured, and nothing for what is unknown", () => {
      const pricing = { input: 1, output: 2 }
      expect(pricesOf({ kind: "openai", model: "nope", pricing }, noon)).toEqual({
        ...pricing,
        cacheRead: 1,
        cacheWrite: 1
      })
      expect(pricesOf({ kind: "openai", model: "nope" }, noon)).toBeUndefined()
    })
  })
})
