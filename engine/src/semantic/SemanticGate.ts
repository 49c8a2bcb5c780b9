/**
 * The semantic cache's judge: whether the answer to a stored prompt may be served for another one.
 *
 * It compares what `SemanticFeatures` found in both and vetoes on any difference that it can name. It says "same" only
 * when nothing is left that differs, so whatever it doesn't know stands in the way. It asks no model and keeps no state.
 */
import { align } from "./SemanticAlignment.ts"
import { isMainlyVerb } from "./SemanticLemma.ts"
import type { Features } from "./SemanticFeatures.ts"
import { swapOf } from "./SemanticSwaps.ts"
import type { GateReason } from "./SemanticReason.ts"
import { roleDifference } from "./SemanticOrder.ts"
import { answersAlike, type Kind, moodsDiffer } from "./SemanticQuestion.ts"
import type { Quantity } from "./SemanticQuantity.ts"
import type { Content } from "./SemanticWords.ts"

export type { GateReason } from "./SemanticReason.ts"

export type Verdict =
  | { readonly same: true; readonly similarity: number }
  | {
      readonly same: false
      readonly reason: GateReason
      /** The words that differ, for people who read the log of near misses; absent where the reason says all. */
      readonly detail: string | undefined
      /** Only words that the gate doesn't know stood in the way: a model may be asked. */
      readonly onlyUnknownWords: boolean
    }

/** Kinds of prompts that are phrases, not sentences with a subject. */
const nominal: ReadonlySet<Kind> = new Set<Kind>(["topic", "show", "tips", "how-to", "define", "compare", "cost"])

const veto = (reason: GateReason, detail?: string): Verdict => ({
  same: false,
  reason,
  detail,
  onlyUnknownWords: false
})

/** Judges whether the answer to `stored` may be served for `asked`; `similarity` is 0–1. */
export const compare = (asked: Features, stored: Features): Verdict => {
  if (asked.normalised === stored.normalised) return { same: true, similarity: 1 }
  const facts = factDifference(asked, stored)
  if (facts !== undefined) return facts
  const a = asked.content
  const b = stored.content
  if (a.contents.length + a.numbers.length === 0 || b.contents.length + b.numbers.length === 0) return veto("too-short")
  const alignment = align(a.contents, b.contents)
  const left = [...alignment.leftAsked.map((i) => a.contents[i]!), ...alignment.leftStored.map((j) => b.contents[j]!)]
  const oneSided = alignment.leftAsked.length === 0 || alignment.leftStored.length === 0
  const filled = (filler: string): boolean =>
    alignment.leftAsked.some((i) => a.contents[i]!.filler === filler) &&
    alignment.leftStored.some((j) => b.contents[j]!.filler === filler)
  const missing = left.filter(
    (word) =>
      !(oneSided && word.soft) &&
      !(word.filler !== "" && !filled(word.filler)) &&
      !isPraise(word, asked, stored) &&
      !isRepair(word, asked, stored)
  )
  const alike = answersAlike(asked.question, stored.question)
  if (missing.length > 0) {
    const named = missing.find(({ reason }) => reason !== undefined)
    if (named !== undefined) return veto(named.reason!, named.surface)
    if (!alike) return veto("question")
    return {
      same: false,
      reason: "unknown-word",
      detail: missing.map(({ surface }) => surface).join(", "),
      onlyUnknownWords: !asked.literal && missing.length <= 4
    }
  }
  if (!alike) return veto("question", `${asked.question.kind}, ${stored.question.kind}`)
  if (moodsDiffer(asked.question, stored.question))
    return veto("tense", `${asked.question.mood}, ${stored.question.mood}`)
  if (asked.done !== stored.done && asked.question.kind !== "statement") return veto("tense")
  const swap = swapOf(asked, stored)
  if (swap !== undefined) return veto(swap)
  if (saysTooLittle(asked, stored)) return veto("too-short")
  const roles = roleDifference(a, b, alignment, nominal.has(asked.question.kind) && nominal.has(stored.question.kind))
  if (roles !== undefined) return veto(roles)
  return { same: true, similarity: 0.85 + 0.1 * alignment.exactness + 0.04 * overlap(asked, stored) }
}

/** Words of praise that change nothing in what is wanted: "effective" ways, the "best" of what is recommended. */
const isPraise = ({ at, exact, lemma, surface }: Content, asked: Features, stored: Features): boolean => {
  if (exact) return false
  if (lemma === "better" && attributive(at, asked, stored)) return false
  if (ways.has(asked.question.kind) && ways.has(stored.question.kind)) return praise.has(lemma) || praise.has(surface)
  if (asked.question.kind === "where" && stored.question.kind === "where")
    return lemma === "locate" || lemma === "situate"
  return (asked.question.recommends || stored.question.recommends) && best.has(lemma)
}

/** Stands right before a noun that it changes: "a better score". */
const attributive = (at: number, ...prompts: ReadonlyArray<Features>): boolean =>
  prompts.some(({ content }) => {
    const index = content.contents.findIndex((word) => word.at === at && word.lemma === "better")
    return index >= 0 && content.contents[index + 1]?.at === at + 1
  })

const ways: ReadonlySet<Kind> = new Set<Kind>(["how-to", "tips"])
const praise: ReadonlySet<string> = new Set(
  "effective effectively better good great best successful successfully well useful helpful must need practical strong easy easily simple".split(
    " "
  )
)
const best: ReadonlySet<string> = new Set("best top good great popular".split(" "))

/** "Fix" and the like beside what is broken: the answer is the repair in either case. */
const isRepair = ({ base, exact }: Content, asked: Features, stored: Features): boolean =>
  !exact &&
  repair.has(base) &&
  nominal.has(asked.question.kind) &&
  nominal.has(stored.question.kind) &&
  asked.content.contents.some(({ lemma }) => trouble.has(lemma)) &&
  stored.content.contents.some(({ lemma }) => trouble.has(lemma))

const repair: ReadonlySet<string> = new Set("fix troubleshoot solve resolve repair solution".split(" "))
const trouble: ReadonlySet<string> = new Set(
  "broken error deny denied fail failure crash issue problem stuck bug leak slow missing".split(" ")
)

/** Share of the words of both prompts, function words included, that both have; it ranks what may be served. */
const overlap = (asked: Features, stored: Features): number => {
  const a = new Set(asked.normalised.split(" "))
  const b = new Set(stored.normalised.split(" "))
  return (2 * [...a].filter((word) => b.has(word)).length) / (a.size + b.size)
}

/** Prompts of one word say little by themselves: thanks, greetings, names, bare verbs. */
const saysTooLittle = (asked: Features, stored: Features): boolean => {
  if (!isBare(asked) || !isBare(stored)) return false
  const a = asked.question.kind
  const b = stored.question.kind
  if (remarks.has(a) || remarks.has(b)) return true
  const verbs = [...asked.content.contents, ...stored.content.contents].every(({ base }) => isMainlyVerb(base))
  return asked.bare !== stored.bare && (a === "show" || verbs)
}

const isBare = ({ content }: Features): boolean => content.contents.length <= 1 && content.numbers.length === 0

const remarks: ReadonlySet<Kind> = new Set<Kind>(["topic", "statement", "wish", "yes-no"])

/** Differences in what must be equal to the character or to the value. */
const factDifference = (asked: Features, stored: Features): Verdict | undefined => {
  if (!sameTexts(asked.code, stored.code)) return veto("code")
  if (!sameTexts(asked.links, stored.links)) return veto("links")
  if (!sameTexts(asked.quotes, stored.quotes)) return veto("quotes")
  const numbers = numberDifference(asked.content.numbers, stored.content.numbers)
  if (numbers !== undefined) return numbers
  if (negations(asked.content.contents) !== negations(stored.content.contents)) return veto("negation")
  if (asked.content.alternatives !== stored.content.alternatives && !asked.content.compares) return veto("alternatives")
  if (personsDiffer(asked, stored)) return veto("person")
  return undefined
}

const sameTexts = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === b.length && (a.length === 0 || a.toSorted().every((text, index) => text === b.toSorted()[index]))

const negations = (contents: ReadonlyArray<Content>): number =>
  contents.filter(({ reason }) => reason === "negation").length

/** Numbers by value and unit; where there are several, each must count the same. */
const numberDifference = (a: ReadonlyArray<Quantity>, b: ReadonlyArray<Quantity>): Verdict | undefined => {
  if (a.length !== b.length)
    return veto("numbers", `${a.map(({ value }) => value).join(", ")} / ${b.map(({ value }) => value).join(", ")}`)
  const rest = [...b]
  for (const { unit, value } of a) {
    const index = rest.findIndex((other) => other.value === value && other.unit === unit)
    if (index >= 0) rest.splice(index, 1)
    else if (rest.some((other) => other.value === value)) return veto("units", value)
    else return veto("numbers", value)
  }
  const ordered = a.every(({ value }, index) => value === b[index]!.value)
  const bound = a.every(({ after, before, unit, value }) =>
    b.some(
      (other) =>
        other.value === value &&
        ((unit !== "" && other.unit === unit) || other.after === after || other.before === before)
    )
  )
  return ordered || bound ? undefined : veto("numbers", "order")
}

/** My and your, I and you: one prompt is about who asks, the other one about who is asked, or they changed places. */
const personsDiffer = (a: Features, b: Features): boolean => {
  const left = a.persons
  const right = b.persons
  if (left === "" || right === "") {
    return (left + right).includes("2") && (isAddressed(a) || isAddressed(b))
  }
  const both = (persons: string): boolean => persons.includes("1") && persons.includes("2")
  if (isImpersonal(a) !== isImpersonal(b) && ways.has(a.question.kind) && ways.has(b.question.kind)) return false
  if (left.at(-1) !== right.at(-1) || (both(left) && both(right) && left[0] !== right[0])) return true
  const more = count(left, "1") - count(right, "1")
  const other = count(left, "2") - count(right, "2")
  return more * other < 0
}

/** Advice for anybody, whose "your" is the reader's: "tips for improving your credit score". */
const isImpersonal = ({ line, persons, question }: Features): boolean =>
  /^2+$/.test(persons) && ways.has(question.kind) && !/ you /.test(` ${line} `)

const count = (persons: string, person: string): number => persons.split(person).length - 1

/** Whether "you" may be who is asked, not anybody: "ideas for your home" are for anybody's. */
const isAddressed = ({ content, line, question }: Features): boolean =>
  addressed.has(question.kind) &&
  !(question.kind === "topic" && /^\w+ing /.test(line)) &&
  !content.contents.some(({ filler }) => filler === "idea")

/** Kinds in which "you" is somebody, not anybody. */
const addressed: ReadonlySet<Kind> = new Set<Kind>(["topic", "wish", "statement"])
