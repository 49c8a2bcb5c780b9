/**
 * The prompts whose answers may be served semantically, by partition: the lexical index or the vectors, and their bound.
 *
 * It knows a prompt by the key of its answer in the exact cache and holds no answer itself. Least recently used prompts
 * leave first, over all partitions together; what the gate needs of a prompt is kept for those that were needed last, and
 * worked out again for others. It only retrieves: what it finds is near, which says nothing about whether the answer fits.
 */
import { Effect } from "effect"
import { LRUCache } from "lru-cache"
import { analyse, type Features } from "./semantic/SemanticFeatures.ts"
import { SemanticIndex } from "./semantic/SemanticIndex.ts"
import { dimensionsMax, VectorIndex, VectorSpace } from "./VectorIndex.ts"

/** A prompt with an answer in the exact cache. */
export interface SemanticEntry {
  /** Key of its answer in the exact cache. */
  readonly key: string
  readonly partition: string
  /** The prompt. */
  readonly text: string
  readonly addedAtMs: number
}

export interface Candidate {
  readonly entry: SemanticEntry
  /** How near it is, by the measure of the index: a cosine for vectors. */
  readonly score: number
}

/** What a prompt is found by. */
export interface Probe {
  readonly features: Features
  /** Undefined where the index is lexical. */
  readonly vector: ArrayLike<number> | undefined
}

interface Index {
  readonly size: number
  readonly add: (entry: SemanticEntry, probe: Probe) => boolean
  readonly remove: (key: string) => void
  readonly search: (probe: Probe, limit: number) => ReadonlyArray<{ readonly id: string; readonly score: number }>
}

/** Prompts that are looked at before others may run. */
const pruneStep = 500

/** Words of the prompts whose features are kept; features take some 150 bytes a word. */
const wordsMax = 200_000

export class SemanticEntries {
  private readonly entries: LRUCache<string, SemanticEntry>
  private readonly indexes = new Map<string, Index>()
  private readonly features = new LRUCache<string, Features>({
    maxSize: wordsMax,
    sizeCalculation: ({ words }) => 1 + words
  })
  private readonly makeIndex: () => Index
  private space: VectorSpace | undefined

  /** `maxSize` prompts at most, 1 or more, found by their vectors or by their words. */
  constructor(options: { readonly maxSize: number; readonly vectors: boolean }) {
    this.entries = new LRUCache({ max: options.maxSize, dispose: (entry) => this.unindex(entry) })
    this.makeIndex = options.vectors ? () => this.vectorIndex(options.maxSize) : lexicalIndex
  }

  get size(): number {
    return this.entries.size
  }

  get partitions(): number {
    return this.indexes.size
  }

  /** Bytes of the vectors; 0 where the index is lexical. */
  get vectorBytes(): number {
    return this.space?.bytes ?? 0
  }

  /** Takes a prompt in, in the place of one of the same key; false when its vector is none that can be compared. */
  add(entry: SemanticEntry, probe: Probe): boolean {
    this.remove(entry.key)
    // Makes room first: the space of vectors has no more rows than there may be entries.
    while (this.entries.size >= this.entries.max) this.entries.pop()
    const index = this.indexes.get(entry.partition) ?? this.makeIndex()
    if (!index.add(entry, probe)) return false
    this.indexes.set(entry.partition, index)
    this.entries.set(entry.key, entry)
    this.features.set(entry.key, probe.features)
    return true
  }

  /** What the gate compares; undefined when the prompt can't be judged, which it could when it was added. */
  featuresOf({ key, text }: SemanticEntry): Features | undefined {
    const kept = this.features.get(key)
    if (kept !== undefined) return kept
    const analysis = analyse(text)
    if (analysis._tag !== "Judgeable") return undefined
    this.features.set(key, analysis.features)
    return analysis.features
  }

  remove(key: string): boolean {
    return this.entries.delete(key)
  }

  has(key: string): boolean {
    return this.entries.has(key)
  }

  /** A prompt that was served is kept longer than one that was not. */
  touch(key: string): void {
    this.entries.get(key)
  }

  /** Removes every prompt whose answer is gone; lets others run every so many of them. */
  prune(isThere: (key: string) => boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      const keys = [...this.entries.keys()]
      const steps = Array.from({ length: Math.ceil(keys.length / pruneStep) }, (_, i) => i * pruneStep)
      const step = (from: number) => {
        for (const key of keys.slice(from, from + pruneStep)) if (!isThere(key)) this.remove(key)
        return Effect.yieldNow
      }
      return Effect.forEach(steps, step, { discard: true })
    })
  }

  /** The nearest prompts of a partition, nearest first. */
  search(partition: string, probe: Probe, limit: number): ReadonlyArray<Candidate> {
    const index = this.indexes.get(partition)
    if (index === undefined) return []
    return index.search(probe, limit).map(({ id, score }) => ({ entry: this.entries.peek(id)!, score }))
  }

  private unindex({ key, partition }: SemanticEntry): void {
    const index = this.indexes.get(partition)!
    index.remove(key)
    this.features.delete(key)
    if (index.size === 0) this.indexes.delete(partition)
  }

  /** All partitions share one space of vectors, which takes its length from the first one. */
  private vectorIndex(capacity: number): Index {
    let index: VectorIndex<string> | undefined
    return {
      get size() {
        return index?.size ?? 0
      },
      add: ({ key }, { vector }) => {
        if (vector === undefined || vector.length < 1 || vector.length > dimensionsMax) return false
        // An embedder that now makes vectors of another length starts over once the old ones have gone.
        if (this.space === undefined || (this.space.size === 0 && this.space.dimensions !== vector.length)) {
          this.space = new VectorSpace({ dimensions: vector.length, capacity })
        }
        index ??= new VectorIndex(this.space)
        return index.add(key, vector)
      },
      remove: (key) => index?.remove(key),
      search: ({ vector }, limit) => (vector === undefined || index === undefined ? [] : index.search(vector, limit))
    }
  }
}

const lexicalIndex = (): Index => {
  const index = new SemanticIndex<string>()
  return {
    get size() {
      return index.size
    },
    add: ({ key }, { features }) => {
      index.add(key, features)
      return true
    },
    remove: (key) => index.remove(key),
    search: ({ features }, limit) => index.search(features, limit)
  }
}
