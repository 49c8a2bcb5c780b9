/**
 * What the semantic cache would have done: misses by reason, would-be hits by similarity, and how many were wrong.
 *
 * A would-be hit is compared with the answer that the provider then gave. The share of those that differ estimates the
 * false-hit rate, with its 95 % interval, before anybody is served. Prompts and answers are kept only where content may
 * be logged, and then the last ones. All counts are of this process since it started; nothing here serves or decides.
 */
import type { SemanticStatus } from "./AdminSemanticAnswers.ts"

/** Bins of the histogram between 0 and 1. */
export const binsCount = 20

/** Would-be hits that are kept. */
const recentMax = 100

/** UTF-16 units of a prompt or an answer that are kept. */
const keptMax = 2000

/** Two answers to one question: `unclear` when nothing could tell. */
export type Comparison = "same" | "different" | "unclear"

/** A hit that was not served. */
export interface WouldBe {
  readonly atMs: number
  readonly requestId: string
  readonly askedKey: string
  readonly storedKey: string
  readonly similarity: number
  readonly comparison: Comparison
  readonly asked: { readonly prompt: string; readonly answer: string }
  readonly stored: { readonly prompt: string; readonly answer: string }
}

export interface ShadowOptions {
  /** Similarity from which a hit is served. */
  readonly threshold: number
  /** Whether prompts and answers may be kept. */
  readonly content: boolean
}

type Recent = SemanticStatus["shadow"]["recent"][number]

export class SemanticShadow {
  private readonly options: ShadowOptions
  private readonly bins = Array.from({ length: binsCount }, () => ({ hits: 0, same: 0, different: 0, unclear: 0 }))
  private readonly reasons = new Map<string, number>()
  private readonly bypassed = new Map<string, number>()
  /** In the order in which they came; the place of the oldest is taken next. */
  private readonly recent: Array<Recent> = []
  private next = 0
  private same = 0
  private different = 0
  private unclear = 0
  dropped = 0

  constructor(options: ShadowOptions) {
    this.options = options
  }

  /** A lookup that found nothing to serve, and why: what the gate said of the best candidate, or that there was none. */
  miss(reason: string): void {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1)
  }

  /** A prompt that takes no part, and why. */
  bypass(reason: string): void {
    this.bypassed.set(reason, (this.bypassed.get(reason) ?? 0) + 1)
  }

  /** A pair that the gate let pass, whatever its similarity. */
  wouldBe(found: WouldBe): void {
    const { comparison, similarity } = found
    const bin = this.bins[Math.max(0, Math.min(binsCount - 1, Math.floor(similarity * binsCount)))]!
    bin.hits++
    bin[comparison]++
    if (similarity < this.options.threshold) return
    this[comparison]++
    this.recent[this.next] = this.shown(found)
    this.next = (this.next + 1) % recentMax
  }

  status(): Pick<SemanticStatus, "misses" | "bypassed" | "histogram" | "shadow"> {
    const { different, same, unclear } = this
    return {
      misses: Object.fromEntries(this.reasons),
      bypassed: Object.fromEntries(this.bypassed),
      histogram: this.bins.map((bin, i) => ({ from: i / binsCount, to: (i + 1) / binsCount, ...bin })),
      shadow: {
        wouldBeHits: same + different + unclear,
        same,
        different,
        unclear,
        dropped: this.dropped,
        falseHitRate: rateOf(different, same + different),
        recent: [...this.recent.slice(this.next), ...this.recent.slice(0, this.next)].toReversed()
      }
    }
  }

  private shown({ asked, askedKey, atMs, comparison, requestId, similarity, stored, storedKey }: WouldBe): Recent {
    const text = ({ answer, prompt }: WouldBe["asked"]) => ({
      prompt: prompt.slice(0, keptMax),
      answer: answer.slice(0, keptMax)
    })
    return {
      time: new Date(atMs).toISOString(),
      requestId,
      askedKey,
      storedKey,
      similarity,
      comparison,
      content: this.options.content ? { asked: text(asked), stored: text(stored) } : null
    }
  }
}

/** The share and its 95 % interval by Wilson's score; null without a comparison. */
export const rateOf = (
  count: number,
  of: number
): { readonly value: number; readonly low: number; readonly high: number } | null => {
  if (of === 0) return null
  const z = 1.959_963_984_540_054
  const value = count / of
  const middle = (value + (z * z) / (2 * of)) / (1 + (z * z) / of)
  const reach = (z / (1 + (z * z) / of)) * Math.sqrt((value * (1 - value)) / of + (z * z) / (4 * of * of))
  return {
    value,
    low: Math.max(0, Math.min(value, middle - reach)),
    high: Math.min(1, Math.max(value, middle + reach))
  }
}

/** UTF-16 units of an answer that are compared. */
const comparedMax = 8000

/** Words that say little about what an answer says. */
const plain: ReadonlySet<string> = new Set(
  (
    "a an the and or but if of to in on at by for with from as is are was were be been being it its this that these those " +
    "i you he she we they my your his her our their me him them do does did have has had can could will would should may " +
    "might must so than then there here what which who how when where why also more most some any all each " +
    "such into about over under up out very just only own same too s t don can"
  ).split(" ")
)

/** The share of the words of the shorter answer that the longer one has too, 0–1; "yes" and "no" are words here. */
export const answerSimilarity = (a: string, b: string): number => {
  const [left, right] = [wordsOf(a), wordsOf(b)]
  const [few, many] = left.size <= right.size ? [left, right] : [right, left]
  if (few.size === 0) return many.size === 0 ? 1 : 0
  let shared = 0
  for (const word of few) if (many.has(word)) shared++
  return shared / few.size
}

/** Similarity of two answers from which they are taken to say the same. */
const sameFrom = 0.6

/**
 * Whether two answers say the same, as far as words can tell: different numbers, or too few words in common, are
 * different. Two good answers may be worded differently, so this finds more differences than there are.
 */
export const compareAnswers = (a: string, b: string): Exclude<Comparison, "unclear"> => {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  if (left.size > 0 && right.size > 0 && [...left].every((number) => !right.has(number))) return "different"
  return answerSimilarity(a, b) >= sameFrom ? "same" : "different"
}

/** The part of an answer that is compared, with numbers in one form. */
const comparable = (text: string): string => text.slice(0, comparedMax).replace(/(\d),(?=\d{3})/g, "$1")

const wordsOf = (text: string): ReadonlySet<string> => {
  const words =
    comparable(text)
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  const telling = words.filter((word) => !plain.has(word))
  return new Set(telling.length === 0 ? words : telling)
}

const numbersOf = (text: string): ReadonlySet<string> => new Set(comparable(text).match(/\d+(?:\.\d+)?/g))
