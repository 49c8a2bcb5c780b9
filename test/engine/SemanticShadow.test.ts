import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  answerSimilarity,
  compareAnswers,
  rateOf,
  SemanticShadow,
  type WouldBe
} from "../../engine/src/SemanticShadow.ts"

const wouldBe = (fields: Partial<WouldBe> = {}): WouldBe => ({
  atMs: 0,
  requestId: "req_1",
  askedKey: "asked",
  storedKey: "stored",
  similarity: 0.9,
  comparison: "same",
  asked: { prompt: "secret prompt", answer: "secret answer" },
  stored: { prompt: "secret prompt", answer: "secret answer" },
  ...fields
})

describe("the comparison of two answers", () => {
  it.each([
    ["Paris", "The capital of France is Paris."],
    ["The capital of France is Paris.", "It's Paris, the capital of France."],
    ["It is $1,200.", "The price is $1200."],
    ["Yes", "yes."],
    ["", ""]
  ])("takes %j and %j for the same", (a, b) => {
    expect(compareAnswers(a, b)).toBe("same")
    expect(compareAnswers(b, a)).toBe("same")
  })

  it.each([
    ["Yes", "No"],
    ["It costs $12.", "It costs $1,200."],
    ["Paris", "Rome"],
    ["Paris", ""],
    ["Use a hammer to drive the nail in.", "Bake the bread for an hour."]
  ])("tells %j and %j apart", (a, b) => {
    expect(compareAnswers(a, b)).toBe("different")
    expect(compareAnswers(b, a)).toBe("different")
  })

  it("is symmetric, the same for a text with itself, and bounded for any length", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (a, b) => {
        expect(answerSimilarity(a, b)).toBe(answerSimilarity(b, a))
        expect(answerSimilarity(a, a)).toBe(1)
        expect(answerSimilarity(a, b)).toBeGreaterThanOrEqual(0)
        expect(answerSimilarity(a, b)).toBeLessThanOrEqual(1)
      })
    )
    const startedAt = performance.now()
    compareAnswers("1".repeat(5_000_000), "a ".repeat(5_000_000))
    expect(performance.now() - startedAt).toBeLessThan(100)
  })
})

describe("the false-hit rate", () => {
  it("is nothing before the first comparison, and Wilson's interval after it", () => {
    expect(rateOf(0, 0)).toBeNull()
    // https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval: 10 of 100.
    expect(rateOf(10, 100)!.low).toBeCloseTo(0.0552, 4)
    expect(rateOf(10, 100)!.high).toBeCloseTo(0.1744, 4)
    expect(rateOf(0, 10)).toMatchObject({ value: 0, low: 0 })
    expect(rateOf(0, 10)!.high).toBeCloseTo(0.2775, 4)
  })

  it("lies within its interval, which lies within 0 and 1 and narrows", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (of, share) => {
        const count = Math.round(share * of)
        const { high, low, value } = rateOf(count, of)!
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        expect(low).toBeLessThanOrEqual(value)
        expect(high).toBeGreaterThanOrEqual(value)
        const more = rateOf(10 * count, 10 * of)!
        expect(more.high - more.low).toBeLessThanOrEqual(high - low)
      })
    )
  })
})

describe("SemanticShadow", () => {
  it("counts hits from the threshold on, and puts all of them into the histogram", () => {
    const shadow = new SemanticShadow({ threshold: 0.85, content: false })
    shadow.wouldBe(wouldBe({ similarity: 0.84, comparison: "different" }))
    shadow.wouldBe(wouldBe({ similarity: 0.85 }))
    shadow.wouldBe(wouldBe({ similarity: 1, comparison: "different" }))
    shadow.wouldBe(wouldBe({ similarity: 1, comparison: "unclear" }))
    const { histogram, shadow: figures } = shadow.status()
    expect(figures).toMatchObject({ wouldBeHits: 3, same: 1, different: 1, unclear: 1, falseHitRate: { value: 0.5 } })
    expect(histogram).toHaveLength(20)
    expect(histogram.filter(({ hits }) => hits > 0)).toEqual([
      { from: 0.8, to: 0.85, hits: 1, same: 0, different: 1, unclear: 0 },
      { from: 0.85, to: 0.9, hits: 1, same: 1, different: 0, unclear: 0 },
      { from: 0.95, to: 1, hits: 2, same: 0, different: 1, unclear: 1 }
    ])
  })

  it("keeps the last hits, newest first and bounded, and no text unless content may be logged", () => {
    const shadow = new SemanticShadow({ threshold: 0.85, content: false })
    for (let i = 0; i < 250; i++) shadow.wouldBe(wouldBe({ requestId: `req_${i}` }))
    const { recent, wouldBeHits } = shadow.status().shadow
    expect(wouldBeHits).toBe(250)
    expect(recent).toHaveLength(100)
    expect(recent[0]!.requestId).toBe("req_249")
    expect(recent.at(-1)!.requestId).toBe("req_150")
    expect(JSON.stringify(shadow.status())).not.toContain("secret")
    const open = new SemanticShadow({ threshold: 0.85, content: true })
    open.wouldBe(wouldBe({ asked: { prompt: "x".repeat(1_000_000), answer: "a" } }))
    expect(open.status().shadow.recent[0]!.content!.asked.prompt.length).toBeLessThan(10_000)
  })
})
