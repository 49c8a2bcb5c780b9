/**
 * Lookups of the semantic cache: from a prompt to the stored prompt whose answer may be served for it, or a reason.
 *
 * Retrieval finds what is near; the gate says whether it is the same, and has the last word. A pair that misses only
 * because of words the gate doesn't know may go to the judge. Pairs that a caller called wrong never match again. The
 * answers themselves are the exact cache's: one that it has dropped or whose time is over is not found here either.
 * It waits for nobody but the embedder, the judge and the exact cache.
 */
import { type Clock, Effect } from "effect"
import type { Call, Target } from "./Call.ts"
import type * as Reply from "./Reply.ts"
import { analyse } from "./semantic/SemanticFeatures.ts"
import { compare } from "./semantic/SemanticGate.ts"
import type { SemanticEmbedder } from "./SemanticEmbedder.ts"
import type { Candidate, Probe, SemanticEntries, SemanticEntry } from "./SemanticEntries.ts"
import type { Ask, SemanticJudge } from "./SemanticJudge.ts"
import type { SemanticPairs } from "./SemanticPairs.ts"
import type { Asked } from "./SemanticPartition.ts"
import type { SemanticShadow } from "./SemanticShadow.ts"
import type { SemanticShared } from "./SemanticShared.ts"

/** An answer as the exact cache holds it. */
export interface StoredAnswer {
  readonly completion: Reply.Completion
  readonly target: Target
  readonly ageMs: number
}

/** The exact cache, as far as it is needed here: it holds the answers, their time to live and their bound. */
export interface Answers {
  /** The answer under a key, which is used; undefined when it is gone or its time is over. */
  readonly get: (key: string) => StoredAnswer | undefined
  readonly has: (key: string) => boolean
  /** Removes an answer; false when there was none. */
  readonly evict: (key: string) => boolean
}

/** A prompt that takes part. */
export interface Question extends Asked {
  /** Key of its request in the exact cache. */
  readonly key: string
  readonly call: Call
  readonly probe: Probe
}

/** A pair that the gate, or the judge in its place, let pass. */
export interface Match {
  readonly entry: SemanticEntry
  /** 0–1: the cosine where there are vectors, else the gate's. */
  readonly similarity: number
}

export interface Found {
  /** Best first, also those below the threshold. */
  readonly matches: ReadonlyArray<Match>
  /** What stood in the way of the best candidate: a reason of the gate, or that there was none. */
  readonly reason: string
}

/** What is near, with the pair that a judge may be asked about. */
interface Near extends Found {
  readonly unknown: Candidate | undefined
}

/** A match with the answer that may be served. */
export interface Hit {
  readonly match: Match
  readonly answer: StoredAnswer
}

export interface LookupOptions {
  readonly answers: Answers
  readonly clock: Clock.Clock
  readonly entries: SemanticEntries
  readonly pairs: SemanticPairs
  readonly shadow: SemanticShadow
  readonly embedder: SemanticEmbedder | undefined
  readonly judge: SemanticJudge | undefined
  readonly threshold: number
  readonly maxWords: number | undefined
  /** What other instances know; undefined where nothing is shared. */
  readonly shared: SemanticShared | undefined
}

/** Candidates that the gate sees at most. */
const candidatesMax = 5

/** How long a prompt may be findable before its answer is: the exact cache stores at its own pace. */
const graceMs = 5000

export class SemanticLookup {
  private readonly options: LookupOptions
  lookups = 0

  constructor(options: LookupOptions) {
    this.options = options
  }

  /** What a prompt is found by; undefined, and counted with its reason, when it takes no part. */
  question(ask: Ask, call: Call, asked: Asked): Effect.Effect<Question | undefined> {
    const { embedder, maxWords, shadow } = this.options
    const analysis = analyse(asked.text)
    if (analysis._tag === "Unjudgeable" || analysis.features.words > (maxWords ?? Infinity)) {
      shadow.bypass(analysis._tag === "Unjudgeable" ? analysis.reason : "too-long")
      return Effect.succeed(undefined)
    }
    const { features } = analysis
    const key = call.journal.cacheKey!
    if (embedder === undefined) return Effect.succeed({ ...asked, key, call, probe: { features, vector: undefined } })
    return Effect.map(embedder.embed(ask, call.request, asked.text), (vector) => {
      if (vector !== undefined) return { ...asked, key, call, probe: { features, vector } }
      shadow.bypass("no-embedding")
      return undefined
    })
  }

  /** Makes a prompt findable. */
  index({ key, partition, probe, text }: Question): void {
    const { clock, entries, shadow, shared } = this.options
    const entry = { key, partition, text, addedAtMs: clock.currentTimeMillisUnsafe() }
    if (!entries.add(entry, probe)) shadow.bypass("no-vector")
    else shared?.tell({ key, partition, probe, text })
  }

  /** Candidates for a prompt, judged: those of other instances only when there is nothing to serve here. */
  search(ask: Ask, question: Question): Effect.Effect<Found> {
    const { answers, judge, shared, threshold } = this.options
    this.lookups++
    judge?.count()
    const near = this.near(question)
    const isThere = ({ entry, similarity }: Match) => similarity >= threshold && answers.has(entry.key)
    if (shared === undefined || near.matches.some(isThere)) {
      return this.decided(ask, question, near)
    }
    return Effect.flatMap(shared.bring(question), (some) =>
      this.decided(ask, question, some ? this.near(question) : near)
    )
  }

  /** What the gate says of the nearest prompts. */
  private near({ key, partition, probe }: Question): Near {
    const { entries, pairs, threshold } = this.options
    const matches: Array<Match> = []
    let unknown: Candidate | undefined
    let reason = "no-candidate"
    for (const candidate of entries.search(partition, probe, candidatesMax)) {
      const { entry, score } = candidate
      // A request that is refreshed would find itself.
      if (entry.key === key) continue
      const features = entries.featuresOf(entry)
      if (features === undefined) continue
      const verdict = pairs.isWrong(key, entry.key) ? wrong : compare(probe.features, features)
      if (verdict.same) {
        matches.push({ entry, similarity: probe.vector === undefined ? verdict.similarity : Math.max(0, score) })
        continue
      }
      if (reason === "no-candidate") reason = verdict.reason
      // Where there are vectors, the judge sees only what is near; a lexical score says little about unknown words.
      if (verdict.onlyUnknownWords && (probe.vector === undefined || score >= threshold)) unknown ??= candidate
    }
    matches.sort((a, b) => b.similarity - a.similarity)
    return { matches, reason, unknown }
  }

  private decided(ask: Ask, question: Question, { matches, reason, unknown }: Near): Effect.Effect<Found> {
    const { judge, threshold } = this.options
    const enough = matches.length > 0 && matches[0]!.similarity >= threshold
    if (judge === undefined || unknown === undefined || enough) return Effect.succeed({ matches, reason })
    return Effect.map(this.judged(ask, judge, question, unknown), (match) => ({
      matches: match === undefined ? matches : [match, ...matches],
      reason
    }))
  }

  /** The best match whose answer is still there and may be served. */
  hit(matches: ReadonlyArray<Match>): Hit | undefined {
    const { answers, clock, entries } = this.options
    for (const match of matches) {
      const { addedAtMs, key } = match.entry
      const answer = answers.get(key)
      if (answer !== undefined && servable(answer.completion)) return { match, answer }
      if (answer !== undefined || clock.currentTimeMillisUnsafe() - addedAtMs > graceMs) entries.remove(key)
    }
    return undefined
  }

  private judged(ask: Ask, judge: SemanticJudge, asked: Question, stored: Candidate): Effect.Effect<Match | undefined> {
    const { pairs, threshold } = this.options
    const { entry, score } = stored
    // The judge vouches for a pair to which the gate gives no similarity.
    const matchOf = (same: boolean | undefined) =>
      same === true ? { entry, similarity: Math.min(1, Math.max(threshold, score)) } : undefined
    const known = pairs.verdict(asked.key, entry.key)
    if (known !== undefined) return Effect.succeed(matchOf(known))
    return Effect.map(judge.prompts(ask, asked.call.request, asked.text, entry.text), (same) => {
      if (same !== undefined) pairs.addVerdict(asked.key, entry.key, same)
      return matchOf(same)
    })
  }
}

const wrong = { same: false, reason: "feedback", onlyUnknownWords: false } as const

/** An answer in words that came to its end; the arguments of a tool call are those of its own prompt. */
export const servable = ({ content, finishReason }: Reply.Completion): boolean =>
  finishReason === "stop" && content.every(({ type }) => type === "text" || type === "reasoning")
