/**
 * What the semantic cache knows of a prompt: everything that `SemanticGate` compares, worked out once.
 *
 * `analyse` reads a prompt of any length in bounded time. It refuses what can't be judged: other languages, long texts,
 * prompts that depend on the time of asking and prompts that ask for an action. It never looks at other prompts.
 */

/** Why a prompt takes no part in the semantic cache. */
export type UnjudgeableReason = "empty" | "too-long" | "language" | "time-dependent" | "action" | "code-only"

export interface Features {
  /** Words of the prompt, those that carry no meaning included. */
  readonly words: number
  /** The prompt in lower case with single spaces. */
  readonly normalised: string
  /** Distinct stems by which the index finds the prompt. */
  readonly stems: ReadonlyArray<string>
}

export type Analysis =
  | { readonly _tag: "Judgeable"; readonly features: Features }
  | { readonly _tag: "Unjudgeable"; readonly reason: UnjudgeableReason }

/** Longest prompt that is judged, in UTF-16 units. */
export const lengthMax = 1200

/** Works out what the gate needs to know of a prompt; bounded for any input. */
export const analyse = (text: string): Analysis => {
  if (text.length > lengthMax) return { _tag: "Unjudgeable", reason: "too-long" }
  const normalised = text.normalize("NFKC").toLowerCase().replace(/\s+/g, " ").trim()
  if (normalised === "") return { _tag: "Unjudgeable", reason: "empty" }
  const words = normalised.match(/[\p{L}\p{N}]+/gu) ?? []
  return { _tag: "Judgeable", features: { words: words.length, normalised, stems: [...new Set(words)] } }
}
