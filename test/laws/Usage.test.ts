/**
 * Law 9: usage is disjoint, and a price is `Priced` with its table or `Unpriced` with a reason, never a silent 0.
 */
import { beforeAll, describe, expect, it } from "vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import * as ModelCatalog from "../../engine/src/ModelCatalog.ts"
import {
  completionTokens,
  fromInclusive,
  promptTokens,
  totalTokens,
  type Usage,
  usdOrZero
} from "../../engine/src/Usage.ts"

const noon = Date.parse("2026-11-22T12:00:00Z")
const tokens = fc.nat({ max: 2_000_000 })
const optional = fc.option(tokens, { nil: undefined })

const reported = fc.record({
  input: tokens,
  output: tokens,
  cacheRead: optional,
  cacheWrite: optional,
  reasoning: optional
})

const usages = reported.map(fromInclusive)

/** Dollars per million tokens with at most six decimals. */
const dollars = fc.nat({ max: 500_000_000 }).map((micros) => micros / 1e6)

const pricings = fc.record({ input: dollars, output: dollars, cacheRead: dollars, cacheWrite: dollars })

const plus = (a: Usage, b: Usage): Usage => ({
  uncachedInput: a.uncachedInput + b.uncachedInput,
  cacheReadInput: a.cacheReadInput + b.cacheReadInput,
  cacheWriteInput: a.cacheWriteInput + b.cacheWriteInput,
  output: a.output + b.output,
  reasoning: a.reasoning + b.reasoning,
  estimated: false
})

const priceAt = (usage: Usage, pricing: ModelCatalog.Prices) =>
  ModelCatalog.price(usage, { kind: "openai-compatible", model: "m", pricing }, noon)

/** The amount in picodollars by integer arithmetic, as a bookkeeper would do it. */
const picosByHand = (
  usage: Usage,
  pricing: { readonly [K in "input" | "output" | "cacheRead" | "cacheWrite"]: number }
): bigint => {
  const rate = (price: number) => BigInt(Math.round(price * 1e6))
  return (
    BigInt(usage.uncachedInput) * rate(pricing.input) +
    BigInt(usage.cacheReadInput) * rate(pricing.cacheRead) +
    BigInt(usage.cacheWriteInput) * rate(pricing.cacheWrite) +
    BigInt(usage.output) * rate(pricing.output)
  )
}

describe("usage", () => {
  it("puts every token in one place, whatever the provider reports", () => {
    fc.assert(
      fc.property(reported, (figures) => {
        const usage = fromInclusive(figures)
        expect(usage.uncachedInput + usage.cacheReadInput + usage.cacheWriteInput).toBe(figures.input)
        expect(promptTokens(usage)).toBe(figures.input)
        expect(completionTokens(usage)).toBe(figures.output)
        expect(totalTokens(usage)).toBe(figures.input + figures.output)
        for (const part of [usage.uncachedInput, usage.cacheReadInput, usage.cacheWriteInput, usage.reasoning]) {
          expect(part).toBeGreaterThanOrEqual(0)
        }
        expect(usage.reasoning).toBeLessThanOrEqual(usage.output)
      })
    )
  })

  it("keeps the cache and reasoning figures of a provider that reports no more than the whole", () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, tokens, (uncached, cacheRead, cacheWrite, reasoning, visible) => {
        const usage = fromInclusive({
          input: uncached + cacheRead + cacheWrite,
          cacheRead,
          cacheWrite,
          output: reasoning + visible,
          reasoning
        })
        expect(usage).toMatchObject({
          uncachedInput: uncached,
          cacheReadInput: cacheRead,
          cacheWriteInput: cacheWrite,
          reasoning
        })
      })
    )
  })
})

describe("a configured price", () => {
  it("is exact to the picodollar", () => {
    fc.assert(
      fc.property(usages, pricings, (usage, pricing) => {
        const picos = picosByHand(usage, pricing)
        fc.pre(picos <= BigInt(Number.MAX_SAFE_INTEGER))
        expect(priceAt(usage, pricing)).toMatchObject({
          _tag: "Priced",
          usd: Number(picos) / 1e12,
          table: expect.stringMatching(/^config:[0-9a-f]{8}$/)
        })
      })
    )
  })

  it("adds up: two calls cost what one of their sum would", () => {
    const small = fc.record({ input: fc.nat({ max: 10_000 }), output: fc.nat({ max: 10_000 }) }).map(fromInclusive)
    fc.assert(
      fc.property(small, small, pricings, (a, b, pricing) => {
        const picos = (usage: Usage) => Math.round(usdOrZero(priceAt(usage, pricing)) * 1e12)
        expect(picos(a) + picos(b)).toBe(picos(plus(a, b)))
      })
    )
  })

  it("is 0 only where no tokens were used or the tokens are free", () => {
    fc.assert(
      fc.property(usages, pricings, (usage, pricing) => {
        const cost = priceAt(usage, pricing)
        expect(cost._tag).toBe("Priced")
        expect(usdOrZero(cost) === 0).toBe(picosByHand(usage, pricing) === 0n)
      })
    )
  })
})

describe("any price", () => {
  beforeAll(() => Effect.runPromise(ModelCatalog.load))

  const models = fc.oneof(
    fc.string(),
    fc.constantFrom("gpt-4o", "gpt-5.4-mini", "o3", "whisper-1", "claude-haiku-4-5", "gemini-2.5-pro", "simulated")
  )
  const kinds = fc.constantFrom("openai", "anthropic", "google", "openai-compatible", "simulated")
  const urls = fc.option(fc.oneof(fc.webUrl(), fc.constantFrom("https://api.groq.com/openai/v1", "")), {
    nil: undefined
  })

  it("names its table or the reason why there is none", () => {
    fc.assert(
      fc.property(usages, kinds, models, urls, (usage, kind, model, baseUrl) => {
        const cost = ModelCatalog.price(usage, { kind, model, baseUrl }, noon)
        if (cost._tag === "Priced") {
          expect(cost.table).toBe(ModelCatalog.priceTable)
          expect(cost.usd).toBeGreaterThanOrEqual(0)
          expect(Number.isFinite(cost.usd)).toBe(true)
        } else {
          expect(cost.reason).not.toBe("")
          expect(usdOrZero(cost)).toBe(0)
        }
      })
    )
  })

  it("never falls when more tokens of a kind are used", () => {
    fc.assert(
      fc.property(usages, usages, fc.constantFrom("gpt-4o", "gpt-5.4", "gpt-5.6-luna", "o3"), (usage, more, model) => {
        const ref = { kind: "openai", model }
        const cost = usdOrZero(ModelCatalog.price(usage, ref, noon))
        expect(usdOrZero(ModelCatalog.price(plus(usage, more), ref, noon))).toBeGreaterThanOrEqual(cost)
      })
    )
  })

  const fixtures = path.resolve(import.meta.dirname, "../../../shared/fixtures/dev")

  it.skipIf(!existsSync(fixtures))("holds for what providers really reported (../shared/fixtures/dev)", () => {
    let seen = 0
    for (const endpoint of readdirSync(fixtures)) {
      for (const file of readdirSync(path.join(fixtures, endpoint))) {
        const recorded = JSON.parse(readFileSync(path.join(fixtures, endpoint, file), "utf8")) as Recorded
        const figures = recorded.expected.usage ?? undefined
        const model = recorded.expected.model ?? undefined
        const input = figures?.inputTokens ?? undefined
        const output = figures?.outputTokens ?? undefined
        if (figures === undefined || input === undefined || output === undefined || model === undefined) continue
        seen++
        const usage = fromInclusive({
          input,
          output,
          cacheRead: figures.cachedInputTokens ?? undefined,
          cacheWrite: figures.cacheWriteTokens ?? undefined,
          reasoning: figures.reasoningTokens ?? undefined
        })
        expect(promptTokens(usage)).toBe(input)
        expect(usage.cacheReadInput).toBe(Math.min(figures.cachedInputTokens ?? 0, input))
        const kind = endpoint === "gemini" ? "google" : endpoint.split("-")[0]!
        const cost = ModelCatalog.price(usage, { kind, model }, noon)
        expect(cost._tag === "Priced" ? cost.table : cost.reason).not.toBe("")
      }
    }
    expect(seen).toBeGreaterThan(500)
  })
})

/** The part of a recorded case that is read here; absent figures are null. */
interface Recorded {
  readonly expected: {
    readonly model?: string | null
    readonly usage?: {
      readonly inputTokens: number | null
      readonly outputTokens: number | null
      readonly cachedInputTokens: number | null
      readonly cacheWriteTokens: number | null
      readonly reasoningTokens: number | null
    } | null
  }
}
