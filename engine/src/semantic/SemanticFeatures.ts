/**
 * What the semantic cache knows of a prompt: everything that `SemanticGate` compares, worked out once.
 *
 * `analyse` reads a prompt of any length in bounded time. It refuses what can't be judged: other languages, long texts,
 * prompts that depend on the time of asking and prompts that ask for an action. It never looks at other prompts.
 */
import { isEnglish } from "./SemanticLanguage.ts"
import { measured, narrowed } from "./SemanticKind.ts"
import { asksForDeed, dependsOnTime } from "./SemanticOccasion.ts"
import { type Question, questionOf } from "./SemanticQuestion.ts"
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
  /** Persons in order, `1` for who asks and `2` for who is asked; without those of polite phrases and of "how do I". */
  readonly persons: string
  /** The asker did something: "I ordered", "have I used". */
  readonly done: boolean
  /** Every word, contractions written out, parted by spaces. */
  readonly line: string
  /** What is left without politeness and articles. */
  readonly bare: string
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
  const doing = put.kind === "how-to" || put.kind === "wish" || put.kind === "can"
  const { content, question } = narrowed(put, wordsOf(measured(kept, put), shouting, literal, doing))
  const sensitive = code.length > 0 || tokens.some(({ kind }) => kind === "exact")
  const stems = new Set<string>()
  for (const { base, groups } of content.contents) {
    if (groups.length === 0) stems.add(base)
    for (const group of groups) stems.add(`=${group}`)
  }
  for (const { value } of content.numbers) stems.add(value)
  for (const part of [...quotes, ...code, ...links]) stems.add(part)
  // One stem for all words together finds their like at once, however common each of them is.
  stems.add(
    `#${[...content.contents.map(({ base }) => base), ...content.numbers.map(({ value }) => value)].toSorted().join(" ")}`
  )
  return {
    _tag: "Judgeable",
    features: {
      words: tokens.length,
      normalised: sensitive ? normalised : normalised.toLowerCase().replace(/[.!?\s]+$/, ""),
      stems: [...stems],
      question,
      content,
      persons: personsOf(question.kind === "how-to" || question.kind === "must" ? kept : tokens.slice(put.polite)),
      done: / i (?:have |had |already |just |never )*(?:(?!need|feed)\w{2,}ed|made|took|taken|got|bought|paid|sent|did|went|saw|lost|found|left|spent|gave|given|had|used|withdrew|withdrawn|put) | (?:have|had|did) i /.test(
        ` ${line} `
      ),
      line,
      bare: kept.flatMap(({ text }) => (/^(?:a|an|the|to|of|that|be|is|are|am)$/.test(text) ? [] : [text])).join(" "),
      quotes,
      code,
      links,
      literal
    }
  }
}

/** Who is spoken of, in order: `1` the one who asks, `2` the one who is asked. */
const personsOf = (tokens: ReadonlyArray<Token>): string => {
  let persons = ""
  for (const [index, { capitals, kind, quoted, text }] of tokens.entries()) {
    if (kind !== "word" || quoted || tokens[index - 1]?.text === "thank") continue
    const person = firstPerson.has(text) && !(capitals && text === "us") ? "1" : secondPerson.has(text) ? "2" : ""
    persons += person
  }
  return persons
}

const firstPerson: ReadonlySet<string> = new Set("i me my mine myself we us our ours ourselves".split(" "))
const secondPerson: ReadonlySet<string> = new Set("you your yours yourself yourselves".split(" "))
