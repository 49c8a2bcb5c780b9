/**
 * Little words that changed in place: "is" became "was", "who" became "what", "my" became "your".
 *
 * Two prompts of as many words, equal but for some of them, are the classic near miss. Words that the gate passes over when
 * sentences are put differently are held against them here, where nothing else is different.
 */
import type { Features } from "./SemanticFeatures.ts"
import type { GateReason } from "./SemanticReason.ts"

/** Little words by class and sense; two of one class and different sense are a swap. */
const senses: ReadonlyMap<string, readonly [reason: GateReason, sense: string]> = new Map(
  (
    [
      ["tense", "past", "was were did had been"],
      ["tense", "present", "is are am do does has have be"],
      ["tense", "can", "can could may might"],
      ["tense", "should", "should must ought"],
      ["tense", "will", "will would shall"],
      ["question", "what", "what which"],
      ["question", "who", "who whom"],
      ["question", "whose", "whose"],
      ["question", "when", "when"],
      ["question", "where", "where"],
      ["question", "why", "why"],
      ["question", "how", "how"],
      ["question", "if", "if whether"],
      ["person", "1", "i me my mine myself we us our ours ourselves"],
      ["person", "2", "you your yours yourself yourselves"],
      ["person", "he", "he him his himself"],
      ["person", "she", "she her hers herself"],
      ["person", "they", "they them their theirs themselves"],
      ["person", "it", "it its itself"],
      ["alternatives", "and", "and"],
      ["alternatives", "or", "or"],
      ["alternatives", "but", "but"],
      ["direction", "from", "from"],
      ["direction", "to", "to into onto"],
      ["direction", "by", "by"],
      ["direction", "of", "of"],
      ["quantifier", "this", "this these"],
      ["quantifier", "that", "that those"]
    ] as ReadonlyArray<readonly [GateReason, string, string]>
  ).flatMap(([reason, sense, words]) => words.split(" ").map((word) => [word, [reason, sense]] as const))
)

/** The word only puts the question, and both ask for a reason: "why do", "what makes". */
const framed = ({ question: a }: Features, { question: b }: Features, index: number): boolean =>
  a.kind === "why" && b.kind === "why" && index < a.skippedFirst && index < b.skippedFirst

/** Most words that may differ for two prompts to count as the same sentence. */
const differencesMax = 2

/** The first little word that changed its sense in place; undefined when the prompts are not the same sentence. */
export const swapOf = (asked: Features, stored: Features): GateReason | undefined => {
  if (asked.words !== stored.words) return undefined
  const a = asked.line.split(" ")
  const b = stored.line.split(" ")
  if (a.length !== b.length) return undefined
  const changed = a.flatMap((word, index) => (word === b[index] ? [] : [index]))
  if (changed.length > differencesMax) return undefined
  const ways = asked.question.kind === "how-to" && stored.question.kind === "how-to"
  for (const index of changed) {
    const before = senses.get(a[index]!)
    const after = senses.get(b[index]!)
    if (before === undefined || after === undefined || before[0] !== after[0] || before[1] === after[1]) continue
    if (before[0] === "question" && framed(asked, stored, index)) continue
    if (ways && a[index - 1] === "how" && before[1] !== "past" && after[1] !== "past") continue
    if (ways && a[index - 2] === "how" && before[0] === "person") continue
    return before[0]
  }
  return undefined
}
