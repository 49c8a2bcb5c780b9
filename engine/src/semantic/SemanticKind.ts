/**
 * The kind of a question by what its words say: costs, dates, durations, comparisons, conversions, tips and guides.
 *
 * "How much does X cost" and "the price of X" differ in their words and ask for the same; here both become the kind `cost`
 * about X. It works on the words that are left when the question has been taken off.
 */
import { isMainlyVerb } from "./SemanticLemma.ts"
import { unitNames } from "./SemanticLexicon.ts"
import type { Kind, Question } from "./SemanticQuestion.ts"
import type { Token } from "./SemanticText.ts"
import type { Words } from "./SemanticWords.ts"

/** Properties that adjectives ask for: "how tall" is the height. */
const properties: ReadonlyMap<string, string> = new Map([
  ["tall", "height"],
  ["high", "height"],
  ["old", "age"],
  ["far", "distance"],
  ["deep", "depth"],
  ["wide", "width"],
  ["heavy", "weight"],
  ["hot", "temperature"],
  ["fast", "speed"],
  ["big", "size"],
  ["large", "size"],
  ["thick", "thickness"]
])

/** The words after "how", with the property instead of its adjective. */
export const measured = (tokens: ReadonlyArray<Token>, { from, kind }: Question): ReadonlyArray<Token> => {
  const adjective = kind === "how" ? tokens[from] : undefined
  const property = adjective === undefined ? undefined : properties.get(adjective.text)
  if (adjective === undefined || property === undefined) return tokens
  return tokens.with(from, { ...adjective, text: property })
}

export interface Narrowed {
  readonly question: Question
  readonly content: Words
}

/** The kind of a question, by what its words say beyond how it is put; words that say nothing else are taken out. */
export const narrowed = (put: Question, content: Words): Narrowed => {
  const { compares, contents, costs } = content
  const { kind } = put
  const conversion = converted(put, content)
  if (conversion !== undefined) return conversion
  if (compares && comparable.has(kind)) return without(put, content, { kind: "compare" }, explaining)
  if (costs && (kind === "what" || kind === "how-much" || kind === "how" || kind === "topic")) {
    return without(put, content, { kind: "cost" }, price)
  }
  if (kind === "how" && [...properties.values()].includes(contents[put.from]?.lemma ?? "")) {
    return { question: { ...put, kind: "what" }, content }
  }
  if (kind === "how-much" && contents.some(({ lemma }) => lemma === "weigh")) {
    return { question: { ...put, kind: "what" }, content }
  }
  if (kind === "what" && contents.some(({ lemma }) => lemma === "date")) {
    return without(put, content, { kind: "when", mood: "" }, date)
  }
  if (
    kind === "what" &&
    contents.some(({ lemma }, i) => lemma === "time" && lasting.has(contents[i - 1]?.lemma ?? ""))
  ) {
    return without(put, content, { kind: "how-long" }, time)
  }
  if (kind === "what" && contents.length > 1 && contents.some(({ exact, lemma }) => !exact && meaning.has(lemma))) {
    return without(put, content, { kind: "define" }, meaning)
  }
  if (kind === "how" && contents.length > 1 && contents.at(-1)!.lemma === "work" && put.mood !== "past") {
    return without(put, content, { kind: "define", detail: "works", mood: "" }, working)
  }
  if (kind === "how-long") return without(put, content, {}, taking)
  if (kind === "why" && contents.length > 1) return without(put, content, {}, happening)
  if (kind === "how-many" && contents.length > 2) return inhabited(put, content)
  if ((kind === "topic" || kind === "what") && calories.test(contents[0]?.lemma ?? "") && contents.length > 1) {
    return { question: { ...put, kind: "how-many", detail: "", mood: "" }, content }
  }
  if ((kind === "topic" || kind === "what") && contents[0]?.lemma === "best" && contents[1]?.lemma === "time") {
    return { question: { ...put, kind: "when", detail: "", mood: "present" }, content }
  }
  if ((kind === "topic" || kind === "what" || kind === "show") && names(contents)) {
    return { question: { ...put, kind: "who", detail: "", mood: "" }, content }
  }
  if (
    (kind === "topic" || kind === "statement") &&
    contents.some(({ base, lemma }) => failing.has(lemma) || failing.has(base))
  ) {
    return { question: { ...put, detail: "trouble" }, content }
  }
  if ((kind === "topic" || kind === "statement") && contents.some(({ lemma }) => faulty.has(lemma))) {
    return { question: { ...put, detail: "fault" }, content }
  }
  if (kind === "define" || kind === "compare") return without(put, content, {}, explaining)
  if (kind !== "topic" && kind !== "show") return { question: put, content }
  for (const [words, change] of forms) {
    if (
      contents.length > 1 &&
      contents.some(
        ({ exact, lemma }, i) => (i > 0 || kind === "show" || lemma === "best_practice") && !exact && words.has(lemma)
      )
    ) {
      return without(put, content, change, words)
    }
  }
  return { question: put, content }
}

/** A quantity in another unit, however it is asked for: "convert 10 miles to km", "how many km are 10 miles". */
const converted = (put: Question, content: Words): Narrowed | undefined => {
  const { contents, numbers } = content
  if (!/^(?:what|how|how-many|how-much|topic|show|define)$/.test(put.kind)) return undefined
  if (numbers.length !== 1 || numbers[0]!.unit === "" || contents.length === 0 || contents.length > 3) return undefined
  const units = contents.filter(({ lemma }) => unitNames.get(lemma) === lemma)
  if (units.length !== 1 || !contents.every(({ lemma }) => units[0]!.lemma === lemma || converting.has(lemma)))
    return undefined
  return { question: { ...put, kind: "what", detail: "", mood: "" }, content: { ...content, contents: units } }
}

const converting: ReadonlySet<string> = new Set(
  "convert conversion distance size weight length many equal equivalent hot degree temperature".split(" ")
)

/** Takes words out that the kind of the question now says. */
const without = (put: Question, content: Words, change: Partial<Question>, words: ReadonlySet<string>): Narrowed => {
  const contents = content.contents.filter(({ exact, lemma }) => exact || !words.has(lemma))
  const agent = content.agent < 0 ? -1 : contents.indexOf(content.contents[content.agent]!)
  return { question: { ...put, ...change }, content: { ...content, contents, agent } }
}

/** "How many people live in" asks for the population. */
const inhabited = (put: Question, content: Words): Narrowed => {
  const people = content.contents.find(({ lemma }) => lemma === "people" || lemma === "person")
  if (people === undefined || !content.contents.some(({ lemma }) => lemma === "live")) return { question: put, content }
  const contents = content.contents.flatMap((word) =>
    word === people
      ? [{ ...word, surface: "population", lemma: "population", base: "population", groups: [] }]
      : word.lemma === "live"
        ? []
        : [word]
  )
  return { question: { ...put, kind: "what", detail: "" }, content: { ...content, contents } }
}

/** A phrase that names somebody by what they did: "The Godfather director". */
const names = (contents: Words["contents"]): boolean =>
  contents.length > 1 &&
  (acting.has(contents[0]!.lemma) || acting.has(contents.at(-1)!.lemma)) &&
  !contents.some(
    ({ lemma, name, surface }) =>
      (acting.has(lemma) && lemma !== surface) || (!name && !acting.has(lemma) && isMainlyVerb(lemma))
  )

const acting: ReadonlySet<string> = new Set(
  "author director winner inventor founder painter composer discoverer ceo cfo cto president mayor governor king queen chairman prime_minister".split(
    " "
  )
)
const calories = /^(?:calorie|carb|carbohydrate)$/
const working: ReadonlySet<string> = new Set(["work"])
const happening: ReadonlySet<string> = new Set(["happen", "occur", "take_place", "get"])

const faulty: ReadonlySet<string> = new Set(["not", "not_work", "broken", "slow", "stuck"])

/** Words of prompts that tell of a trouble, whose answer is its reason. */
const failing: ReadonlySet<string> = new Set("keep crash freeze hang leak overheat twice".split(" "))

const explaining: ReadonlySet<string> = new Set(["explanation", "explain", "definition"])
const meaning: ReadonlySet<string> = new Set(["mean", "stand_for"])
const taking: ReadonlySet<string> = new Set(["take"])
const price: ReadonlySet<string> = new Set(["cost", "price"])
const date: ReadonlySet<string> = new Set(["date"])
const time: ReadonlySet<string> = new Set(["time"])

/** What takes a time: "delivery time" is how long it takes. */
const lasting: ReadonlySet<string> = new Set(
  "delivery shipping ship processing process wait waiting travel cooking cook baking bake flight response turnaround recovery preparation charging charge download".split(
    " "
  )
)

/** Nouns for what is wanted, in prompts that are no sentences. */
const forms: ReadonlyArray<readonly [ReadonlySet<string>, Partial<Question>]> = [
  [new Set(["tip", "advice", "best_practice"]), { kind: "tips" }],
  [new Set(["tutorial", "guide", "walkthrough"]), { kind: "how-to", detail: "guide" }],
  [new Set(["step"]), { kind: "how-to" }],
  [
    new Set(["explanation", "explain", "definition", "overview", "introduction", "intro", "basics"]),
    { kind: "define" }
  ],
  [new Set(["recommendation", "suggestion"]), { kind: "show", recommends: true }]
]

const comparable: ReadonlySet<Kind> = new Set<Kind>(["topic", "what", "show", "define", "how"])
