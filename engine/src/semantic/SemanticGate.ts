/**
 * The semantic cache's judge: whether the answer to a stored prompt may be served for another one.
 *
 * It compares what `SemanticFeatures` found in both and vetoes on any difference that it can name. It says "same" only
 * when nothing is left that differs, so whatever it doesn't know stands in the way. It asks no model and keeps no state.
 */
import type { Features } from "./SemanticFeatures.ts"

/** What differs between two prompts. */
export type GateReason =
  | "numbers"
  | "units"
  | "dates"
  | "names"
  | "quotes"
  | "code"
  | "links"
  | "operators"
  | "negation"
  | "antonym"
  | "direction"
  | "order"
  | "quantifier"
  | "person"
  | "tense"
  | "question-word"
  | "format"
  | "language"
  | "unknown-word"

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

/** Judges whether the answer to `stored` may be served for `asked`; `similarity` is 0–1. */
export const compare = (asked: Features, stored: Features): Verdict =>
  asked.normalised === stored.normalised
    ? { same: true, similarity: 1 }
    : { same: false, reason: "unknown-word", detail: undefined, onlyUnknownWords: true }
