/**
 * Words that may be missing from a prompt without changing what is asked, known by the words beside them.
 *
 * "Health benefits" are benefits, "things to do" is what to do, an "Android phone" is Android. It looks at the tokens of one
 * prompt; that the other prompt doesn't put another such word in the place is the gate's to see.
 */
import type { Token } from "./SemanticText.ts"

/** Devices by what runs on them. */
const devices: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["android", new Set(["phone", "smartphone"])],
  ["iphone", new Set(["phone", "smartphone"])],
  ["windows", new Set(["pc", "computer"])],
  ["mac", new Set(["computer"])]
])

const effects = /^(?:benefits?|advantages?|effects?|risks?|dangers?)$/
const consuming: ReadonlySet<string> = new Set(["drink", "eat", "take", "use", "consume", "have", "own"])
const lessons: ReadonlySet<string> = new Set(
  "course book app resource website site channel tool class podcast".split(" ")
)
const easing: ReadonlySet<string> = new Set(["relieve", "soothe", "ease", "alleviate"])
const befriended: ReadonlySet<string> = new Set(
  "dog cat pet kid child family baby toddler beginner apartment student vegan vegetarian budget wallet wheelchair".split(
    " "
  )
)
const fans: ReadonlySet<string> = new Set(["fan", "lover", "enthusiast"])
const places: ReadonlySet<string> = new Set(["city", "country", "state", "town", "planet", "island"])
const ways: ReadonlySet<string> = new Set(["way", "method", "technique"])

/** What kind of such a word this is, where the words beside it say what it says; "" where they don't. */
export const fillerOf = (
  lemma: string,
  at: number,
  tokens: ReadonlyArray<Token>,
  lemmas: ReadonlyArray<string>
): string => {
  const next = tokens[at + 1]
  const before = tokens[at - 1]
  const when = (kind: string, is: boolean): string => (is ? kind : "")
  if (lemma === "health") return when("health", effects.test(next?.text ?? "") || isForHealth(at, tokens))
  if (consuming.has(lemma)) return when("use", before?.text === "of" && effects.test(tokens[at - 2]?.text ?? ""))
  if (lemma === "thing") return when("thing", next?.text === "to")
  if (lemma === "idea") return when("idea", at > 0 && tokens.length > 2)
  if (lemma === "age") return when("age", next?.kind === "number")
  if (lemma === "friendly") return when("friendly", befriended.has(lemmas[at - 1] ?? ""))
  if (lemma === "available") return when("state", at > 0 && /^(?:to|for|in|at|on)$/.test(next?.text ?? ""))
  if (lemma === "become") return when("verb", at === 0)
  if (lemma === "error") return when("error", before?.quoted ?? false)
  if (lemma === "name") return when("verb", at === 0 && (next?.capital ?? false))
  if (lemma === "learn")
    return when("learn", /^(?:for|to)$/.test(before?.text ?? "") && lessons.has(lemmas[at - 2] ?? ""))
  if (easing.has(lemma)) return when("ease", /^(?:for|to)$/.test(before?.text ?? "") && at > 1)
  if (fans.has(lemma)) return when("fan", at > 1 && at + 1 === tokens.length)
  if (ways.has(lemma)) return when("way", at > 0 && at <= 2 && next?.text === "to")
  if (places.has(lemma)) {
    return when("place", lemmas[at - 1] === "capital" || (next?.text === "of" && (tokens[at + 2]?.capital ?? false)))
  }
  return when("device", devices.get(before?.text ?? "")?.has(lemma) ?? false)
}

/** "Bad for your health" is bad for you. */
const isForHealth = (at: number, tokens: ReadonlyArray<Token>): boolean =>
  /^(?:your|my|our|the)$/.test(tokens[at - 1]?.text ?? "") &&
  tokens[at - 2]?.text === "for" &&
  /^(?:bad|good|harmful|unhealthy|safe)$/.test(tokens[at - 3]?.text ?? "")
