/**
 * Configured prices go before the price table: of a provider, of a model, of a service tier; what is wrong is named.
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { decode } from "../../engine/src/Config.ts"
import { price } from "../../engine/src/ModelCatalog.ts"
import type { Pricing } from "../../engine/src/PriceOverrides.ts"
import { fromInclusive, type UsageDetail } from "../../engine/src/Usage.ts"

const provider = { name: "openai", apiKey: "sk-0123456789", models: ["big", "small"] }

const pricingOf = (pricing: unknown) =>
  Effect.runSync(decode({ providers: [{ ...provider, pricing }] }, { env: {} })).providers[0]!.pricing

const lines = (pricing: unknown) =>
  Effect.runSync(Effect.flip(decode({ providers: [{ ...provider, pricing }] }, { env: {} }))).message.split("\n")

/** A million tokens of prompt, a tenth of it from the cache, and half a million of answer, half of it reasoning. */
const usage = { input: 1_000_000, cacheRead: 100_000, output: 500_000, reasoning: 250_000 }

const cost = (pricing: Pricing | undefined, model: string, detail?: UsageDetail) =>
  price(fromInclusive({ ...usage, detail }), { kind: "openai-compatible", model, pricing }, 0)

describe("pricing", () => {
  it("is of the whole provider, and what it leaves out costs as much as its neighbour", () => {
    const pricing = pricingOf({ input: 1, output: 10 })
    expect(cost(pricing, "big")).toMatchObject({ usd: 6 })
    expect(cost(pricingOf({ input: 1, output: 10, cacheRead: 0.1, reasoning: 20 }), "big")).toMatchObject({
      usd: 0.9 + 0.01 + 2.5 + 5
    })
  })

  it("is of single models first", () => {
    const pricing = pricingOf({ input: 1, output: 10, models: { small: { input: 0.1, output: 1 } } })
    expect(cost(pricing, "small")).toMatchObject({ usd: 0.6 })
    expect(cost(pricing, "big")).toMatchObject({ usd: 6 })
    const alone = pricingOf({ models: { small: { input: 0.1, output: 1 } } })
    expect(cost(alone, "small")).toMatchObject({ usd: 0.6 })
    expect(cost(alone, "big")._tag).toBe("Unpriced")
  })

  it("is by service tier: prices of its own or a multiple; a tier without a price has none", () => {
    const pricing = pricingOf({
      input: 1,
      output: 10,
      serviceTiers: { flex: 0.5, priority: { input: 3, output: 20 } },
      models: { small: { serviceTiers: { flex: 0.25 } } }
    })
    expect(cost(pricing, "big", { serviceTier: "flex" })).toMatchObject({ usd: 3 })
    expect(cost(pricing, "small", { serviceTier: "flex" })).toMatchObject({ usd: 1.5 })
    expect(cost(pricing, "small", { serviceTier: "priority" })).toMatchObject({ usd: 13 })
    expect(cost(pricing, "big", { serviceTier: "batch" })).toEqual({
      _tag: "Unpriced",
      reason: "no price is known for the service tier batch; set pricing.serviceTiers.batch"
    })
  })

  it("prices fees, hour-long writes and media", () => {
    const pricing = pricingOf({
      input: 1,
      output: 10,
      cacheWrite: 1.25,
      cacheWrite1h: 2,
      audioInput: 40,
      audioOutput: 80,
      imageOutput: 30,
      request: 5,
      webSearch: 10
    })
    const detail: UsageDetail = {
      cacheWrite1h: 1000,
      media: [
        { of: "input", medium: "audio", tokens: 1000 },
        { of: "output", medium: "audio", tokens: 100 },
        { of: "output", medium: "image", tokens: 10 }
      ],
      webSearches: 2
    }
    const used = fromInclusive({ input: 10_000, cacheWrite: 2000, output: 1000, detail })
    expect(price(used, { kind: "openai", model: "big", pricing }, 0)).toMatchObject({
      usd: expect.closeTo((7000 + 1000 * 40 + 1000 * 1.25 + 1000 * 2 + 890 * 10 + 8000 + 300) / 1e6 + 0.005 + 0.02, 12)
    })
  })

  it("has a version: the same for the same prices, another one for others", () => {
    const table = (pricing: unknown, model = "big", detail?: UsageDetail) => {
      const found = cost(pricingOf(pricing), model, detail)
      return found._tag === "Priced" ? found.table : found.reason
    }
    expect(table({ input: 1, output: 10 })).toMatch(/^config:[0-9a-f]{8}$/)
    expect(table({ output: 10, input: 1 })).toBe(table({ input: 1, output: 10 }))
    expect(table({ input: 1, output: 11 })).not.toBe(table({ input: 1, output: 10 }))
    expect(table({ input: 1, output: 10, models: { small: { input: 2, output: 3 } } })).toBe(
      table({ input: 1, output: 10 })
    )
    expect(table({ input: 1, output: 10, serviceTiers: { flex: 0.5 } }, "big", { serviceTier: "flex" })).toBe(
      `${table({ input: 1, output: 10 })}*0.5`
    )
  })

  it("says what is wrong, all at once", () => {
    expect(
      lines({
        input: -1,
        serviceTiers: { flex: { input: 1 }, batch: "half" },
        models: { small: { output: 1 }, big: {}, huge: { input: 1, output: 1 } }
      })
    ).toEqual([
      "providers[0].pricing.input: expected dollars per million tokens, 0 or more, got -1",
      expect.stringMatching(/^providers\[0\]\.pricing\.serviceTiers\.flex/),
      expect.stringMatching(/^providers\[0\]\.pricing\.serviceTiers\.batch/),
      "providers[0].pricing.models.huge: is not a model of this provider; its models: big, small",
      "providers[0].pricing.output: expected dollars per million tokens, 0 or more, which input needs, got nothing",
      "providers[0].pricing.models.small.input: expected dollars per million tokens, 0 or more, which output needs, got nothing",
      "providers[0].pricing.models.big.input: expected dollars per million tokens, 0 or more, which a price needs, got nothing",
      "providers[0].pricing.models.big.output: expected dollars per million tokens, 0 or more, which a price needs, got nothing"
    ])
    expect(lines({ cacheRead: 1 })).toEqual([
      "providers[0].pricing.input: expected dollars per million tokens, 0 or more, which cacheRead needs, got nothing",
      "providers[0].pricing.output: expected dollars per million tokens, 0 or more, which cacheRead needs, got nothing"
    ])
  })
})
