/**
 * Which words of one prompt stand for which of another: the same stem, a synonym, a derivation, an acronym, a typing error.
 *
 * Every word is matched with at most one other; what is left over has no counterpart. Words that must be equal to the
 * character (quoted, ids, names) are matched as such only. It says nothing of order and roles.
 */
import { isKnown, lemmaOf } from "./SemanticLemma.ts"
import type { Content } from "./SemanticWords.ts"

export interface Alignment {
  /** Index in the stored prompt by index in the asked one; -1 for a word without counterpart. */
  readonly to: ReadonlyArray<number>
  readonly leftAsked: ReadonlyArray<number>
  readonly leftStored: ReadonlyArray<number>
  /** Share of words that are the same word, not a synonym; 0–1. */
  readonly exactness: number
}

/** How alike two words are: 3 the same word, 2 the same stem, 1 a synonym or a typing error, 0 not at all. */
const likeness = (a: Content, b: Content): number => {
  if (a.exact || b.exact) return a.lemma === b.lemma || a.surface === b.surface ? 3 : 0
  if (a.surface === b.surface && a.lemma === b.lemma) return 3
  const shared = a.groups.length > 0 && a.groups.some((group) => b.groups.includes(group))
  if (a.name || b.name) return a.lemma === b.lemma && a.name !== b.name ? 2 : shared ? 1 : 0
  if (a.lemma === b.lemma) return 3
  if (a.base === b.base || a.base === b.lemma || a.lemma === b.base) return 2
  if (shared) return 1
  return isTypingError(a.surface, b.surface) ? 1 : 0
}

/** Matches the words of two prompts, the likest first and the nearest among them. */
export const align = (asked: ReadonlyArray<Content>, stored: ReadonlyArray<Content>): Alignment => {
  const to = new Array<number>(asked.length).fill(-1)
  const taken = new Array<boolean>(stored.length).fill(false)
  let exact = 0
  for (let wanted = 3; wanted >= 1; wanted--) {
    for (let i = 0; i < asked.length; i++) {
      if (to[i] !== -1) continue
      let best = -1
      for (let j = 0; j < stored.length; j++) {
        if (taken[j] || likeness(asked[i]!, stored[j]!) !== wanted) continue
        if (best < 0 || distance(asked, stored, i, j) < distance(asked, stored, i, best)) best = j
      }
      if (best < 0) continue
      to[i] = best
      taken[best] = true
      if (wanted === 3) exact++
    }
  }
  const left = (length: number, matched: (index: number) => boolean): Array<number> =>
    Array.from({ length }, (_, index) => index).filter((index) => !matched(index))
  let leftAsked = left(asked.length, (i) => to[i]! >= 0)
  let leftStored = left(stored.length, (j) => taken[j]!)
  if (leftAsked.length > 0 && leftStored.length > 0) {
    joinParts(asked, stored, leftAsked, leftStored, (i, j) => (to[i] = j))
    joinParts(stored, asked, leftStored, leftAsked, (j, i) => (to[i] = j))
    leftAsked = leftAsked.filter((i) => i >= 0)
    leftStored = leftStored.filter((j) => j >= 0)
  }
  if (leftStored.length === 0) leftAsked = dropRepeats(asked, stored, leftAsked)
  else if (leftAsked.length === 0) leftStored = dropRepeats(stored, asked, leftStored)
  const most = Math.max(asked.length, stored.length, 1)
  return { to, leftAsked, leftStored, exactness: exact / most }
}

const distance = (asked: ReadonlyArray<Content>, stored: ReadonlyArray<Content>, i: number, j: number): number =>
  Math.abs(i / asked.length - j / stored.length)

/** A word left over that says again what another word of its own prompt says, and that one is in both, is no difference. */
const dropRepeats = (
  own: ReadonlyArray<Content>,
  other: ReadonlyArray<Content>,
  left: ReadonlyArray<number>
): Array<number> =>
  left.filter((i) => {
    const word = own[i]!
    if (word.exact || (word.reason !== undefined && word.reason !== "names")) return true
    return !own.some(
      (repeated, k) =>
        k !== i &&
        !left.includes(k) &&
        repeated.lemma === word.lemma &&
        other.some((match) => match.lemma === word.lemma)
    )
  })

/** One word that is several of the other prompt: "dropdown" and "drop down", "RAG" and "retrieval augmented generation". */
const joinParts = (
  one: ReadonlyArray<Content>,
  many: ReadonlyArray<Content>,
  leftOne: Array<number>,
  leftMany: Array<number>,
  pair: (one: number, many: number) => void
): void => {
  for (let n = 0; n < leftOne.length; n++) {
    const word = one[leftOne[n]!]!
    if (word.exact) continue
    const { surface } = word
    for (let from = 0; from < leftMany.length; from++) {
      let length = 0
      let joined = ""
      let initials = ""
      while (from + length < leftMany.length && length < 5) {
        const index = leftMany[from + length]!
        if (index < 0) break
        if (length > 0 && index !== leftMany[from]! + length) break
        const part = many[index]!
        if (part.exact) break
        joined += part.surface
        initials += part.surface[0]
        length++
        const plural = joined === `${surface}s` || `${joined}s` === surface
        const acronym = initials === surface && (length >= 3 || word.capitals)
        if (length >= 2 && (joined === surface || plural || acronym)) {
          pair(leftOne[n]!, leftMany[from]!)
          leftOne[n] = -1
          for (let k = 0; k < length; k++) leftMany[from + k] = -1
          break
        }
      }
      if (leftOne[n] === -1) break
    }
  }
  const keep = leftMany.filter((index) => index >= 0)
  leftMany.length = 0
  leftMany.push(...keep)
  const rest = leftOne.filter((index) => index >= 0)
  leftOne.length = 0
  leftOne.push(...rest)
}

/**
 * Whether one of two words is the other one mistyped: it must be no English word, the other one must be; they begin alike,
 * and one letter is missing, doubled, swapped with its neighbour or, in long words, another one.
 */
export const isTypingError = (a: string, b: string): boolean => {
  const longer = Math.max(a.length, b.length)
  if (longer < 6 || Math.min(a.length, b.length) < 5 || Math.abs(a.length - b.length) > 1 || a[0] !== b[0]) return false
  if (!/^[a-z]+$/.test(a) || !/^[a-z]+$/.test(b)) return false
  const knownA = isWord(a)
  if (knownA === isWord(b)) return false
  let start = 0
  while (start < Math.min(a.length, b.length) && a[start] === b[start]) start++
  if (a.length === b.length) {
    if (a[start] === b[start + 1] && a[start + 1] === b[start]) return a.slice(start + 2) === b.slice(start + 2)
    return longer >= 8 && a.slice(start + 1) === b.slice(start + 1)
  }
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  return short.slice(start) === long.slice(start + 1) && (longer >= 7 || long[start] === long[start - 1])
}

const isWord = (word: string): boolean => isKnown(word) || isKnown(lemmaOf(word))
