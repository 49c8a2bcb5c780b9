import { describe, expect, it } from "vitest"
import { baseOf, isKnown, lemmaOf } from "../../../engine/src/semantic/SemanticLemma.ts"

describe("SemanticLemma", () => {
  it.each([
    ["children", "child"],
    ["cities", "city"],
    ["newbies", "newbie"],
    ["boxes", "box"],
    ["hoping", "hope"],
    ["hopping", "hop"],
    ["running", "run"],
    ["declined", "decline"],
    ["wrote", "write"],
    ["colours", "color"],
    ["summarising", "summarize"],
    ["nodes", "node"],
    ["plan", "plan"],
    ["planes", "plane"],
    ["kubernetes", "kubernetes"],
    ["string", "string"]
  ])("%s is a form of %s", (form, lemma) => {
    expect(lemmaOf(form)).toBe(lemma)
  })

  it.each([
    ["recommendation", "recommend"],
    ["renewal", "renew"],
    ["safely", "safe"],
    ["difference", "differ"],
    ["hardly", "hardly"],
    ["apartment", "apartment"],
    ["reply", "reply"]
  ])("%s comes from %s", (lemma, base) => {
    expect(baseOf(lemma)).toBe(base)
  })

  it("tells words from typing errors", () => {
    expect(["photosynthesis", "constructor", "dictionary"].map(isKnown)).toEqual([true, true, true])
    expect(["photosythesis", "dictionnary", "recieve"].map(isKnown)).toEqual([false, false, false])
  })
})
