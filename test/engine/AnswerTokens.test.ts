import { describe, expect, it } from "vitest"
import { countTokens as cl100k } from "gpt-tokenizer/encoding/cl100k_base"
import { AnswerTokens } from "../../engine/src/AnswerTokens.ts"
import { lookup } from "../../engine/src/ModelCatalog.ts"
import type { Block, Completion } from "../../engine/src/Reply.ts"
import { estimateText } from "../../engine/src/TokenEstimate.ts"
import { arenaPrompts, ordinary } from "./prompts.ts"

const model = lookup({ kind: "openai-compatible", model: "somebody-elses" })

const text = ordinary[0]!.text

const completion = (content: ReadonlyArray<Block>, output: number, more: Partial<Completion["usage"]> = {}) => ({
  id: "",
  model: "",
  content,
  finishReason: "stop" as const,
  rawFinishReason: undefined,
  usage: { uncachedInput: 1, cacheReadInput: 0, cacheWriteInput: 0, output, reasoning: 0, estimated: false, ...more }
})

describe("AnswerTokens", () => {
  it("estimates as any text until a model's answers have taught otherwise", () => {
    const answers = new AnswerTokens()
    expect(answers.estimate(text, model)).toBe(estimateText(text))
    expect(answers.estimate(text, undefined)).toBe(estimateText(text))
    expect(answers.estimate("", model)).toBe(0)
  })

  it("learns from answers in text, without the reasoning that is not in it", () => {
    const answers = new AnswerTokens()
    const tokens = estimateText(text)
    for (let i = 0; i < 60; i++) {
      answers.learn(completion([{ type: "text", text }], Math.round(1.5 * tokens) + 1000, { reasoning: 1000 }), model)
    }
    expect(Math.abs(answers.estimate(text, model) / (1.5 * tokens) - 1)).toBeLessThan(0.05)
    const other = lookup({ kind: "openai-compatible", model: "another" })
    expect(answers.estimate(text, other)).toBe(tokens)
  })

  it("learns nothing from calls, visible reasoning, estimates and empty answers", () => {
    const answers = new AnswerTokens()
    const blocks: ReadonlyArray<ReadonlyArray<Block>> = [
      [],
      [{ type: "text", text: "" }],
      [{ type: "tool-call", id: "1", name: "f", arguments: "{}" }],
      [
        { type: "reasoning", text },
        { type: "text", text }
      ]
    ]
    for (let i = 0; i < 60; i++) {
      for (const content of blocks) answers.learn(completion(content, 5000), model)
      answers.learn(completion([{ type: "text", text }], 5000, { estimated: true }), model)
      answers.learn(completion([{ type: "text", text }], 5000, { reasoning: 5000 }), model)
    }
    expect(answers.estimate(text, model)).toBe(estimateText(text))
  })

  it.skipIf(arenaPrompts === undefined)(
    "is within 3 % of another tokenizer's count after fifty answers, at the median (../shared/data/prompts)",
    () => {
      const answers = new AnswerTokens()
      const errors: Array<number> = []
      for (const [i, prompt] of arenaPrompts!.filter((_, i) => i % 4 === 0).entries()) {
        const reported = Math.round(1.13 * cl100k(prompt, { disallowedSpecial: new Set() })) + 30
        if (i >= 50) errors.push(Math.abs(answers.estimate(prompt, model) / reported - 1))
        answers.learn(completion([{ type: "text", text: prompt }], reported), model)
      }
      expect(errors.toSorted((a, b) => a - b)[errors.length >> 1]).toBeLessThan(0.03)
    }
  )
})
