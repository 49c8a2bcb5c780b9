/**
 * Finds stored prompts that share rare words with one that is asked: an inverted index of stems, weighted by their idf.
 *
 * There is one index per partition of the semantic cache. Adding, removing and searching are bounded: a search reads at
 * most a fixed number of postings, the rarest stems first. It decides nothing: `SemanticGate` judges what it finds.
 */
import type { Features } from "./SemanticFeatures.ts"

/** Postings that one search reads at most. */
const postingsReadMax = 3000

export interface Found<Id> {
  readonly id: Id
  /** Share of the asked prompt's idf weight that the stored one covers; 0–1. */
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
    return best(weights, limit, weightAll)
  }
}

/** The heaviest ids, best first; a selection, since few of many are wanted. */
const best = <Id>(weights: ReadonlyMap<Id, number>, limit: number, weightAll: number): ReadonlyArray<Found<Id>> => {
  const found: Array<{ readonly id: Id; readonly score: number }> = []
  for (const [id, weight] of weights) {
    const score = weightAll === 0 ? 0 : weight / weightAll
    if (found.length >= limit && score <= (found.at(-1)?.score ?? Number.POSITIVE_INFINITY)) continue
    let at = found.length
    while (at > 0 && found[at - 1]!.score < score) at--
    found.splice(at, 0, { id, score })
    if (found.length > limit) found.pop()
  }
  return found
}
