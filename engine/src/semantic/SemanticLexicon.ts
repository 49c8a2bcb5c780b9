/**
 * The lexicon as maps: groups of words that mean the same, phrases that are one word, units and number words.
 *
 * Read at the first use from the lists in `words`. Keys are words of users, so everything is a Map: a prompt may say
 * "constructor". It decides nothing.
 */
import { lemmaOf } from "./SemanticLemma.ts"
import { phrases } from "./words/Phrases.ts"
import { synonymGroups } from "./words/Synonyms.ts"

/** A phrase: the lemmas after the first one, and the word that takes their place. */
export interface Phrase {
  readonly rest: ReadonlyArray<string>
  readonly word: string
}

interface Lexicon {
  readonly groups: ReadonlyMap<string, ReadonlyArray<number>>
  readonly phrases: ReadonlyMap<string, ReadonlyArray<Phrase>>
}

let lexicon: Lexicon | undefined

const read = (): Lexicon => {
  const groups = new Map<string, Array<number>>()
  const found = new Map<string, Array<Phrase>>()
  const seen = new Set<string>()
  const phrase = (words: ReadonlyArray<string>, word: string): void => {
    const parts = words.map(lemmaOf)
    const key = parts.join(" ")
    if (parts.length < 2 || seen.has(key)) return
    seen.add(key)
    const [first, ...rest] = parts
    const list = found.get(first!)
    if (list === undefined) found.set(first!, [{ rest, word }])
    else list.push({ rest, word })
  }
  for (const line of phrases.trim().split("\n")) {
    const [left, right] = line.split(" = ")
    const parts = left!.split(" ")
    phrase(parts, right ?? parts.join("_"))
  }
  let group = 0
  for (const line of synonymGroups) {
    for (const word of line.split(" ")) {
      const list = groups.get(word)
      if (list === undefined) groups.set(word, [group])
      else list.push(group)
      if (word.includes("_")) phrase(word.split("_"), word)
    }
    group++
  }
  for (const list of found.values()) list.sort((a, b) => b.rest.length - a.rest.length)
  return { groups, phrases: found }
}

const loaded = (): Lexicon => (lexicon ??= read())

const none: ReadonlyArray<never> = []

/** Groups of words that mean the same as this lemma. */
export const groupsOf = (lemma: string): ReadonlyArray<number> => loaded().groups.get(lemma) ?? none

/** Phrases that begin with this lemma, the longest first. */
export const phrasesOf = (lemma: string): ReadonlyArray<Phrase> => loaded().phrases.get(lemma) ?? none

const pairs = (text: string): ReadonlyMap<string, string> => {
  const map = new Map<string, string>()
  for (const line of text.trim().split("\n")) {
    const [to, ...from] = line.trim().split(" ")
    for (const word of from) map.set(word, to!)
    map.set(to!, to!)
  }
  return map
}

/** Units by any of their names; symbols only count beside a number. */
export const unitNames = pairs(`
  kilometer kilometers km kms
  mile miles mi
  meter meters metre metres
  centimeter centimeters cm centimetre centimetres
  millimeter millimeters mm millimetre millimetres
  foot feet ft
  inch inches
  yard yards yd
  kilogram kilograms kg kgs kilo kilos
  gram grams g
  milligram milligrams mg
  pound pounds lb lbs gbp
  ounce ounces oz
  ton tons tonne tonnes
  liter liters l litre litres
  milliliter milliliters ml millilitre millilitres
  gallon gallons
  cup cups
  tablespoon tablespoons tbsp
  teaspoon teaspoons tsp
  second seconds sec secs s
  millisecond milliseconds ms
  minute minutes min mins
  hour hours hr hrs h
  day days
  week weeks
  month months
  year years
  decade decades
  percent percentage pct
  dollar dollars usd bucks
  euro euros eur
  yen jpy
  rupee rupees inr
  cent cents
  fahrenheit degreef f
  celsius centigrade degreec c
  degree degrees
  kilobyte kilobytes kb
  megabyte megabytes mb
  gigabyte gigabytes gb
  terabyte terabytes tb
  byte bytes
  bit bits
  hertz hz
  megahertz mhz
  gigahertz ghz
  watt watts w
  kilowatt kilowatts kw
  volt volts v
  pixel pixels px
  word words
  sentence sentences
  paragraph paragraphs
  am
  pm
`)

/** Symbols of units that are ordinary words or letters unless a number stands before them. */
export const unitSymbols = new Set("mi in ft g l s h m f c am v w min sec lb oz t cup foot yard second".split(" "))

const small =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(
    " "
  )
const tens = "twenty thirty forty fifty sixty seventy eighty ninety".split(" ")
const ordinals = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(" ")

/** Values of number words; ordinals count as their number. */
export const numberWords: ReadonlyMap<string, number> = new Map<string, number>([
  ...small.map((word, value) => [word, value] as const),
  ...tens.map((word, index) => [word, (index + 2) * 10] as const),
  ...ordinals.map((word, value) => [word, value] as const),
  ["dozen", 12],
  ["hundred", 100],
  ["thousand", 1000],
  ["million", 1_000_000],
  ["billion", 1_000_000_000],
  ["ii", 2],
  ["iii", 3],
  ["iv", 4],
  ["vi", 6],
  ["vii", 7],
  ["viii", 8]
])
