/**
 * Lemmas of English words: inflection, British spelling and derived nouns and adverbs are taken off.
 *
 * It knows irregular forms by a list and asks the lists of known words where a rule is in doubt ("hoping" is "hope", not
 * "hop"). Lists are read at the first use. It never guesses across meanings: what no rule and no list covers stays as it is.
 */
import { derivations } from "./words/Derivations.ts"
import { irregularForms, iseWords, lexical, lyWords } from "./words/Forms.ts"
import { knownVerbs, knownWords, mainlyVerbs } from "./words/KnownWords.ts"

/** A set of words in few bits, which sometimes says yes for a word that is not in it. */
interface Bloom {
  readonly bytes: Uint8Array
  readonly hashes: number
}

const hash = (word: string, seed: number): number => {
  let h = seed
  for (let i = 0; i < word.length; i++) h = Math.imul(h ^ word.charCodeAt(i), 16_777_619)
  h ^= h >>> 15
  h = Math.imul(h, 0x2c1b3c6d)
  h ^= h >>> 12
  h = Math.imul(h, 0x297a2d39)
  h ^= h >>> 15
  return h >>> 0
}

const has = ({ bytes, hashes }: Bloom, word: string): boolean => {
  const bits = bytes.length * 8
  const first = hash(word, 2_166_136_261)
  const step = (hash(word, 0x97_47_b2_8c) | 1) >>> 0
  for (let i = 0; i < hashes; i++) {
    const bit = (first + i * step) % bits
    if ((bytes[bit >> 3]! & (1 << (bit & 7))) === 0) return false
  }
  return true
}

interface Lists {
  readonly words: Bloom
  readonly verbs: Bloom
  readonly mainlyVerbs: Bloom
  readonly irregular: ReadonlyMap<string, string>
  readonly derived: ReadonlyMap<string, string>
}

let lists: Lists | undefined

const read = (): Lists => {
  const irregular = new Map<string, string>()
  for (const line of irregularForms.trim().split("\n")) {
    const [lemma, ...forms] = line.split(" ")
    for (const form of forms) irregular.set(form, lemma!)
  }
  const derived = new Map<string, string>()
  for (const line of derivations.trim().split("\n")) {
    const [rule, ...nouns] = line.split(" ")
    const cut = Number.parseInt(rule!, 10)
    const ending = rule!.slice(String(cut).length)
    for (const noun of nouns) derived.set(noun, noun.slice(0, noun.length - cut) + ending)
  }
  return {
    words: { bytes: Buffer.from(knownWords, "base64"), hashes: 6 },
    verbs: { bytes: Buffer.from(knownVerbs, "base64"), hashes: 8 },
    mainlyVerbs: { bytes: Buffer.from(mainlyVerbs, "base64"), hashes: 7 },
    irregular,
    derived
  }
}

const loaded = (): Lists => (lists ??= read())

/** Whether a lower-case word of three letters or more is an English lemma; now and then yes for one that is none. */
export const isKnown = (word: string): boolean => has(loaded().words, word)

/** Whether a lower-case lemma is an English verb, beside what else it may be. */
export const isVerb = (word: string): boolean => has(loaded().verbs, word)

/** Whether a lemma is a verb more often than anything else. */
export const isMainlyVerb = (word: string): boolean => has(loaded().mainlyVerbs, word)

const vowel = /[aeiouy]/
const shortSyllable = /^[^aeiouy]*[aeiou][^aeiouwxy]$/

/** The lemma of a word in lower case: "children" is "child", "hoping" is "hope", "colours" is "color". */
export const lemmaOf = (word: string): string => {
  const { irregular } = loaded()
  const known = irregular.get(word)
  if (known !== undefined) return known
  if (word.length < 4 || lexical.has(word)) return word
  return american(inflection(word))
}

/** What a lemma is derived from, one step: "recommendation" from "recommend", "safely" from "safe"; else itself. */
export const baseOf = (lemma: string): string => {
  const base = loaded().derived.get(lemma)
  if (base !== undefined) return base
  if (lemma.length > 5 && lemma.endsWith("ly") && !lyWords.has(lemma)) {
    const adjective = lemma.slice(0, -2)
    if (adjective.endsWith("i")) return isKnown(`${adjective.slice(0, -1)}y`) ? `${adjective.slice(0, -1)}y` : lemma
    if (adjective.endsWith("al") && isKnown(adjective)) return adjective
    if (isKnown(adjective)) return adjective
    if (isKnown(`${adjective}le`)) return `${adjective}le`
  }
  return lemma
}

const inflection = (word: string): string => {
  if (word.endsWith("ies") && word.length > 4) {
    const singular = `${word.slice(0, -3)}y`
    return !isKnown(singular) && isKnown(word.slice(0, -1)) ? word.slice(0, -1) : singular
  }
  if (/(?:ss|sh|ch|x|z)es$/.test(word)) return word.slice(0, -2)
  if (word.endsWith("s") && !/(?:ss|us|is)$/.test(word)) return word.slice(0, -1)
  if (word.endsWith("ing") && word.length > 4) return verbOf(word, word.slice(0, -3))
  if (word.endsWith("ied") && word.length > 4) return `${word.slice(0, -3)}y`
  if (word.endsWith("ed") && word.length > 4) return verbOf(word, word.slice(0, -2))
  return word
}

/** The verb of a form in -ing or -ed, by what is left without the ending. */
const verbOf = (word: string, base: string): string => {
  if (!vowel.test(base)) return word
  const doubled = base.length > 3 && base.at(-1) === base.at(-2)
  if (doubled && isVerb(base.slice(0, -1)) && !/(?:ss|ll|ff|zz)$/.test(base)) return base.slice(0, -1)
  if (doubled && isVerb(base)) return base
  if (doubled && isVerb(base.slice(0, -1))) return base.slice(0, -1)
  if (shortSyllable.test(base) && isVerb(`${base}e`)) return `${base}e`
  if (isVerb(base) && !/(?:at|iz|is|v|c|g|u)$/.test(base)) return base
  if (isVerb(`${base}e`)) return `${base}e`
  if (isVerb(base)) return base
  // A verb that no list has: "dockerized", "refactoring".
  if (base.endsWith("iz")) return `${base}e`
  return isKnown(word) ? word : base
}

const american = (lemma: string): string => {
  if (lemma.length < 6) return lemma
  if (lemma.endsWith("ise") && !iseWords.has(lemma)) return `${lemma.slice(0, -2)}ze`
  if (lemma.endsWith("isation")) return `${lemma.slice(0, -6)}zation`
  if (lemma.endsWith("yse")) return `${lemma.slice(0, -2)}ze`
  return lemma
}
