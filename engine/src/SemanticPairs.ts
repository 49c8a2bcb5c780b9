/**
 * What has been decided about two prompts once and for all: a caller's "wrong hit", and the judge's verdicts.
 *
 * Prompts are known by the keys of their requests, so nothing here is text, and a verdict outlives the answers it was
 * about. Both kinds are bounded; of verdicts those go first that were not needed for the longest time, and so do wrong
 * hits, of which more are kept.
 */
import { LRUCache } from "lru-cache"

/** Pairs of wrong hits that are remembered. */
export const wrongMax = 100_000
const judgedMax = 10_000

export class SemanticPairs {
  private readonly wrong = new LRUCache<string, true>({ max: wrongMax })
  private readonly judged = new LRUCache<string, boolean>({ max: judgedMax })

  /** Wrong hits that are remembered. */
  get size(): number {
    return this.wrong.size
  }

  isWrong(a: string, b: string): boolean {
    return this.wrong.get(pairOf(a, b)) === true
  }

  /** Returns the pair as `exportWrong` does. */
  addWrong(a: string, b: string): string {
    const pair = pairOf(a, b)
    this.wrong.set(pair, true)
    return pair
  }

  /** The judge's verdict on two prompts; undefined when it has not been asked. */
  verdict(a: string, b: string): boolean | undefined {
    return this.judged.get(pairOf(a, b))
  }

  addVerdict(a: string, b: string, same: boolean): void {
    this.judged.set(pairOf(a, b), same)
  }

  /** The wrong hits as texts that `importWrong` takes. */
  exportWrong(): ReadonlyArray<string> {
    return [...this.wrong.rkeys()]
  }

  /** Takes in what `exportWrong` gave; returns how many were pairs. */
  importWrong(pairs: Iterable<string>): number {
    let taken = 0
    for (const pair of pairs) {
      if (!/^[\w-]{16,64} [\w-]{16,64}$/.test(pair)) continue
      this.wrong.set(pair, true)
      taken++
    }
    return taken
  }
}

/** The same for both orders: what may not be served one way is no safer the other. */
const pairOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`)
