/**
 * The meaning-bearing words of a prompt, in order, each with what the gate needs to match it and to check its role.
 *
 * Function words are dropped, or kept as marks on the word that follows them: its preposition, a coordination with the word
 * before. Numbers and their units are told apart from words. It looks at one prompt only.
 */
import type { GateReason } from "./SemanticReason.ts"
import { fillerOf } from "./SemanticFiller.ts"
import { groupsOf, phrasesOf, unitNames, unitSymbols } from "./SemanticLexicon.ts"
import { baseOf, lemmaOf } from "./SemanticLemma.ts"
import { isNumber, type Quantity, quantity } from "./SemanticQuantity.ts"
import type { Token } from "./SemanticText.ts"

/** A word that must be matched. */
export interface Content {
  readonly surface: string
  readonly lemma: string
  readonly base: string
  readonly groups: ReadonlyArray<number>
  /** Only the very same characters match: quoted words, ids, operators. */
  readonly exact: boolean
  readonly name: boolean
  readonly capitals: boolean
  /** What a difference in this word is called, where it is more than an unknown word. */
  readonly reason: GateReason | undefined
  /** May be missing on the other side. */
  readonly soft: boolean
  /** May be missing on the other side if that puts no such word in its place; the kind of such words, or "". */
  readonly filler: string
  /** The preposition before it, "" for none. */
  readonly preposition: string
  /** Joined to the word before by "and", "or", "vs" or a comma. */
  readonly joined: boolean
  /** Position among the tokens, for adjacency. */
  readonly at: number
}

export interface Words {
  readonly contents: ReadonlyArray<Content>
  readonly numbers: ReadonlyArray<Quantity>
  readonly alternatives: number
  /** Words that the passive "by" names as those who act, by their index among the contents; -1 for none. */
  readonly agent: number
  /** Words of comparison, dropped: "difference", "versus". */
  readonly compares: boolean
  readonly costs: boolean
  readonly relative: boolean
}

const split = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/))

/** Words that carry no meaning of their own in a prompt. */
const dropped = split(
  `a an the of in on at for to with about as by from into onto via through during and or nor be am is are was were been being do
  does did will would shall can could may might should have has had having i you me my mine your yours we our ours us
  myself yourself ourselves it its itself this that these those there here they them their theirs which who whom what when if whether so
  really actually literally somehow basically simply just currently also very quite exactly specifically please kindly
  like's per using indeed ever truly certainly definitely obviously apparently essentially fundamentally particularly properly correctly within etc eg ie ok oh well then's some up's vs versus because's already's still's truly honestly especially`
)

const prepositions = split("of in on at for to with about by from into onto via as")
const joining = split("and or vs versus nor")

const reasons: ReadonlyMap<string, GateReason> = new Map<string, GateReason>(
  (
    [
      ["negation", "not no never without nothing nobody none neither nor except excluding unless cannot hardly"],
      [
        "quantifier",
        "all every each any most least few many much more less fewer both either only at_least at_most more_than less_than several always sometimes often rarely half whole entire enough"
      ],
      [
        "order",
        "before after until till since during while then next previous first last between under over above below against instead_of behind beyond toward towards across along within outside inside off out down up around afterwards once by_the_time now again later ago"
      ],
      ["person", "he she his her him hers himself herself"],
      [
        "format",
        "json yaml xml csv html markdown pdf table list bullet haiku limerick sonnet poem story tweet essay email letter summary paragraph sentence word line song script code function png jpeg jpg webp svg gif avif docx xlsx txt toml sql latex"
      ],
      [
        "language",
        "english french german spanish italian portuguese dutch polish russian chinese mandarin cantonese japanese korean arabic hebrew turkish greek hindi urdu bengali swedish norwegian danish finnish czech hungarian romanian ukrainian thai vietnamese indonesian latin swahili tamil python java javascript typescript ruby rust go golang kotlin swift php perl scala haskell c c++ c# r matlab bash"
      ],
      [
        "dates",
        "january february march april may june july august september october november december monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter q1 q2 q3 q4"
      ],
      ["direction", "to from left right north south east west up down in out"]
    ] as ReadonlyArray<readonly [GateReason, string]>
  ).flatMap(([reason, list]) => list.split(" ").map((word) => [word, reason] as const))
)

const pronouns: ReadonlyMap<string, string> = new Map([
  ["him", "he"],
  ["himself", "he"],
  ["herself", "she"],
  ["hers", "her"]
])

/** "her" is both him and his. */
const female = "her"

const languages = split(
  "python java javascript typescript ruby rust go golang kotlin swift php perl scala haskell c c++ c# r matlab bash sql html css"
)
const beforeQuoted = split("word phrase term sentence expression string text title")

/** Verbs of writing, which an artifact makes redundant: "write a haiku" and "a haiku". */
const making = split("write compose draft create generate make produce craft prepare")
const artifacts = split(
  `poem haiku limerick sonnet story essay email letter list table summary paragraph sentence tweet post article blog
  outline plan itinerary recipe script song speech bio biography description caption headline slogan joke riddle dialogue
  quiz schedule report review resume memo proposal agenda checklist template example function`
)

const participle = /(?:ed|en|wn|lt|nt|ught|pt|ost|ade|old|ung|unk|un|it|ut|orn|one|aid|ead|ound|ood|rt)$/

/** Builds the words of a prompt from its tokens without the question; `doing` says that a verb comes first. */
export const wordsOf = (tokens: ReadonlyArray<Token>, shouting: boolean, literal: boolean, doing: boolean): Words => {
  const contents: Array<Content> = []
  const numbers: Array<Quantity> = []
  let alternatives = 0
  let agent = -1
  let compares = false
  let costs = false
  let relative = false
  let preposition = ""
  let joined = false
  let passive = false
  const lemmas = tokens.map((token) => (token.kind === "word" && !token.quoted ? lemmaOf(token.text) : token.text))

  const add = (token: Token, lemma: string, at: number, length: number): void => {
    const exact = token.kind === "exact" || token.quoted || literal
    const name = !exact && !shouting && length === 1 && (token.capital || (token.capitals && token.text.length > 1))
    const base = exact ? lemma : baseOf(lemma)
    const groups =
      exact && token.kind !== "exact"
        ? []
        : [...new Set([...groupsOf(lemma), ...groupsOf(base), ...(length === 1 ? groupsOf(token.text) : [])])]
    if (preposition === "by" && passive) agent = contents.length
    const next = tokens[at + length]
    const previous = contents.at(-1)?.lemma
    contents.push({
      surface: token.text,
      lemma,
      base,
      groups,
      exact,
      name,
      capitals: token.capitals && !shouting,
      reason:
        exact && token.kind === "exact"
          ? "links"
          : token.quoted
            ? "quotes"
            : (reasons.get(lemma) ?? (name ? "names" : undefined)),
      soft: !literal && isSoft(lemma, at, tokens, lemmas, next, previous),
      filler: literal || token.quoted ? "" : fillerOf(lemma, at, tokens, lemmas),
      preposition,
      joined: joined || token.listed,
      at
    })
    preposition = ""
    joined = false
  }

  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!
    const { text } = token
    if (token.listed) joined = true
    const phrase = token.kind === "word" && !token.quoted && !literal ? phraseAt(lemmas, tokens, at) : undefined
    if (at === 0 && text === "using" && !literal) {
      add(token, "use", at, 1)
      continue
    }
    if (phrase === undefined && (token.kind === "number" || (token.kind === "word" && isNumber(tokens, lemmas, at)))) {
      at = quantity(tokens, lemmas, at, numbers)
      if (preposition !== "of") preposition = ""
      continue
    }
    if (token.kind === "word" && !token.quoted) {
      if (joining.has(text)) {
        joined = true
        if (text === "or") alternatives++
      }
      if (phrase === undefined && (text === "vs" || text === "versus")) compares = true
      if ((text === "that" || text === "who" || text === "which" || text === "whom") && contents.length > 0)
        relative = true
      if (phrase !== undefined) {
        const { length, word } = phrase
        if (word === "and" || word === "to" || word === "in" || word === "about") joined ||= word === "and"
        else if (word !== "can" && word !== "sure" && word !== "in_fact" && word !== "ever")
          add(token, word, at, length)
        at += length - 1
        continue
      }
      if (literal && /^(?:of|for|in|into|to)$/.test(text)) continue
      if (
        !literal &&
        !(at === 0 && (text === "have" || (text === "do" && doing))) &&
        (dropped.has(text) || (text === "any" && /^(?:there|have|has|got)$/.test(tokens[at - 1]?.text ?? ""))) &&
        !(token.capitals && text !== "i" && text !== "a" && !shouting && text.length < 4)
      ) {
        if (prepositions.has(text)) preposition = text
        if (text === "by") passive = contents.length > 0 && participle.test(tokens[at - 1]?.text ?? "")
        continue
      }
      const compared =
        text === "compared" ||
        text === "compare" ||
        text === "comparison" ||
        text === "differ" ||
        text === "difference" ||
        text === "differences"
      if (compared && !literal) {
        compares = true
        continue
      }
      if (!literal && /^(?:costs?|price|priced)$/.test(text)) costs = true
      if (
        !literal &&
        /^(?:get|gets|got|getting)$/.test(text) &&
        /(?:ed|en|lt|ught|pt|ost|own|orn)$/.test(tokens[at + 1]?.text ?? "")
      )
        continue
    }
    const lemma =
      token.capitals && !shouting && text === "us"
        ? "usa"
        : token.kind === "word"
          ? (pronouns.get(text) ?? (text === female ? "her" : (lemmas[at] ?? text)))
          : text
    add(token, unitNames.has(lemma) && !unitSymbols.has(lemma) ? unitNames.get(lemma)! : lemma, at, 1)
  }
  return { contents, numbers, alternatives, agent, compares, costs, relative }
}

/** Nouns that add little to the word beside them: "Notion pages", "study sessions". */
const light = split(
  "page session module unit element file item process procedure feature area activity level piece download entire"
)

/** Nouns that say again what a name is. */
const named = split("series franchise saga company app website platform corporation inc corp ltd")

const isSoft = (
  lemma: string,
  at: number,
  tokens: ReadonlyArray<Token>,
  lemmas: ReadonlyArray<string>,
  next: Token | undefined,
  previous: string | undefined
): boolean => {
  if (beforeQuoted.has(lemma) && next?.quoted === true) return true
  if (
    lemma === "year" &&
    (next?.kind === "number" || tokens[at - 1]?.kind === "number") &&
    /^(?:19|20)\d\d$/.test(next?.text ?? tokens[at - 1]?.text ?? "")
  )
    return true
  if (lemma === "setup" && at + 1 === tokens.length) return true
  if (
    lemma === "convert" &&
    tokens.some(({ kind }) => kind === "number") &&
    tokens.some(({ text }) => unitNames.has(text) && !unitSymbols.has(text))
  )
    return true
  if (lemma === "version" && next?.kind === "number") return true
  if (
    (lemma === "language" || lemma === "programming" || lemma === "program") &&
    (languages.has(previous ?? "") || languages.has(next?.text ?? "") || languages.has(tokens[at + 2]?.text ?? ""))
  )
    return true
  if (named.has(lemma) && (tokens[at - 1]?.capital ?? false)) return true
  if (lemma === "list" && (at === 0 || at + 1 === tokens.length || next?.text === "of")) return true
  if (lemma === "while" && at > 0) return true
  if (light.has(lemma) && tokens.length > 3) return true
  return at === 0 && making.has(lemma) && lemmas.slice(1, 6).some((other) => artifacts.has(other))
}

const phraseAt = (
  lemmas: ReadonlyArray<string>,
  tokens: ReadonlyArray<Token>,
  at: number
): { readonly length: number; readonly word: string } | undefined => {
  for (const { rest, word } of phrasesOf(lemmas[at]!)) {
    if (at + rest.length >= lemmas.length + 0 && at + rest.length > lemmas.length - 1) continue
    let matches = true
    for (let i = 0; matches && i < rest.length; i++) {
      const token = tokens[at + 1 + i]!
      matches = (lemmas[at + 1 + i] === rest[i] || token.text === rest[i]) && !token.quoted && !token.listed
    }
    if (matches) return { length: rest.length + 1, word }
  }
  return undefined
}
