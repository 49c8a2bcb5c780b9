/**
 * Numbers with their units: "10 km", "ten kilometres", "$5" and "5 dollars" are told apart from words and made equal.
 *
 * It reads from the tokens of a prompt and leaves what it doesn't understand to the words.
 */
import { numberWords, unitNames } from "./SemanticLexicon.ts"
import type { Token } from "./SemanticText.ts"

/** A number with the unit that belongs to it. */
export interface Quantity {
  readonly value: string
  readonly unit: string
  /** Lemmas beside it, which tell what is counted. */
  readonly before: string
  readonly after: string
}

/** Number words; "one" only where it counts something, "second" never after a number. */
export const isNumber = (tokens: ReadonlyArray<Token>, lemmas: ReadonlyArray<string>, at: number): boolean => {
  const { quoted, text } = tokens[at]!
  if (quoted || !numberWords.has(text)) return false
  const previous = tokens[at - 1]?.text ?? ""
  if (text === "one")
    return (
      !/^(?:this|that|which|the|no|any|every|each|new|another|a|my|your|someone|some)$/.test(previous) &&
      tokens[at + 1]?.text !== "of" &&
      at + 1 < tokens.length
    )
  if (text === "second")
    return tokens[at - 1]?.kind !== "number" && !/^(?:a|per|each|every)$/.test(previous) && !numberWords.has(previous)
  if (text === "first" || text === "third") return !/^(?:name|aid)$/.test(lemmas[at + 1] ?? "")
  return (
    !(text === "hundred" || text === "thousand" || text === "million" || text === "billion" || text === "dozen") ||
    previous !== "of"
  )
}

/** Reads a number of one or several tokens and its unit; returns the last token read. */
export const quantity = (
  tokens: ReadonlyArray<Token>,
  lemmas: ReadonlyArray<string>,
  at: number,
  numbers: Array<Quantity>
): number => {
  const start = at
  let { text: value, unit } = tokens[at]!
  if (tokens[at]!.kind === "word") value = String(numberWords.get(value)!)
  for (;;) {
    const next = tokens[at + 1]
    const word = next?.kind === "word" && !next.quoted && !next.listed ? next.text : ""
    const scale = numberWords.get(word)
    if (scale === undefined || !Number.isFinite(Number(value)) || (word === "one" && Number(value) < 20)) break
    if (scale >= 100 || scale === 12) value = String(Number(value) * scale)
    else if (Number(value) >= 20 && Number(value) < 100 && scale < 10 && !/^(?:first|second|third)$/.test(word))
      value = String(Number(value) + scale)
    else break
    at++
  }
  const next = tokens[at + 1]
  if (unit === undefined && next?.kind === "word" && !next.quoted && !next.listed) {
    const named = unitNames.get(next.text) ?? (next.text === "degrees" || next.text === "degree" ? "degree" : undefined)
    if (named !== undefined && next.text !== "in" && next.text !== "am" && next.text !== "may") {
      unit = named
      at++
      if (named === "degree" && unitNames.has(tokens[at + 1]?.text ?? "")) {
        unit = unitNames.get(tokens[at + 1]!.text)!
        at++
      }
    }
  }
  if (unit === undefined && next?.kind === "word" && /^(?:am|pm)$/.test(next.text)) {
    unit = next.text
    at++
  }
  const canonical = unit === undefined ? "" : (unitNames.get(unit) ?? unit)
  numbers.push({ value, unit: canonical, before: lemmas[start - 1] ?? "", after: lemmas[at + 1] ?? "" })
  return at
}
