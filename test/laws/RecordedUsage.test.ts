/**
 * Law 9 over all recorded answers of real providers (../shared/fixtures/dev, mutated, synthetic): every token is counted once
 * and as the provider counted it, and the lines of a price add up to it, whatever the rates.
 */
import { beforeAll, describe, expect, it } from "vitest"
import { Effect } from "effect"
import fc from "fast-check"
import * as ModelCatalog from "../../engine/src/ModelCatalog.ts"
import { MoneySum, picosOf, picosPerUsd } from "../../engine/src/Money.ts"
import { linePicos, picosOfUsage, providerCacheSavedUsd } from "../../engine/src/PriceLines.ts"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { openAiCompletions } from "../../engine/src/protocols/OpenAiCompletions.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../engine/src/protocols/Protocol.ts"
import { completionTokens, promptTokens, totalTokens, type UnitRates, type Usage } from "../../engine/src/Usage.ts"
import { linesOf, priceColumns } from "../../engine/src/UsagePrice.ts"
import { artefacts, casesOf, hasCorpus, type RecordedCase, type RecordedEndpoint } from "../conformance/Recorded.ts"
import { replay } from "../conformance/Replay.ts"

const protocols: Readonly<Record<RecordedEndpoint, Protocol>> = {
  "openai-chat": openAiChat,
  "openai-responses": openAiResponses,
  "openai-completions": openAiCompletions,
  "openai-embeddings": openAiChat,
  "anthropic-messages": anthropicMessages,
  gemini
}

interface Answer {
  readonly recorded: RecordedCase
  readonly usage: Usage
  readonly model: string
}

/** Answers whose usage the provider has reported. */
const answers: ReadonlyArray<Answer> = hasCorpus
  ? (Object.keys(protocols) as Array<RecordedEndpoint>).flatMap((endpoint) =>
      casesOf(endpoint).flatMap((recorded) => {
        if (recorded.expected.outcome !== "success" || recorded.id in artefacts) return []
        const { completion, error } = replay(protocols[endpoint], recorded)
        if (error !== undefined || completion.usage.estimated) return []
        return [{ recorded, usage: completion.usage, model: completion.model }]
      })
    )
  : []

const kinds: { readonly [endpoint: string]: string } = { "anthropic-messages": "anthropic", gemini: "google" }

const refOf = ({ model, recorded }: Answer): ModelCatalog.ModelRef => ({
  kind: kinds[recorded.endpoint] ?? "openai",
  model
})

const noon = Date.parse("2026-11-22T12:00:00Z")

/** Picodollars a token of up to 1,000 dollars a million. */
const rate = fc.nat({ max: 1_000_000_000 })

const rates: fc.Arbitrary<UnitRates> = fc.record({
  input: rate,
  cacheRead: rate,
  cacheWrite: rate,
  cacheWrite1h: rate,
  output: rate,
  reasoning: fc.option(rate, { nil: undefined }),
  media: fc.record(
    {
      "input.audio": rate,
      "input.image": rate,
      "input.video": rate,
      "cacheRead.audio": rate,
      "output.audio": rate,
      "output.image": rate
    },
    { requiredKeys: [] }
  ),
  request: rate,
  webSearch: rate
})

const recordOf = (usage: Usage, costUsd: number | null, own: UnitRates) => ({
  ...usage,
  ...priceColumns(usage, { _tag: "Priced", usd: costUsd ?? 0, table: "t", rates: own }),
  costUsd,
  usageDetail: usage.detail ?? null,
  attempts: []
})

const suite = hasCorpus ? "recorded answers" : "recorded answers (skipped: ../shared/fixtures is not here)"

describe.skipIf(!hasCorpus)(suite, () => {
  beforeAll(() => Effect.runPromise(ModelCatalog.load))

  it("are enough to say something", () => {
    expect(answers.length).toBeGreaterThan(1300)
    expect(answers.filter(({ usage }) => usage.cacheReadInput > 0).length).toBeGreaterThan(50)
    expect(answers.filter(({ usage }) => usage.cacheWriteInput > 0).length).toBeGreaterThan(5)
    expect(answers.filter(({ usage }) => usage.reasoning > 0).length).toBeGreaterThan(100)
    expect(answers.filter(({ usage }) => usage.detail !== undefined).length).toBeGreaterThan(10)
  })

  it("have every token in one place: parts are whole numbers within what they are a part of", () => {
    for (const { recorded, usage } of answers) {
      const figures = [
        usage.uncachedInput,
        usage.cacheReadInput,
        usage.cacheWriteInput,
        usage.output,
        usage.reasoning,
        ...(usage.detail?.media ?? []).map(({ tokens }) => tokens),
        usage.detail?.cacheWrite1h ?? 0,
        usage.detail?.webSearches ?? 0
      ]
      expect(
        figures.every((figure) => Number.isSafeInteger(figure) && figure >= 0),
        recorded.id
      ).toBe(true)
      expect(usage.reasoning, recorded.id).toBeLessThanOrEqual(usage.output)
      expect(usage.detail?.cacheWrite1h ?? 0, recorded.id).toBeLessThanOrEqual(usage.cacheWriteInput)
      const mediaOf = (of: string) =>
        (usage.detail?.media ?? []).reduce((sum, media) => sum + (media.of === of ? media.tokens : 0), 0)
      expect(mediaOf("input"), recorded.id).toBeLessThanOrEqual(usage.uncachedInput)
      expect(mediaOf("cacheRead"), recorded.id).toBeLessThanOrEqual(usage.cacheReadInput)
      expect(mediaOf("output"), recorded.id).toBeLessThanOrEqual(usage.output - usage.reasoning)
    }
  })

  it("add up to the provider's own totals", () => {
    const stated = answers.filter(({ recorded }) => typeof recorded.expected.usage?.totalTokens === "number")
    expect(stated.length).toBe(answers.length)
    for (const { recorded, usage } of stated) {
      expect(promptTokens(usage) + completionTokens(usage)).toBe(totalTokens(usage))
      expect(totalTokens(usage), recorded.id).toBe(recorded.expected.usage!.totalTokens)
    }
  })

  it("tell what is billed apart: hour-long writes, sound, pictures, searches, tiers", () => {
    const some = (is: (usage: Usage) => boolean) => answers.filter(({ usage }) => is(usage)).length
    expect(some(({ detail }) => (detail?.cacheWrite1h ?? 0) > 0)).toBeGreaterThan(0)
    expect(some(({ detail }) => detail?.media?.some(({ medium }) => medium === "audio") === true)).toBeGreaterThan(2)
    expect(some(({ detail }) => detail?.media?.some(({ medium }) => medium === "image") === true)).toBeGreaterThan(5)
    expect(some(({ detail }) => (detail?.webSearches ?? 0) > 0)).toBeGreaterThan(2)
    const tiers = new Set(answers.map(({ usage }) => usage.detail?.serviceTier))
    expect(tiers).toEqual(new Set(["provisioned", "provisioned_throughput", undefined]))
  })

  it("cost what their lines add up to, at any rates", () => {
    fc.assert(
      fc.property(fc.constantFrom(...answers), rates, ({ usage }, own) => {
        const picos = picosOfUsage(usage, own)
        const lines = Object.values(linePicos(usage, own))
        expect(lines.reduce((sum, line) => sum + line, 0)).toBe(picos)
        expect(lines.every((line) => Number.isInteger(line) && line >= 0)).toBe(true)
        const record = recordOf(usage, (picos as number) / picosPerUsd, own)
        const shown = linesOf(record)
        expect(shown.reduce((sum, { usd }) => sum + picosOf(usd!), 0n)).toBe(BigInt(picos))
        expect(shown.slice(0, 5).reduce((sum, { tokens }) => sum + tokens, 0)).toBe(totalTokens(usage))
      }),
      { numRuns: 3000 }
    )
  })

  it("cost more, never less, with more tokens of any kind", () => {
    fc.assert(
      fc.property(fc.constantFrom(...answers), rates, fc.integer({ min: 1, max: 100_000 }), ({ usage }, own, more) => {
        const cost = picosOfUsage(usage, own) as number
        for (const [field, unit] of [
          ["uncachedInput", own.input],
          ["cacheReadInput", own.cacheRead],
          ["cacheWriteInput", own.cacheWrite],
          ["output", own.output!]
        ] as const) {
          expect(picosOfUsage({ ...usage, [field]: usage[field] + more }, own)).toBe(cost + more * unit)
        }
        const reasoned = { ...usage, output: usage.output + more, reasoning: usage.reasoning + more }
        expect(picosOfUsage(reasoned, own)).toBe(cost + more * (own.reasoning ?? own.output!))
      }),
      { numRuns: 1000 }
    )
  })

  it("save by the provider's cache what they would have cost without it", () => {
    fc.assert(
      fc.property(fc.constantFrom(...answers), rates, ({ usage: { detail: _, ...usage } }, own) => {
        const without = {
          ...usage,
          uncachedInput: promptTokens(usage),
          cacheReadInput: 0,
          cacheWriteInput: 0
        }
        const saved = (picosOfUsage(without, own) as number) - (picosOfUsage(usage, own) as number)
        expect(providerCacheSavedUsd(usage, own)).toBe(saved / picosPerUsd)
      })
    )
  })

  it("have a price by the table, with its lines, or a reason; the sum of all is exact", () => {
    const costs = new MoneySum()
    let lines = 0n
    let priced = 0
    const reasons = new Set<string>()
    for (const answer of answers) {
      const cost = ModelCatalog.price(answer.usage, refOf(answer), noon)
      if (cost._tag === "Unpriced") {
        reasons.add(cost.reason)
        continue
      }
      priced++
      costs.add(cost.usd)
      for (const { usd } of linesOf(recordOf(answer.usage, cost.usd, cost.rates!))) lines += picosOf(usd!)
      for (const field of ["uncachedInput", "cacheReadInput", "cacheWriteInput", "output"] as const) {
        const more = ModelCatalog.price({ ...answer.usage, [field]: answer.usage[field] + 1 }, refOf(answer), noon)
        if (more._tag === "Priced") expect(more.usd, answer.recorded.id).toBeGreaterThanOrEqual(cost.usd)
      }
    }
    expect(costs.picos).toBe(lines)
    expect(priced).toBeGreaterThan(600)
    for (const reason of reasons) expect(reason.length).toBeGreaterThan(10)
  })
})
