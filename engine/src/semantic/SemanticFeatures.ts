/**
 * What the semantic cache knows of a prompt: everything that `SemanticGate` compares, worked out once.
 *
 * `analyse` reads a prompt of any length in bounded time. It refuses what can't be judged: other languages, long texts,
 * prompts that depend on the time of asking and prompts that ask for an action. It never looks at other prompts.
 */
import { isEnglish } from "./SemanticLanguage.ts"
import { asksForDeed, dependsOnTime } from "./SemanticOccasion.ts"
import { questionOf, type Question } from "./SemanticQuestion.ts"
import { tokenise } from "./SemanticText.ts"
import { wordsOf, type Words } from "./SemanticWords.ts"

/** Why a prompt takes no part in the semantic cache. */
export type UnjudgeableReason = "empty" | "too-long" | "language" | "time-dependent" | "action" | "code-only"

export interface Features {
  /** Words of the prompt, those that carry no meaning included. */
  readonly words: number
  /** The prompt with single spaces, in lower case and without its last full stop. */
  readonly normalised: string
  /** Distinct stems by which the index finds the prompt. */
  readonly stems: ReadonlyArray<string>
  readonly question: Question
  readonly content: Words
  readonly quotes: ReadonlyArray<string>
  readonly code: ReadonlyArray<string>
  readonly links: ReadonlyArray<string>
  /** The prompt is about words themselves (translate, spell, rhyme): nothing may stand for anything else. */
  readonly literal: boolean
}

export type Analysis =
  | { readonly _tag: "Judgeable"; readonly features: Features }
  | { readonly _tag: "Unjudgeable"; readonly reason: UnjudgeableReason }

/** Longest prompt that is judged, in UTF-16 units and in words. */
export const lengthMax = 1200
const wordsMax = 160

/** Prompts about the words themselves. */
const aboutWords =
  /\b(?:translat\w+|rhymes? with|spell(?:ed|ing|s)?|pronounc\w+|proofread|rephrase|paraphrase|reword|rewrite|anagrams?|palindrome|syllables?|vowels?|consonants?|letters? (?:in|of)|synonyms?|antonyms?|plural of|past tense|conjugat\w+|how (?:do|would|can|to) (?:you |i |one )?say|fix the (?:grammar|spelling)|correct (?:the|this|my) (?:grammar|spelling|sentence|text)|etymology|sentiment|classify)\b/

const refuse = (reason: UnjudgeableReason): Analysis => ({ _tag: "Unjudgeable", reason })

/** Works out what the gate needs to know of a prompt; bounded for any input. */
export const analyse = (text: string): Analysis => {
  if (text.length > lengthMax) return refuse("too-long")
  const normalised = text.normalize("NFC").replace(/\s+/g, " ").trim()
  if (normalised === "") return refuse("empty")
  const { code, links, quotes, tokens } = tokenise(text)
  if (tokens.length > wordsMax) return refuse("too-long")
  if (tokens.length === 0) return refuse(code.length > 0 ? "code-only" : "empty")
  if (!isEnglish(text, tokens)) return refuse("language")
  const line = tokens
    .map((token) => (token.kind === "word" && !token.quoted ? token.text : token.text.replaceAll(" ", "_")))
    .join(" ")
  if (dependsOnTime(line)) return refuse("time-dependent")
  if (asksForDeed(line)) return refuse("action")
  const question = questionOf(line)
  const literal = aboutWords.test(line)
  const plain = tokens.filter(({ kind, quoted }) => kind === "word" && !quoted)
  const shouting = plain.filter(({ capital, capitals }) => capital || capitals).length > Math.max(2, plain.length * 0.6)
  const kept = tokens.slice(question.skippedFirst, tokens.length - question.skippedLast)
  const content = wordsOf(kept, shouting, literal)
  const sensitive = code.length > 0 || tokens.some(({ kind }) => kind === "exact")
  const stems = new Set<string>()
  for (const { base, groups } of content.contents) {
    stems.add(base)
    for (const group of groups) stems.add(`=${group}`)
  }
  for (const { value } of content.numbers) stems.add(value)
  for (const part of [...quotes, ...code, ...links]) stems.add(part)
  return {
    _tag: "Judgeable",
    features: {
      words: tokens.length,
      normalised: sensitive ? normalised : normalised.toLowerCase().replace(/[.!?\s]+$/, ""),
      stems: [...stems],
      question,
      content,
      quotes,
      code,
      links,
      literal
    }
  }
}
