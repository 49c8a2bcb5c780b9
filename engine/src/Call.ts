/**
 * One request on its way through the pipeline: `Call`, its `Journal` and its `Settlement`.
 *
 * Stages act at admission (before the first part) or at settlement (after the last), never in between. At admission a
 * stage registers what is to be done at settlement; the Engine runs all of that once, inside out, whatever happened
 * (law 1). The journal is where stages note what they decided; rows, metrics, headers and traces are read from it.
 */
import { type Clock, Effect, type Tracer } from "effect"
import type { EngineError } from "./Errors.ts"
import { defectFields, logOf } from "./Log.ts"
import type { Completion, Part } from "./Reply.ts"
import type { RateReservation } from "./RateReservation.ts"
import type { ReportedLimit } from "./ReportedLimit.ts"
import type { Request } from "./Request.ts"
import type { TraceHeaders } from "./TraceContext.ts"
import type { Cost, Usage } from "./Usage.ts"

/** How a call, or one attempt of it, ended. */
export type Outcome =
  /** The answer is complete; for a stream, its terminal part has been read. */
  | { readonly _tag: "Success"; readonly completion: Completion }
  /** It failed; `partial` is what had been streamed before. */
  | { readonly _tag: "Failure"; readonly error: EngineError; readonly partial: Completion | undefined }
  /** The caller left: interruption or an early stop of a stream. */
  | { readonly _tag: "Cancelled"; readonly partial: Completion | undefined }

/** A provider and a model that can answer a request. */
export interface Target {
  readonly provider: string
  readonly model: string
}

/** How the cache served a call. */
export type CacheResult = "hit" | "semantic" | "coalesced" | "miss" | "bypass"

/** One attempt at one provider. Times are epoch milliseconds. */
export interface Attempt {
  readonly target: Target
  readonly startedAtMs: number
  queueMs: number
  /** When it went to the provider; undefined while it waits for our own limits, or was refused by them. */
  sentAtMs: number | undefined
  firstPartAtMs: number | undefined
  endedAtMs: number | undefined
  error: EngineError | undefined
  /** The provider's limits as it told them with its answer; absent where it told none. */
  rateLimits?: ReadonlyArray<ReportedLimit> | undefined
  /** True for a second attempt that was made beside one that took long. */
  hedge?: boolean
  /** Set when another attempt at the same time answered first: what the provider has probably billed for nothing. */
  lost?: LostAttempt | undefined
  /** True when only the key it was sent with was refused and the provider has another one that is ready. */
  otherKey?: boolean
  /** Paths of fields that the provider's protocol has no place for and that were left out. */
  omitted?: ReadonlyArray<string>
  /** What it has taken of this process's limits; absent where it has not, or not yet. */
  reserved?: RateReservation | undefined
  /** Where the attempt goes with the trace that it belongs to: headers for the provider. Absent where it is not told. */
  traceHeaders?: TraceHeaders | undefined
}

/** The bill of an attempt whose answer nobody reads; the usage is an estimate unless its answer had come already. */
export interface LostAttempt {
  readonly usage: Usage
  cost: Cost | undefined
}

/** One limit of the caller's own and what is left of it. */
export interface CallerLimit {
  /** A minute. */
  readonly limit: number
  readonly remaining: number
  /** Milliseconds until all of it is there again, if nothing else is asked for. */
  readonly resetMs: number
}

/** The limits of a call's tenant, as they stood when its last attempt took from them. */
export interface CallerLimits {
  readonly requests: CallerLimit | undefined
  readonly tokens: CallerLimit | undefined
}

/** What the stages decided for one call, written as it travels. Times are epoch milliseconds of Effect's Clock. */
export interface Journal {
  readonly startedAtMs: number
  /** Candidates in the order in which they are tried; empty until the request is routed. */
  candidates: ReadonlyArray<Target>
  /** Who answers or answered. */
  target: Target | undefined
  cache: CacheResult
  cacheKey: string | undefined
  /** Age of a hit. */
  cacheAgeMs: number | undefined
  /** Why a hit was served though its time to live was over: it is being renewed, or the call failed. */
  cacheStale: "revalidating" | "error" | undefined
  /** Hears the parts of a stream as they come, for an entry that is to keep their rhythm. */
  recorder: { readonly record: (parts: ReadonlyArray<Part>, nowMs: number) => void } | undefined
  cacheSimilarity: number | undefined
  /** Key of the entry that served a semantic hit; absent where there was none. */
  semanticKey?: string | undefined
  /** The upstream call is another instance's, which keeps its answer where instances share it. */
  elsewhere?: boolean | undefined
  /** Our count of the prompt, once the Tokenizer has seen it. */
  promptTokens: number | undefined
  queueMs: number
  /** Undefined where its tenant has no limits. */
  callerLimits?: CallerLimits | undefined
  /** Dollars that the tightest budget of its key or tenant has left; absent where there is none. */
  budgetLeftUsd?: number | undefined
  /** `performance.now()` at the door: our own work is measured in real time, whatever Effect's Clock says. */
  readonly enteredAt: number
  /** Milliseconds of our own work before the first attempt. */
  overheadMs: number | undefined
  attempts: Array<Attempt>
  firstPartAtMs: number | undefined
  endedAtMs: number | undefined
  cost: Cost | undefined
  /** Paths of fields that the answering provider's protocol has no place for and that were left out. */
  omitted: ReadonlyArray<string>
  /** What the same answer would have cost without the cache. */
  saved: Cost | undefined
  /** The span of the call, else the one that it came under; absent where there is neither. */
  span?: Tracer.AnySpan | undefined
}

/** Attempts that reached a provider; refusals by our own limits, open circuits and missing abilities don't count. */
export const upstreamAttempts = (journal: Journal): number => {
  let count = 0
  for (const attempt of journal.attempts) if (reachedProvider(attempt)) count++
  return count
}

export const reachedProvider = ({ error, sentAtMs }: Attempt): boolean =>
  sentAtMs !== undefined && error?._tag !== "UnsupportedAbility"

/** A request, its journal, and what remains to be settled. */
export interface Call {
  readonly request: Request
  /** The clock of the caller's fiber; every time in the pipeline is read from it (law 13). */
  readonly clock: Clock.Clock
  readonly journal: Journal
  readonly settlement: Settlement
}

export const makeCall = (request: Request, clock: Clock.Clock): Call => ({
  request,
  clock,
  journal: {
    startedAtMs: clock.currentTimeMillisUnsafe(),
    candidates: [],
    target: undefined,
    cache: "bypass",
    cacheKey: undefined,
    cacheAgeMs: undefined,
    cacheStale: undefined,
    recorder: undefined,
    elsewhere: undefined,
    cacheSimilarity: undefined,
    promptTokens: undefined,
    queueMs: 0,
    callerLimits: undefined,
    enteredAt: performance.now(),
    overheadMs: undefined,
    attempts: [],
    firstPartAtMs: undefined,
    endedAtMs: undefined,
    cost: undefined,
    omitted: [],
    saved: undefined,
    span: undefined
  },
  settlement: new Settlement()
})

/** Settles one concern. Returns an effect only when it has something to wait for. */
export type Settler = (outcome: Outcome) => Effect.Effect<void> | void

/**
 * What is to be done when a call has ended: settlers run in reverse order of registration, each exactly once.
 * A settler that is registered after the end runs at once with the outcome. A settler that throws stops neither the others
 * nor the call: its answer is there and paid for, so the defect goes to the log.
 */
export class Settlement {
  /** Closes what the call still holds open at a provider. Set by the attempt that answered. */
  release: Effect.Effect<void> | undefined = undefined
  /** Ends a stream as if its caller had left. Set where one has begun. */
  leave: Effect.Effect<void> | undefined = undefined
  /** Reads the outcome before anybody is told it, and may put it in other words. Set where callers share an answer. */
  review: ((outcome: Outcome) => Outcome) | undefined = undefined
  private settlers: Array<Settler> | undefined = []
  private shared: Array<Settler> | undefined = undefined
  private outcome: Outcome | undefined = undefined

  /** True once an outcome is known. */
  get settled(): boolean {
    return this.settlers === undefined
  }

  add(settler: Settler): void {
    if (this.settlers !== undefined) {
      this.settlers.push(settler)
      return
    }
    const pending = settled(settler, this.outcome!)
    if (pending !== undefined) Effect.runFork(pending)
  }

  /** Adds what is to be done once for an answer, however many callers share it. */
  addShared(settler: Settler): void {
    if (this.settlers === undefined) return this.add(settler)
    if (this.shared === undefined) this.shared = [settler]
    else this.shared.push(settler)
  }

  /** Takes out what was added for the answer: whoever gets the answer for all callers does it. */
  takeShared(): ReadonlyArray<Settler> {
    const { shared } = this
    this.shared = undefined
    return shared ?? []
  }

  /** Runs every settler once; later calls do nothing. */
  run(ended: Outcome): Effect.Effect<void> {
    if (this.settlers === undefined) return Effect.void
    const settlers = this.shared === undefined ? this.settlers : this.settlers.concat(this.shared)
    this.settlers = undefined
    const outcome = this.review === undefined ? ended : this.review(ended)
    this.outcome = outcome
    let pending: Effect.Effect<void> | undefined
    for (let i = settlers.length - 1; i >= 0; i--) {
      const next = settled(settlers[i]!, outcome)
      if (next !== undefined) pending = pending === undefined ? next : Effect.andThen(pending, next)
    }
    return pending === undefined ? Effect.void : Effect.uninterruptible(pending)
  }

  /** Closes the connection of a call that broke off, then settles it: whoever takes its place finds the place free. */
  breakOff(outcome: Outcome): Effect.Effect<void> {
    if (this.settled) return Effect.void
    const run = Effect.suspend(() => this.run(outcome))
    return Effect.uninterruptible(this.release === undefined ? run : Effect.ensuring(this.release, run))
  }
}

const settled = (settler: Settler, outcome: Outcome): Effect.Effect<void> | undefined => {
  try {
    const pending = settler(outcome)
    return pending === undefined ? undefined : Effect.catchDefect(pending, logDefect)
  } catch (defect) {
    return logDefect(defect)
  }
}

const log = logOf("Call")

/** Messages of defects can quote what was being read; the log gets the frames only (law 12). */
const logDefect = (defect: unknown): Effect.Effect<void> => log.error("a settler failed", defectFields(defect))
