/**
 * Law 8, semantic safety, the gate: an answer never serves for a prompt in which a number, a unit, a date, a name, quoted
 * text, code, a link, a negation, a direction, a language, a format or any unknown word is another one. The partition and
 * the modes have a test of their own.
 */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { analyse } from "../../engine/src/semantic/SemanticFeatures.ts"
import { compare } from "../../engine/src/semantic/SemanticGate.ts"
import { allSwaps, insertWord, prompts, replaceWord } from "../support/near-misses.ts"

const folder = path.resolve(import.meta.dirname, "../../../shared/data/prompts")

/** Real prompts of up to 300 characters; the shared data may be absent. */
const real = (name: string): ReadonlyArray<string> => {
  const file = path.join(folder, `${name}.jsonl.gz`)
  if (!existsSync(file)) return []
  return gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly text?: string; readonly prompt?: string })
    .map(({ prompt, text }) => text ?? prompt ?? "")
    .filter((text) => text.length <= 300)
}

const all = [...prompts, ...["banking77", "clinc150", "arena-hard", "awesome-chatgpt-prompts"].flatMap(real)]
const prompt = fc.constantFrom(...all)
const swap = fc.constantFrom(...allSwaps)

/** Whether the answer to `stored` would be served for `asked`. */
const serves = (stored: string, asked: string): boolean => {
  const a = analyse(stored)
  const b = analyse(asked)
  return a._tag === "Judgeable" && b._tag === "Judgeable" && compare(b.features, a.features).same
}

/** "How can I" and "how should I" want the same; a number in another unit may be asked for with any question word. */
const harmless = (text: string): boolean => /\b(?:how (?:do|did|can|should)|how (?:many|much)|in \w+$)\b/i.test(text)

describe("law 8: no answer for another question", () => {
  it("where a word of a prompt is replaced by another of its kind", () => {
    let tried = 0
    for (const [kind, word, other] of allSwaps) {
      for (let i = 0; i < all.length; i += kind === "questions" ? 41 : 13) {
        const text = all[i]!
        const changed = replaceWord(text, word, other)
        if (changed === undefined || changed.toLowerCase() === text.toLowerCase()) continue
        if (kind === "questions" && harmless(text)) continue
        tried++
        expect(serves(text, changed) && `${text} | ${changed}`).toBe(false)
        expect(serves(changed, text) && `${changed} | ${text}`).toBe(false)
      }
    }
    expect(tried).toBeGreaterThan(20)
  })

  it("where one word of a kind is added here and another one there", () => {
    const kinds = swap.filter(([kind]) => kind !== "questions")
    fc.assert(
      fc.property(prompt, kinds, fc.nat(30), (text, [, word, other], position) => {
        const at = position % (text.split(" ").length + 1)
        expect(serves(insertWord(text, at, word), insertWord(text, at, other))).toBe(false)
      }),
      { numRuns: 3000 }
    )
  })

  it("where a word is replaced by one that nobody knows", () => {
    const made = fc.stringMatching(/^[b-df-hj-np-tv-z]{2}[aeiou][b-df-hj-np-tv-z]{2}[aeiou]x$/)
    fc.assert(
      fc.property(prompt, fc.nat(60), made, (text, position, word) => {
        const words = text.split(" ")
        const places = words.flatMap((old, at) => (/^[a-z]{6,}$/.test(old) ? [at] : []))
        fc.pre(places.length > 0)
        const at = places[position % places.length]!
        fc.pre(
          !/^(?:really|actually|please|though|exactly|thanks|currently|properly|definitely|certainly|specifically)$/.test(
            words[at]!
          )
        )
        expect(serves(text, words.with(at, word).join(" "))).toBe(false)
      }),
      { numRuns: 2000 }
    )
  })

  it("where a negation is added", () => {
    const verbs = fc.constantFrom("is", "are", "can", "do", "does", "should", "will")
    fc.assert(
      fc.property(prompt, verbs, (text, verb) => {
        const negated = replaceWord(text, verb, `${verb} not`)
        fc.pre(negated !== undefined)
        expect(serves(text, negated!)).toBe(false)
        expect(serves(negated!, text)).toBe(false)
      }),
      { numRuns: 1000 }
    )
  })

  it("where numbers, quoted text, code or links differ", () => {
    const number = fc.integer({ min: 0, max: 9999 })
    const frame = fc.constantFrom<(value: string) => string>(
      (value) => `Recommend a laptop under ${value} dollars`,
      (value) => `What does error ${value} mean?`,
      (value) => `Summarise https://example.com/posts/${value}`,
      (value) => `What is the status of ticket INC-${value}?`,
      (value) => `Explain what \`f(${value})\` returns`,
      (value) => `Fix the spelling of "page ${value} of the recieved pacakge"`,
      (value) => `Give me ${value} name ideas for a bakery`
    )
    fc.assert(
      fc.property(number, number, frame, (a, b, of) => {
        fc.pre(a !== b)
        expect(serves(of(String(a)), of(String(b)))).toBe(false)
      })
    )
  })

  it("where two names, places or things change places", () => {
    const names = ["Anna", "Boris", "Clara", "David"]
    const pair = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)).filter(([a, b]) => a !== b)
    const relation = fc.constantFrom<(a: string, b: string) => string>(
      (a, b) => `Did ${a} beat ${b} at chess?`,
      (a, b) => `How do I get from ${a} Street to ${b} Street?`,
      (a, b) => `Why did ${a} lend money to ${b}?`,
      (a, b) => `Is ${a} older than ${b}?`,
      (a, b) => `Was ${a} hired by ${b}?`,
      (a, b) => `What did ${a} say after ${b} left?`
    )
    fc.assert(
      fc.property(pair, relation, ([a, b], of) => {
        expect(serves(of(a, b), of(b, a))).toBe(false)
      })
    )
  })

  it("and judges alike in both directions", () => {
    fc.assert(
      fc.property(prompt, prompt, (a, b) => {
        expect(serves(a, b)).toBe(serves(b, a))
      }),
      { numRuns: 500 }
    )
  })
})
