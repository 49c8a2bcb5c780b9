import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { boundText, estimateText } from "../../engine/src/TokenEstimate.ts"
import { arenaPrompts, ordinary } from "./prompts.ts"

const exact = (text: string): number => countTokens(text, { disallowedSpecial: new Set() })

const quantile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]!

describe("estimateText", () => {
  it("gives nothing for nothing, and at least one token for anything else", () => {
    expect(estimateText("")).toBe(0)
    for (const text of [" ", "a", "'", "\n", "漢", "😀"]) expect(estimateText(text)).toBeGreaterThanOrEqual(1)
  })

  it.each(ordinary)("is within 15 % of the exact count on $name", ({ text }) => {
    expect(Math.abs(estimateText(text) / exact(text) - 1)).toBeLessThan(0.15)
  })

  it.skipIf(arenaPrompts === undefined)("is close on real prompts (../shared/data/prompts/arena-hard.jsonl.gz)", () => {
    const prompts = arenaPrompts!.filter((_, i) => i % 4 === 0)
    const counts = prompts.map(exact)
    const estimates = prompts.map(estimateText)
    const errors = estimates.map((estimate, i) => Math.abs(estimate / counts[i]! - 1))
    const sum = (values: ReadonlyArray<number>) => values.reduce((a, b) => a + b, 0)
    expect(quantile(errors, 0.5)).toBeLessThan(0.04)
    expect(quantile(errors, 0.9)).toBeLessThan(0.15)
    expect(Math.abs(sum(estimates) / sum(counts) - 1)).toBeLessThan(0.02)
  })

  it("samples a long text and stays close", () => {
    const text = ordinary.map(({ text }) => text).join("\n\n")
    const long = text.repeat(Math.ceil(3_000_000 / text.length))
    const expected = exact(text) * (long.length / text.length)
    expect(Math.abs(estimateText(long) / expected - 1)).toBeLessThan(0.1)
  })

  it("grows with the text and is a finite count for any string, broken surrogates included", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 50 }), fc.array(fc.nat({ max: 0xffff })), (text, units) => {
        const any = text + String.fromCharCode(...units)
        const estimate = estimateText(any)
        expect(Number.isInteger(estimate)).toBe(true)
        expect(estimate).toBeGreaterThanOrEqual(0)
        expect(estimate).toBeLessThanOrEqual(2 * any.length + 1)
      })
    )
  })
})

describe("boundText", () => {
  it("is never below the exact count", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        expect(exact(text)).toBeLessThanOrEqual(boundText(text))
      })
    )
    for (const { text } of ordinary) expect(exact(text)).toBeLessThanOrEqual(boundText(text))
    expect(exact("\ud800".repeat(50))).toBeLessThanOrEqual(boundText("\ud800".repeat(50)))
  })
})
