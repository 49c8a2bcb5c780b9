/**
 * The names of what can differ between two prompts, as users read them in logs, metrics and reports of shadow mode.
 *
 * The union is closed: a new name is a new kind of difference that the gate looks for.
 */

/** What differs between two prompts. */
export type GateReason =
  | "numbers"
  | "units"
  | "dates"
  | "names"
  | "quotes"
  | "code"
  | "links"
  | "negation"
  | "direction"
  | "order"
  | "quantifier"
  | "person"
  | "tense"
  | "question"
  | "format"
  | "language"
  | "alternatives"
  | "too-short"
  | "unknown-word"
