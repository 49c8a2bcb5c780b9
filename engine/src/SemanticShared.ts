/**
 * The prompts of the semantic cache that other instances know: what a lookup brings in from them, and what they are told.
 *
 * A lookup that finds nothing here asks the shared store, within a bounded time. What the gate lets pass, or the judge may be
 * asked about, comes into the local index with its answer, and is found and served from there like any other: the store
 * decides nothing. The first failure or late answer ends the asking for everybody, until a question of our own is answered
 * in time again (law 11). Own prompts are told aside, from a bounded queue. Wrong answers of others are heard of in seconds.
 */
import { Cause, type Clock, Effect, Option, Queue, type Scope } from "effect"
import type { SemanticSharedStatus } from "./AdminSemanticAnswers.ts"
import type { GroupFilter } from "./CacheGroup.ts"
import { logOf, reasonOf } from "./Log.ts"
import { analyse } from "./semantic/SemanticFeatures.ts"
import { compare } from "./semantic/SemanticGate.ts"
import type { Probe, SemanticEntries } from "./SemanticEntries.ts"
import type { SemanticPairs } from "./SemanticPairs.ts"
import { lexicalVector } from "./SemanticVector.ts"
import type { NearPrompt, Removals, SharedPrompt, VectorStore, VectorStoreUnavailable } from "./VectorStore.ts"

/** Answers of the exact cache as texts that travel between instances. */
export interface TravellingAnswers {
  /** An answer that is there; undefined when it is gone. */
  readonly pack: (key: string) => { readonly text: string; readonly expiresAtMs: number } | undefined
  /** Takes in what `pack` gave, at any instance; what is something else is left out. */
  readonly unpack: (key: string, text: string) => void
  readonly has: (key: string) => boolean
  readonly evict: (key: string) => boolean
}

export interface SemanticSharedOptions {
  readonly store: VectorStore
  readonly answers: TravellingAnswers
  readonly clock: Clock.Clock
  readonly entries: SemanticEntries
  readonly pairs: SemanticPairs
  /** Whether a pair with words that the gate doesn't know may still be judged. */
  readonly judged: boolean
  readonly threshold: number
}

/** A prompt of this instance, or one that is looked up. */
export interface LocalPrompt {
  readonly key: string
  readonly partition: string
  readonly text: string
  readonly probe: Probe
}

const log = logOf("Cache")

/** Milliseconds that a lookup may wait for the store, and within which the store has to answer to be in use. */
export const answerMs = 100
/** Lookups that wait for the store at a time; more are done without it. */
const asksMax = 16
/** Prompts that wait to be told, and that are told at a time. */
const waitingMax = 1000
const tellAtOnce = 50
const tellEveryMs = 200
/** Milliseconds between two looks at what was removed, and between two tries of a store that is away. */
const followMs = 5000
const retryMs = 1000
const pruneEveryMs = 600_000
const candidatesMax = 5

export class SemanticShared {
  private readonly options: SemanticSharedOptions
  private readonly waiting: Queue.Queue<LocalPrompt>
  private readonly run: (effect: Effect.Effect<unknown>) => void
  private readonly removedHere = new Set<string>()
  private reason: string | null = "it was not asked yet"
  private told = false
  private asking = 0
  private asked = 0
  private failed = 0
  private skipped = 0
  private found = 0
  private dropped = 0
  private place = 0
  private prunedAtMs: number
  private caughtUp = false

  private constructor(
    options: SemanticSharedOptions,
    waiting: Queue.Queue<LocalPrompt>,
    run: (effect: Effect.Effect<unknown>) => void
  ) {
    this.options = options
    this.waiting = waiting
    this.run = run
    this.prunedAtMs = options.clock.currentTimeMillisUnsafe()
  }

  /** Follows the store while the scope lives. */
  static readonly make = (options: SemanticSharedOptions): Effect.Effect<SemanticShared, never, Scope.Scope> =>
    Effect.gen(function* () {
      const waiting = yield* Queue.dropping<LocalPrompt>(waitingMax)
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const shared = new SemanticShared(options, waiting, run)
      yield* Effect.forkScoped(Effect.forever(shared.follow))
      yield* Effect.forkScoped(Effect.forever(shared.tellSome))
      return shared
    })

  status(): SemanticSharedStatus {
    const { asked, dropped, failed, found, reason, skipped } = this
    return { healthy: reason === null, reason, asked, found, failed, skipped, dropped }
  }

  /** Brings in what may serve for a prompt; true when there was something. Never fails, and waits for a bounded time. */
  bring(asked: LocalPrompt): Effect.Effect<boolean> {
    if (this.reason !== null) return Effect.succeed(false)
    const vector = asked.probe.vector ?? lexicalVector(asked.probe.features.stems)
    if (vector === undefined) return Effect.succeed(false)
    if (this.asking >= asksMax) {
      this.skipped++
      return Effect.succeed(false)
    }
    this.asking++
    this.asked++
    const { clock, store } = this.options
    const nowMs = clock.currentTimeMillisUnsafe()
    const brought = Effect.flatMap(store.nearest(asked.partition, vector, candidatesMax, nowMs), (near) => {
      const keys = near.filter((each) => this.mayServe(asked, each)).map(({ key }) => key)
      if (keys.length === 0) return Effect.succeed(false)
      return Effect.map(
        store.get(keys, nowMs),
        (prompts) => prompts.filter((each) => this.take(asked, each)).length > 0
      )
    })
    return Effect.matchCauseEffect(Effect.timeoutOption(brought, answerMs), {
      onSuccess: (some) => {
        if (Option.isNone(some)) this.away(`no answer within ${answerMs} ms`)
        return Effect.succeed(Option.getOrElse(some, () => false))
      },
      onFailure: (cause) => {
        // An interruption is the caller's leaving.
        if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
        this.away(reasonIn(cause))
        return Effect.succeed(false)
      }
    }).pipe(Effect.ensuring(Effect.sync(() => void this.asking--)))
  }

  /** Tells a prompt, later and beside the requests. */
  tell(prompt: LocalPrompt): void {
    if (!Queue.offerUnsafe(this.waiting, prompt)) this.dropped++
  }

  /** Removes an answer everywhere; `pair` is never served for each other again. Aside, as far as the store answers. */
  remove(key: string, pair: string | null): void {
    const { clock, store } = this.options
    this.removedHere.add(`${key} ${pair}`)
    this.run(Effect.ignore(store.remove({ key, pair }, clock.currentTimeMillisUnsafe())))
  }

  /** Removes the answers of some groups from the store; never fails. */
  purge(filter: GroupFilter): Effect.Effect<void> {
    return Effect.catchCause(Effect.asVoid(this.options.store.purge(filter)), (cause) =>
      Effect.sync(() => this.away(reasonIn(cause)))
    )
  }

  private mayServe({ key: askedKey, probe }: LocalPrompt, { key, score, text }: NearPrompt): boolean {
    const { answers, entries, judged, pairs, threshold } = this.options
    if (key === askedKey || (entries.has(key) && answers.has(key)) || pairs.isWrong(askedKey, key)) return false
    const analysis = analyse(text)
    if (analysis._tag !== "Judgeable") return false
    const verdict = compare(probe.features, analysis.features)
    if (verdict.same) return true
    return judged && verdict.onlyUnknownWords && (probe.vector === undefined || score >= threshold)
  }

  /** Takes a prompt with its answer into this instance; false when either is not what it should be. */
  private take(asked: LocalPrompt, { addedAtMs, answer, key, partition, text, vector }: SharedPrompt): boolean {
    const { answers, entries } = this.options
    const analysis = analyse(text)
    if (partition !== asked.partition || analysis._tag !== "Judgeable") return false
    answers.unpack(key, answer)
    if (!answers.has(key)) return false
    const probe = { features: analysis.features, vector: asked.probe.vector === undefined ? undefined : vector }
    if (!entries.add({ key, partition, text, addedAtMs }, probe)) return false
    this.found++
    return true
  }

  /** Tells some of the prompts that wait, once their answers have come into the exact cache. */
  private readonly tellSome: Effect.Effect<void> = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      const first = yield* Queue.take(this.waiting)
      yield* Effect.sleep(tellEveryMs)
      while (this.reason !== null) yield* Effect.sleep(retryMs)
      const found = new Map([[first.key, first]])
      for (const next of yield* Queue.takeBetween(this.waiting, 0, tellAtOnce - 1)) found.set(next.key, next)
      const prompts = [...found.values()].flatMap((each) => this.packed(each))
      if (prompts.length === 0) return
      yield* Effect.catchCause(this.options.store.put(prompts), (cause) =>
        Effect.sync(() => {
          this.dropped += prompts.length
          this.away(reasonIn(cause))
        })
      )
    })
  )

  private packed({ key, partition, probe, text }: LocalPrompt): ReadonlyArray<SharedPrompt> {
    const vector = probe.vector ?? lexicalVector(probe.features.stems)
    const answer = this.options.answers.pack(key)
    if (vector === undefined || answer === undefined) return []
    const addedAtMs = this.options.clock.currentTimeMillisUnsafe()
    return [{ key, partition, text, vector, answer: answer.text, addedAtMs, expiresAtMs: answer.expiresAtMs }]
  }

  /** Hears of removals, which also says whether the store answers in time. */
  private readonly follow: Effect.Effect<void> = Effect.suspend(() => {
    const { clock, store } = this.options
    const looked = Effect.andThen(
      store.prepare,
      Effect.suspend(() => {
        const sinceMs = clock.currentTimeMillisUnsafe()
        return Effect.map(store.removals(this.place), (removals) => {
          this.hear(removals)
          const tookMs = clock.currentTimeMillisUnsafe() - sinceMs
          if (tookMs <= answerMs) this.well()
          else this.away(`no answer within ${answerMs} ms`)
        })
      })
    )
    const failed = (cause: Cause.Cause<VectorStoreUnavailable>) => Effect.sync(() => this.away(reasonIn(cause)))
    return Effect.catchCause(looked, failed).pipe(
      Effect.andThen(Effect.suspend(() => this.prune(clock.currentTimeMillisUnsafe()))),
      Effect.andThen(Effect.suspend(() => Effect.sleep(this.reason === null && this.caughtUp ? followMs : retryMs)))
    )
  })

  private hear({ place, removed }: Removals): void {
    const { answers, entries, pairs } = this.options
    pairs.importWrong(removed.flatMap(({ pair }) => (pair === null ? [] : [pair])))
    for (const { key, pair } of removed) {
      // What was removed before this instance began can have been answered anew.
      if (this.removedHere.delete(`${key} ${pair}`) || !this.caughtUp) continue
      entries.remove(key)
      answers.evict(key)
    }
    this.caughtUp = removed.length === 0 || this.caughtUp
    this.place = place
  }

  private prune(nowMs: number): Effect.Effect<void> {
    if (this.reason !== null || nowMs - this.prunedAtMs < pruneEveryMs) return Effect.void
    this.prunedAtMs = nowMs
    return Effect.ignore(this.options.store.prune(nowMs))
  }

  private away(reason: string): void {
    this.failed++
    if (this.reason === null || !this.told) {
      this.told = true
      this.run(log.warn("prompts of other instances can't be used", { reason: reasonOf(reason) }))
    }
    this.reason = reason
  }

  private well(): void {
    if (this.told) this.run(log.info("prompts of other instances are in use again"))
    this.told = false
    this.reason = null
  }
}

const reasonIn = (cause: Cause.Cause<VectorStoreUnavailable>): string =>
  cause.reasons.find(Cause.isFailReason)?.error.detail ?? "it failed inside"
