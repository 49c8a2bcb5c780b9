/**
 * What a store of shared prompts promises: prompts of the semantic cache with their vectors and answers, found by whoever
 * shares the database.
 *
 * It only retrieves: what it finds is near, which says nothing about whether an answer fits. A prompt is known by the key of
 * its answer, belongs to one partition, and is gone when the time of the answer is over. Vectors are compared only within a
 * space, which is named after what made them. It waits as long as its database does; whoever asks bounds that.
 */
import { type Effect, Schema } from "effect"
import type { GroupFilter } from "./CacheGroup.ts"

/** A prompt, what it is found by, and its answer. */
export interface SharedPrompt {
  /** Key of the answer in the exact cache. */
  readonly key: string
  readonly partition: string
  readonly text: string
  /** 1 to 16,000 numbers, not all of them 0. */
  readonly vector: ArrayLike<number>
  /** The answer as a record of the exact cache, in JSON. */
  readonly answer: string
  readonly addedAtMs: number
  readonly expiresAtMs: number
}

export interface NearPrompt extends Pick<SharedPrompt, "key" | "text" | "addedAtMs"> {
  /** Cosine, -1 to 1. */
  readonly score: number
}

/** An answer that was called wrong: its key, and the pair of prompts that are never served for each other. */
export interface WrongAnswer {
  readonly key: string
  /** As `SemanticPairs` exports it; null where only the entry was removed. */
  readonly pair: string | null
}

/** What was removed by anybody, in order. */
export interface Removals {
  readonly removed: ReadonlyArray<WrongAnswer>
  /** From where to read on. */
  readonly place: number
}

/** The store can't be asked now. */
export class VectorStoreUnavailable extends Schema.TaggedError<VectorStoreUnavailable>()("VectorStoreUnavailable", {
  detail: Schema.String
}) {
  override get message() {
    return `the shared prompts can't be read: ${this.detail}`
  }
}

type Answered<A> = Effect.Effect<A, VectorStoreUnavailable>

export interface VectorStore {
  /** Makes the store ready, which may take long the first time: until then a search may fail. */
  readonly prepare: Answered<void>
  /** Takes prompts in, each in the place of one with its key; keys of one call differ. */
  readonly put: (prompts: ReadonlyArray<SharedPrompt>) => Answered<void>
  /** The nearest prompts of a partition that are not over, nearest first. An index may miss some of many. */
  readonly nearest: (
    partition: string,
    vector: ArrayLike<number>,
    limit: number,
    nowMs: number
  ) => Answered<ReadonlyArray<NearPrompt>>
  /** Those of the keys that are there and not over, in any order. */
  readonly get: (keys: ReadonlyArray<string>, nowMs: number) => Answered<ReadonlyArray<SharedPrompt>>
  /** Removes an answer and tells everybody. */
  readonly remove: (wrong: WrongAnswer, nowMs: number) => Answered<void>
  /** Removes the answers of some groups; returns how many there were. */
  readonly purge: (filter: GroupFilter) => Answered<number>
  /** What was removed after a place, 0 for all that is known: at most 10,000 at once. */
  readonly removals: (place: number) => Answered<Removals>
  /** Deletes what is over, and the oldest beyond the bound. */
  readonly prune: (nowMs: number) => Answered<void>
}
