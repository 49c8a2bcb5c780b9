/**
 * What the semantic cache knows of a prompt: everything that `SemanticGate` compares, worked out once.
 *
 * `analyse` reads a prompt of any length in bounded time. It refuses what can't be judged: other languages, long texts,
 * prompts that depend on the time of asking and prompts that ask for an action. It never looks at other prompts.
 */
import { isEnglish } from "./SemanticLanguage.ts"
import { asksForDeed, dependsOnTime } from "./SemanticOccasion.ts"
import { type Kind, type Question, questionOf } from "./SemanticQuestion.ts"
import { type Token, tokenise } from "./SemanticText.ts"
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
  const clauses = tokens.flatMap(({ begins, listed }, index) => (index > 0 && (begins || listed) ? [index] : []))
  const put = questionOf(line.split(" "), clauses)
  const literal = aboutWords.test(line)
  const plain = tokens.filter(({ kind, quoted }) => kind === "word" && !quoted)
  const shouting = plain.filter(({ capital, capitals }) => capital || capitals).length > Math.max(2, plain.length * 0.6)
  const kept = [
    ...tokens.slice(0, put.from),
    ...tokens.slice(put.from + put.skippedFirst, tokens.length - put.skippedLast)
  ]
  const content = wordsOf(measured(kept, put), shouting, literal)
  const question = narrowed(put, content)
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

/** Properties that adjectives ask for: "how tall" is the height. */
const properties: ReadonlyMap<string, string> = new Map([
  ["tall", "height"],
  ["high", "height"],
  ["old", "age"],
  ["far", "distance"],
  ["deep", "depth"],
  ["wide", "width"],
  ["heavy", "weight"],
  ["fast", "speed"],
  ["big", "size"],
  ["large", "size"],
  ["thick", "thickness"]
])

/** The words after "how", with the property instead of its adjective. */
const measured = (tokens: ReadonlyArray<Token>, { from, kind }: Question): ReadonlyArray<Token> => {
  const adjective = kind === "how" ? tokens[from] : undefined
  const property = adjective === undefined ? undefined : properties.get(adjective.text)
  if (adjective === undefined || property === undefined) return tokens
  return tokens.with(from, { ...adjective, text: property })
}

/** The kind of a question, by what its words say beyond how it is put. */
const narrowed = (put: Question, { compares, contents, costs }: Words): Question => {
  const { kind } = put
  if (compares && comparable.has(kind)) return { ...put, kind: "compare" }
  if (costs && (kind === "what" || kind === "how-much" || kind === "how" || kind === "topic"))
    return { ...put, kind: "cost" }
  if (kind === "how" && [...properties.values()].includes(contents[put.from]?.lemma ?? ""))
    return { ...put, kind: "what" }
  if (kind === "how-much" && contents.some(({ lemma }) => lemma === "weigh")) return { ...put, kind: "what" }
  return put
}

const comparable: ReadonlySet<Kind> = new Set<Kind>(["topic", "what", "show", "define", "how"])
