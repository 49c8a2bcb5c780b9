/**
 * What kind of answer a prompt asks for: a way to do something, a reason, a date, a yes or no, a definition, a list.
 *
 * Politeness and the words that put the question are taken off both ends, so that "could you please tell me how to sort a
 * list" and "ways to sort a list" leave the same words and the same kind. Rules are anchored and read the words once each.
 */
import { endings, type Kind, polite, politeEnd, rules } from "./SemanticQuestionRules.ts"

export type { Kind } from "./SemanticQuestionRules.ts"

export type Mood = "" | "past" | "present" | "can" | "will" | "would" | "should"

export interface Question {
  readonly kind: Kind
  /** What narrows the kind: the tense of a yes-or-no question, the unit of a date. */
  readonly detail: string
  /** Where the question begins: after a preamble such as "in Python,". */
  readonly from: number
  /** Words from there and at the end that only put the question. */
  readonly skippedFirst: number
  /** Words of politeness alone, from the beginning of the prompt. */
  readonly polite: number
  readonly skippedLast: number
  /** The first auxiliary, which gives tense and mood: "past", "present", "can", "will", "should", or "". */
  readonly mood: Mood
  /** Politeness or a question was taken off the beginning. */
  readonly put: boolean
  /** The prompt asks what is to be recommended. */
  readonly recommends: boolean
}

/** Kinds that may still be narrowed by what follows: "explain why", "tell me what". */
const open = new Set<Kind>(["topic", "show", "define", "wish"])

const count = (text: string): number => (text === "" ? 0 : text.split(" ").length)

/** Kinds that a clause in the middle of a prompt is believed to have. */
const uncertain = new Set<Kind>(["topic", "statement", "wish", "show", "yes-no", "what-if"])

/** Clauses that are looked at for a question, from the first one. */
const clausesMax = 5

/** Takes the question off the words of a prompt, given in lower case; `clauses` are the words that begin a clause. */
export const questionOf = (words: ReadonlyArray<string>, clauses: ReadonlyArray<number>): Question => {
  const whole = questionAt(words.join(" "), 0)
  if (whole.kind !== "topic" && whole.kind !== "statement") return whole
  const starts = /ly$|^in$/.test(words[0] ?? "") ? [1, ...clauses] : clauses
  for (const from of starts.slice(0, clausesMax)) {
    if (from <= whole.skippedFirst) continue
    const clause = questionAt(words.slice(from).join(" "), from)
    if (!uncertain.has(clause.kind) && clause.skippedFirst > 0) return clause
  }
  return whole
}

const questionAt = (line: string, from: number): Question => {
  let rest = line
  let kind: Kind = "topic"
  let detail = ""
  let skippedFirst = 0
  let polites = 0
  const taken: Array<string> = []
  const take = (matched: string): void => {
    skippedFirst += count(matched.trim())
    rest = rest.slice(matched.length).trimStart()
  }
  for (let round = 0; round < 8 && open.has(kind); round++) {
    const courtesy = polite.exec(rest)
    if (courtesy !== null && courtesy[0].trim() !== "" && courtesy[0].length < rest.length) {
      take(courtesy[0].trimEnd())
      if (taken.length === 0) polites = skippedFirst
      continue
    }
    const rule = rules.find(([pattern]) => {
      const match = pattern.exec(rest)
      return match !== null && match[0].trim() !== "" && match[0].trim().length < rest.length
    })
    if (rule === undefined || (kind !== "topic" && rule[1] === "yes-no")) break
    if (kind === "wish" && (rule[1] === "show" || rule[1] === "define")) break
    kind = rule[1]
    detail = rule[2] ?? ""
    const asked = rule[0].exec(rest)![0].trim()
    taken.push(asked)
    take(asked)
  }
  let skippedLast = 0
  for (let round = 0; round < 4; round++) {
    const courtesy = politeEnd.exec(rest)
    if (courtesy === null) break
    if (courtesy[0].endsWith("possible") && /(?:is|would)/.test(courtesy[0]) && open.has(kind)) kind = "can"
    skippedLast += count(courtesy[0].trim())
    rest = rest.slice(0, courtesy.index)
  }
  if (open.has(kind) || kind === "what") {
    for (const [pattern, ending] of endings) {
      const match = pattern.exec(rest)
      if (match === null) continue
      if (kind === "what" && ending !== "compare") continue
      if (ending === "show" && count(rest) < 3) continue
      kind = ending
      if (explained.test(match[0])) detail = "explains"
      skippedLast += count(match[0].replace(",", "").trim())
      rest = rest.slice(0, match.index)
      break
    }
  }
  if (
    kind === "topic" &&
    /^(?:i|my|we|our|it|there|he|she|they|the \w+ (?:is|are|was|has|keeps|does|did|will)|(?:\w+ ){1,4}(?:is|are|was|were|has|have|does|did|will|would|can|could|keeps)(?= )(?! to )(?!.* (?:what|how)\b)|(?:\w+ ){1,3}(?:\w+ed|took|ate|gave|stole|broke|kept|lost|sent) (?:my|me|it))(?= )/.test(
      rest
    )
  )
    kind = "statement"
  return {
    kind,
    detail,
    from,
    skippedFirst,
    polite: from === 0 ? polites : 0,
    skippedLast,
    mood: moodOf(`${taken.join(" ")} ${rest}`),
    put: skippedFirst > 0,
    recommends: taken.some((asked) => /^(?:recommend|suggest)/.test(asked))
  }
}

const explained = /^ (?:explained|explanation)$/

const moods: ReadonlyMap<string, Mood> = new Map<string, Mood>(
  (
    [
      ["past", "was were did had has have"],
      ["present", "is are am do does"],
      ["can", "can could may might able"],
      ["will", "will shall"],
      ["would", "would"],
      ["should", "should must ought"]
    ] as ReadonlyArray<readonly [Mood, string]>
  ).flatMap(([mood, auxiliaries]) => auxiliaries.split(" ").map((auxiliary) => [auxiliary, mood] as const))
)

const moodOf = (line: string): Mood => {
  if (/ able to /.test(line)) return "can"
  for (const word of line.split(" ")) {
    const mood = moods.get(word)
    if (mood !== undefined) return mood
  }
  return ""
}

/** Kinds whose answer is the same whatever the mood: ways to do something, and explanations. */
const moodless = new Set<Kind>([
  "help",
  "how-to",
  "way",
  "tips",
  "define",
  "compare",
  "can",
  "must",
  "should",
  "wish",
  "topic",
  "show",
  "cost"
])

/** Whether tense or mood keep an answer to one question from answering the other one. */
export const moodsDiffer = (a: Question, b: Question): boolean => {
  if (a.mood === b.mood) return false
  if ((a.kind === "how-much" || b.kind === "how-much") && (a.mood === "can" || b.mood === "can")) return true
  if (a.mood === "" || b.mood === "") return false
  if (moodless.has(a.kind) || moodless.has(b.kind)) return false
  const pair = `${a.mood} ${b.mood}`
  const places = a.kind === "where" || a.kind === "how-long" || a.kind === "how"
  return !(places && (pair === "present can" || pair === "can present"))
}

const families: ReadonlyArray<ReadonlySet<Kind>> = [
  new Set<Kind>(["topic", "show", "what"]),
  new Set<Kind>(["topic", "define", "what"]),
  new Set<Kind>(["topic", "compare"]),
  new Set<Kind>(["topic", "how-to"]),
  new Set<Kind>(["how-to", "wish"]),
  new Set<Kind>(["how-to", "tips"]),
  new Set<Kind>(["topic", "wish"]),
  new Set<Kind>(["way", "can"]),
  new Set<Kind>(["what", "which"]),
  new Set<Kind>(["cost", "how-much"])
]

/** Whether an answer to one kind of question may answer another one about the same things. */
export const answersAlike = (a: Question, b: Question): boolean => {
  if (a.kind === b.kind) {
    if (a.kind === "how-to") return true
    if (a.kind === "when" || a.kind === "where")
      return a.detail === b.detail || (a.kind === "when" && (a.detail === "" || b.detail === ""))
    if (a.kind === "define") return a.detail === b.detail || a.detail === "explains" || b.detail === "explains"
    return a.detail === b.detail || a.kind === "topic" || a.kind === "statement"
  }
  if ((a.detail === "trouble" && b.kind === "why") || (b.detail === "trouble" && a.kind === "why")) return true
  if ((a.detail === "trouble" || a.detail === "fault") && (b.kind === "topic" || b.kind === "statement"))
    return a.kind === "topic" || a.kind === "statement"
  if (a.detail === "works" || b.detail === "works") return false
  if (a.detail === "noun" || b.detail === "noun") return false
  if ((a.detail === "guide" && b.kind === "tips") || (b.detail === "guide" && a.kind === "tips")) return false
  const [topic, other] = a.kind === "topic" ? [a, b] : [b, a]
  if (topic.kind === "topic" && topic.put && other.kind === "how-to") return false
  return families.some((family) => family.has(a.kind) && family.has(b.kind))
}
