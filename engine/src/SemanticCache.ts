/**
 * Semantic cache: the answer to one prompt serves for another that asks the same in other words (law 8).
 *
 * `off` is no stage at all. `on` acts at admission: a call that the exact cache has missed looks for a prompt of its
 * partition to which the gate finds no difference, and is served that one's answer while the exact cache still holds it.
 * `shadow` acts after settlement and beside the request: it looks up what would have been served, compares it with the
 * real answer, and serves nobody. At settlement both make a complete answer findable. A semantic answer is never stored
 * again under the key it was served for: it would outlive its time and its eviction, and be matched with prompts that are
 * near to its second prompt only. Whatever fails here is a miss (law 11).
 */
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import { LRUCache } from "lru-cache"
import type { CacheFeedback, CacheFeedbackResult, SemanticStatus } from "./AdminSemanticAnswers.ts"
import type { KindOf } from "./CacheDefaults.ts"
import type { GroupFilter } from "./CacheGroup.ts"
import type { Call } from "./Call.ts"
import * as Reply from "./Reply.ts"
import { type EmbedFunction, SemanticEmbedder } from "./SemanticEmbedder.ts"
import { SemanticEntries } from "./SemanticEntries.ts"
import { type Ask, SemanticJudge } from "./SemanticJudge.ts"
import { type Answers, type Hit, type Question, SemanticLookup, servable } from "./SemanticLookup.ts"
import { observer } from "./SemanticObserver.ts"
import { SemanticPairs } from "./SemanticPairs.ts"
import { askedOf } from "./SemanticPartition.ts"
import { SemanticShadow } from "./SemanticShadow.ts"
import { SemanticShared, type TravellingAnswers } from "./SemanticShared.ts"
import { analyse } from "./semantic/SemanticFeatures.ts"
import type { Stage } from "./Stage.ts"
import type { VectorStore } from "./VectorStore.ts"

export type { EmbedFunction } from "./SemanticEmbedder.ts"
export type { Answers, StoredAnswer } from "./SemanticLookup.ts"

/** What a configuration says of it. */
export interface SemanticSettings {
  readonly mode: "off" | "shadow" | "on"
  /** `lexical` or `provider/model`. */
  readonly embedder: string
  /** Similarity from which a match is served, 0–1. */
  readonly threshold: number
  /** Words of a prompt; longer ones take no part. Undefined: as many as the gate can judge. */
  readonly maxWords: number | undefined
  /** Prompts that can be found, 1 or more. */
  readonly maxEntries: number
  /** Milliseconds that an embedding may take. */
  readonly timeoutMs: number
  /** `provider/model`. */
  readonly judge: string | undefined
  /** Questions to the judge as a share of the lookups, 0–1. */
  readonly judgeBudget: number
  readonly judgeTimeoutMs: number
  /** Share of the hits that are measured instead of served in mode `on`, 0–1. */
  readonly shadowSample: number
}

export interface SemanticCacheOptions extends Omit<SemanticSettings, "embedder"> {
  /** `lexical`, `provider/model`, or a function. */
  readonly embedder: string | EmbedFunction
  /** Whether prompts and answers may be kept for people to read. */
  readonly content: boolean
  readonly answers: Answers
  readonly kindOf?: KindOf | undefined
  /** Where prompts are shared with other instances, and how their answers travel. */
  readonly shared?:
    | {
        readonly store: Effect.Effect<VectorStore, never, Scope.Scope>
        readonly answers: Pick<TravellingAnswers, "pack" | "unpack">
      }
    | undefined
}

export class SemanticCache extends Context.Service<
  SemanticCache,
  {
    /** The stage; `ask` opens calls of its own through the whole pipeline, for vectors and verdicts. */
    readonly stage: (ask: Ask) => Stage
    /** Notes at settlement who was served; above single flight, whose callers share one lookup. */
    readonly notes: Stage
    readonly status: () => SemanticStatus
    /** Evicts what was served wrongly and remembers the pair; undefined when no such hit is known. */
    readonly feedback: (wrong: CacheFeedback) => CacheFeedbackResult | undefined
    /** Calls that were served, and prompts that can be found. */
    readonly stats: () => { readonly hits: number; readonly entries: number }
    /** Forgets a prompt whose answer was evicted, at every instance. */
    readonly forget: (key: string) => void
    /**
     * Forgets every prompt whose answer is gone, in steps, and what is shared of the groups that were purged; wrong hits stay
     * remembered.
     */
    readonly purge: (filter: GroupFilter) => Effect.Effect<void>
    /** Pairs of keys that are never served for each other, to be kept beside the cache. */
    readonly exportPairs: () => ReadonlyArray<string>
    /** Takes in what `exportPairs` gave; returns how many were pairs. */
    readonly importPairs: (pairs: Iterable<string>) => number
  }
>()("millrace/SemanticCache") {
  static readonly layer = (options: SemanticCacheOptions) => Layer.effect(SemanticCache, make(options))
}

/** Hits whose requests can be called wrong. */
const servedMax = 10_000

const make = (options: SemanticCacheOptions) =>
  Effect.gen(function* () {
    const { answers, embedder, judgeBudget, kindOf, maxWords, mode, shadowSample, threshold, timeoutMs } = options
    const clock = yield* Clock.Clock
    const embeddings = embedder === "lexical" ? undefined : new SemanticEmbedder({ source: embedder, timeoutMs })
    const judge =
      options.judge === undefined
        ? undefined
        : new SemanticJudge({ model: options.judge, budget: judgeBudget, timeoutMs: options.judgeTimeoutMs })
    const entries = new SemanticEntries({ maxSize: options.maxEntries, vectors: embeddings !== undefined })
    const pairs = new SemanticPairs()
    const shadow = new SemanticShadow({ threshold, content: options.content })
    const shared =
      options.shared === undefined || mode === "off"
        ? undefined
        : yield* SemanticShared.make({
            answers: { ...options.shared.answers, has: answers.has, evict: answers.evict },
            clock,
            entries,
            pairs,
            threshold,
            judged: judge !== undefined,
            store: yield* options.shared.store
          })
    const lookup = new SemanticLookup({
      answers,
      clock,
      entries,
      pairs,
      shared,
      shadow,
      embedder: embeddings,
      judge,
      threshold,
      maxWords
    })
    // The word lists are unpacked now, and not in the first request's time.
    if (mode !== "off") analyse("Which words are alike?")
    const observe = mode === "off" ? () => {} : yield* observer({ lookup, shadow, judge, threshold })
    const served = new LRUCache<string, { readonly askedKey: string; readonly storedKey: string }>({ max: servedMax })
    let hits = 0
    let wrong = 0
    let sampled = 0

    const serve = (call: Call, { answer, match }: Hit): Reply.Reply => {
      const { journal } = call
      entries.touch(match.entry.key)
      journal.cache = "semantic"
      journal.semanticKey = match.entry.key
      journal.cacheAgeMs = answer.ageMs
      journal.cacheSimilarity = Math.round(match.similarity * 10_000) / 10_000
      journal.target = answer.target
      return Reply.whole(answer.completion)
    }

    const notes: Stage = (next) => (call) => {
      call.settlement.add(() => {
        const { cache, cacheKey, semanticKey } = call.journal
        if (cache !== "semantic" || cacheKey === undefined || semanticKey === undefined) return
        hits++
        served.set(call.request.id, { askedKey: cacheKey, storedKey: semanticKey })
      })
      return next(call)
    }

    /** Every so many hits one is held back, so that they come evenly. */
    const holdsBack = (): boolean => {
      sampled += shadowSample
      if (sampled < 1) return false
      sampled--
      return true
    }

    const find = (ask: Ask, question: Question): Effect.Effect<Hit | undefined> =>
      Effect.map(lookup.search(ask, question), ({ matches, reason }) => {
        const near = matches.filter(({ similarity }) => similarity >= threshold)
        const hit = lookup.hit(near)
        if (hit === undefined) {
          shadow.miss(near.length > 0 ? "answer-gone" : matches.length > 0 ? "below-threshold" : reason)
        }
        return hit
      })

    const on =
      (ask: Ask): Stage =>
      (next) =>
      (call) => {
        const { journal, request } = call
        const asked = applies(call) ? askedOf(request, journal.candidates, kindOf) : undefined
        if (asked === undefined) return next(call)
        const looked = Effect.flatMap(
          Effect.suspend(() => lookup.question(ask, call, asked)),
          (question) => {
            if (question === undefined) return Effect.succeed(undefined)
            call.settlement.add((outcome) => {
              if (outcome._tag === "Success" && journal.cache !== "semantic" && servable(outcome.completion)) {
                lookup.index(question)
              }
            })
            return request.cacheMode === "refresh" ? Effect.succeed(undefined) : find(ask, question)
          }
        )
        const failed = () => {
          shadow.miss("failed")
          return Effect.succeed(undefined)
        }
        return Effect.flatMap(Effect.catchDefect(looked, failed), (hit) => {
          if (hit === undefined) return next(call)
          if (!holdsBack()) return Effect.sync(() => serve(call, hit))
          call.settlement.add((outcome) => {
            if (outcome._tag === "Success") observe({ ask, call, asked, completion: outcome.completion, held: hit })
          })
          return next(call)
        })
      }

    const inShadow =
      (ask: Ask): Stage =>
      (next) =>
      (call) => {
        if (!applies(call)) return next(call)
        call.settlement.add((outcome) => {
          if (outcome._tag !== "Success" || !servable(outcome.completion)) return
          const asked = askedOf(call.request, call.journal.candidates, kindOf)
          if (asked !== undefined) observe({ ask, call, asked, completion: outcome.completion, held: undefined })
        })
        return next(call)
      }

    const evict = (key: string, pair: string | null): CacheFeedbackResult | undefined => {
      const known = entries.remove(key)
      const evicted = answers.evict(key)
      if (!known && !evicted && pair === null) return undefined
      shared?.remove(key, pair)
      wrong++
      return { key, evicted, remembered: pair !== null }
    }

    return SemanticCache.of({
      stage: mode === "on" ? on : mode === "shadow" ? inShadow : () => (next) => next,
      notes: mode === "on" ? notes : (next) => next,
      status: () => ({
        mode,
        embedder: typeof embedder === "string" ? embedder : "function",
        threshold,
        entries: entries.size,
        partitions: entries.partitions,
        vectorBytes: entries.vectorBytes,
        lookups: lookup.lookups,
        hits,
        ...shadow.status(),
        embeddings: embeddings?.stats() ?? null,
        judge: judge?.stats() ?? null,
        feedback: { wrong, pairs: pairs.size },
        shared: shared?.status() ?? null
      }),
      stats: () => ({ hits, entries: entries.size }),
      feedback: (told) => {
        if ("key" in told) return evict(told.key, null)
        const hit = served.get(told.requestId)
        if (hit === undefined) return undefined
        return evict(hit.storedKey, pairs.addWrong(hit.askedKey, hit.storedKey))
      },
      forget: (key) => {
        entries.remove(key)
        shared?.remove(key, null)
      },
      purge: (filter) => Effect.andThen(entries.prune(answers.has), shared?.purge(filter) ?? Effect.void),
      exportPairs: () => pairs.exportWrong(),
      importPairs: (found) => pairs.importWrong(found)
    })
  })

/** Whether the exact cache applies and has no answer, and the caller lets others' answers in. */
const applies = ({ journal, request }: Call): boolean =>
  journal.cacheKey !== undefined && journal.cache === "miss" && request.cacheSemantic !== false
