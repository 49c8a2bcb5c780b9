import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { analyse, type Features } from "../../../engine/src/semantic/SemanticFeatures.ts"
import { SemanticIndex } from "../../../engine/src/semantic/SemanticIndex.ts"
import { prompts } from "../../support/near-misses.ts"

const featuresOf = (text: string): Features => {
  const analysis = analyse(text)
  if (analysis._tag === "Unjudgeable") throw new Error(text)
  return analysis.features
}

const filled = (): SemanticIndex<number> => {
  const index = new SemanticIndex<number>()
  prompts.forEach((prompt, id) => index.add(id, featuresOf(prompt)))
  return index
}

describe("SemanticIndex", () => {
  it("finds every prompt first by itself", () => {
    const index = filled()
    for (const [id, prompt] of prompts.entries()) expect(index.search(featuresOf(prompt), 1)[0]?.id).toBe(id)
  })

  it("finds a prompt by synonyms of its words", () => {
    const index = filled()
    index.add(100, featuresOf("nearest petrol station"))
    expect(index.search(featuresOf("closest gas station"), 5)[0]?.id).toBe(100)
  })

  it("holds what was added and not removed, whatever the order", () => {
    const actions = fc.array(fc.record({ id: fc.nat(9), prompt: fc.nat(prompts.length - 1), add: fc.boolean() }))
    fc.assert(
      fc.property(actions, (steps) => {
        const index = new SemanticIndex<number>()
        const expected = new Map<number, number>()
        for (const { add, id, prompt } of steps) {
          if (add) {
            index.add(id, featuresOf(prompts[prompt]!))
            expected.set(id, prompt)
          } else {
            index.remove(id)
            expected.delete(id)
          }
        }
        expect(index.size).toBe(expected.size)
        for (const [id, prompt] of expected) {
          const found = index.search(featuresOf(prompts[prompt]!), 20).map((candidate) => candidate.id)
          expect(found).toContain(id)
          expect(found.every((candidate) => expected.has(candidate))).toBe(true)
        }
      })
    )
  })

  it("ranks from the best and returns no more than asked for", () => {
    const found = filled().search(featuresOf("Convert 12 km to feet"), 3)
    expect(found.length).toBeLessThanOrEqual(3)
    expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).toSorted((a, b) => b - a))
  })
})
