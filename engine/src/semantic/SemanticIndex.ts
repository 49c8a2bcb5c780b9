/**
 * Finds stored prompts that share rare words with one that is asked: an inverted index of stems, weighted by their idf.
 *
 * There is one index per partition of the semantic cache. Adding, removing and searching are bounded: a search reads at
 * most a fixed number of postings, the rarest stems first. It decides nothing: `SemanticGate` judges what it finds.
 */
import type { Features } from "./SemanticFeatures.ts"

/** Postings that one search reads at most. */
const postingsReadMax = 5000

export interface Found<Id> {
  readonly id: Id
  /** Share of the asked prompt's idf weight that the stored one covers, times the reverse; 0–1. */
  readonly score: number
}

export class SemanticIndex<Id> {
  readonly #postings = new Map<string, Set<Id>>()
  readonly #stems = new Map<Id, ReadonlyArray<string>>()

  /** Stored prompts. */
  get size(): number {
    return this.#stems.size
  }

  /** Adds a prompt; one that is there under the same id is replaced. */
  add(id: Id, features: Features): void {
    this.remove(id)
    this.#stems.set(id, features.stems)
    for (const stem of features.stems) {
      const ids = this.#postings.get(stem)
      if (ids === undefined) this.#postings.set(stem, new Set([id]))
      else ids.add(id)
    }
  }

  /** Removes a prompt; an unknown id is ignored. */
  remove(id: Id): void {
    const stems = this.#stems.get(id)
    if (stems === undefined) return
    this.#stems.delete(id)
    for (const stem of stems) {
      const ids = this.#postings.get(stem)!
      ids.delete(id)
      if (ids.size === 0) this.#postings.delete(stem)
    }
  }

  /** The best `limit` prompts that share a stem with this one, best first. */
  search(features: Features, limit: number): ReadonlyArray<Found<Id>> {
    const total = this.#stems.size
    const lists: Array<{ readonly ids: ReadonlySet<Id>; readonly weight: number }> = []
    let weightAll = 0
    for (const stem of features.stems) {
      const ids = this.#postings.get(stem)
      const weight = Math.log(1 + total / (1 + (ids?.size ?? 0)))
      weightAll += weight
      if (ids !== undefined) lists.push({ ids, weight })
    }
    lists.sort((a, b) => a.ids.size - b.ids.size)
    const weights = new Map<Id, number>()
    let read = 0
    for (const { ids, weight } of lists) {
      if (read > 0 && read + ids.size > postingsReadMax) break
      for (const id of ids) {
        weights.set(id, (weights.get(id) ?? 0) + weight)
        if (++read >= postingsReadMax) break
      }
    }
    return [...weights]
      .map(([id, weight]) => ({ id, score: weightAll === 0 ? 0 : weight / weightAll }))
      .toSorted((a, b) => b.score - a.score)
      .slice(0, limit)
  }
}
