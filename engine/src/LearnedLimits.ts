/**
 * What a provider's answers teach about the limits of a scope: requests, tokens and calls at once.
 *
 * Told of every answer and refusal at its settlement, with what the scope held when the attempt was taken. Reports of the
 * provider decide; without them a refusal is laid to the limit that it names, else to the rate that was used most, else to
 * calls at once and bursts. Calls at once never rise above what is configured. It holds numbers alone and never waits.
 */
import type { Outcome } from "./Call.ts"
import { LearnedRate, memoryMsMax, type ReportedRate } from "./LearnedRate.ts"
import type { LearnMode } from "./Provider.ts"
import type { ReportedLimit } from "./ReportedLimit.ts"
import type { AttemptCall } from "./Stage.ts"
import { totalTokens, type Usage } from "./Usage.ts"

/** What a scope held when an attempt was taken, itself included. */
export interface Mark {
  readonly takenAtMs: number
  /** Tokens that were reserved for it. */
  readonly tokens: number
  /** By all instances, where limits are shared. */
  requestsHeld: number
  tokensHeld: number
  activeHeld: number
}

/** Limits as configured; undefined where there is none. */
export interface LearnedLimitsOptions {
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
  readonly concurrent: number | undefined
  readonly windowMs: number
  /** Off unless told. */
  readonly learn?: LearnMode | undefined
}

/** The limit that a refusal names. */
export type Named = "requests" | "tokens" | "concurrent"

/** Reports of longer windows (a day) are shown but not paced by: what is left of them comes back too slowly. */
const reportedWindowMsMax = 300_000

/** From this share on, a rate can be what a refusal is about. */
const pressureMin = 0.3

/** Calls at once rise by one when so much time has passed without a refusal. */
const placeMs = 5000

/** Refusals one after the other, with nothing passed between them, that show a rate which nobody has configured. */
const refusalsMin = 4

/** How long bursts stay smaller after a refusal. */
const burstsMs = 600_000

/** How often calls at once are refused before there are fewer. */
const suspicionsMin = 2

/** How long calls at once that were refused are not tried again the first time, doubled when they are refused again. */
const placesMemoryMsMin = 120_000

/** Answers to as many calls at once as were refused that show that it was not about them. */
const refutationsMin = 2

/** Prompts are estimated, and what is in flight may be a little more than what was reserved. */
const tokensSpare = (amount: number, limit: number): number => 0.01 * amount + 0.002 * limit

/** Weight of the last answer in the learned share of prompts. */
const smoothing = 1 / 32

export class LearnedLimits {
  readonly requests: LearnedRate
  readonly tokens: LearnedRate
  /** Calls at once. */
  concurrent: number
  private readonly configuredConcurrent: number
  private readonly learn: LearnMode
  private placesAtMs = -Infinity
  /** Calls at once that were refused last; not tried again for a while, longer each time. */
  private placesCeiling = Infinity
  private placesUntilMs = 0
  private placesMemoryMs = placesMemoryMsMin
  /** Most calls at once that the provider has taken. */
  private placesProven = 0
  private promptShare = 0.75
  private burstsBounded = false
  private burstsUntilMs = 0
  /** Refusals one after the other, each of an attempt that was taken after the one before was known. */
  private refusals = 0
  private refusalsSinceMs = -Infinity
  private refusedAtMs = -Infinity
  /** Calls at once that were refused and may be too many, how often, and when last. */
  private suspected = Infinity
  private suspicions = 0
  private suspectedAtMs = -Infinity
  /** Answers that speak against the last ceiling of calls at once. */
  private refutations = 0

  constructor(limits: LearnedLimitsOptions) {
    const {
      concurrent = Number.POSITIVE_INFINITY,
      learn = false,
      requestsPerMinute,
      tokensPerMinute,
      windowMs
    } = limits
    this.learn = learn
    this.concurrent = concurrent
    this.configuredConcurrent = concurrent
    this.requests = new LearnedRate({ configured: requestsPerMinute, windowMs, learn, minimumBurst: () => 10 })
    this.tokens = new LearnedRate({
      configured: tokensPerMinute,
      windowMs,
      learn,
      minimumBurst: (limit) => limit / 4,
      spare: tokensSpare
    })
  }

  /** The learned number of calls at once; undefined while what is configured holds. */
  get learnedConcurrent(): number | undefined {
    return this.concurrent === this.configuredConcurrent ? undefined : this.concurrent
  }

  /** An attempt has ended that reached the provider. */
  settle(mark: Mark, call: AttemptCall, outcome: Outcome, nowMs: number): void {
    const { attempt } = call
    if (this.learn === false || attempt.sentAtMs === undefined) return
    if (attempt.rateLimits !== undefined) this.report(mark, attempt.rateLimits, nowMs)
    if (this.learn === "watch") return
    if (outcome._tag === "Failure" && outcome.error._tag === "ProviderRateLimited") {
      this.refused(mark, namedBy(outcome.error), nowMs)
    } else if (attempt.firstPartAtMs !== undefined) {
      const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
      if (completion !== undefined) this.answered(mark, completion.usage, nowMs)
    }
  }

  private answered(mark: Mark, usage: Usage, nowMs: number): void {
    const tokens = totalTokens(usage)
    if (tokens > 0) this.promptShare += (1 - usage.output / tokens - this.promptShare) * smoothing
    this.requests.passed(mark.requestsHeld, 1, mark.takenAtMs, nowMs)
    this.tokens.passed(mark.tokensHeld, tokens, mark.takenAtMs, nowMs)
    if (mark.takenAtMs >= this.refusalsSinceMs) this.refusals = 0
    if (mark.activeHeld >= this.suspected) this.suspicions = 0
    if (mark.activeHeld >= this.placesCeiling && ++this.refutations >= refutationsMin) this.uncrowd()
    this.placesProven = Math.max(this.placesProven, mark.activeHeld)
    // Nothing speaks for fewer: as many more as have just been answered.
    if (this.placesCeiling === Infinity && this.concurrent < this.configuredConcurrent) {
      this.concurrent = Math.min(this.configuredConcurrent, Math.max(this.concurrent, mark.activeHeld) + 1)
    }
    if (nowMs - this.placesAtMs < placeMs) return
    if (mark.activeHeld >= this.concurrent && this.concurrent < this.configuredConcurrent) {
      if (this.concurrent + 1 >= this.placesCeiling && nowMs < this.placesUntilMs) return
      this.concurrent++
      this.placesAtMs = nowMs
    }
    if (this.burstsBounded && nowMs >= this.burstsUntilMs) this.boundBursts(Infinity)
  }

  private refused(mark: Mark, named: Named | undefined, nowMs: number): void {
    const cause = named ?? this.causeOf(mark, nowMs)
    const rate = cause === "concurrent" ? undefined : this[cause]
    const shown = this.isShown(mark, nowMs)
    if (rate !== undefined && rate.limit === undefined && !shown) return
    if (cause === "requests") this.requests.refused(mark.requestsHeld, 1, mark.takenAtMs, nowMs)
    else if (cause === "tokens") this.tokens.refused(mark.tokensHeld, mark.tokens, mark.takenAtMs, nowMs)
    else this.crowded(mark, nowMs, named === "concurrent" || this.isReported(nowMs))
  }

  /** True when refusals have followed each other with nothing passed between them. */
  private isShown(mark: Mark, nowMs: number): boolean {
    if (mark.takenAtMs > this.refusedAtMs) {
      this.refusedAtMs = nowMs
      if (++this.refusals === 1) this.refusalsSinceMs = nowMs
    }
    return this.refusals >= refusalsMin
  }

  private causeOf(mark: Mark, nowMs: number): Named {
    const requests = this.requests.pressure(nowMs)
    const tokens = this.tokens.pressure(nowMs) ?? 0
    // More at once than it has ever taken: the cheapest thing to try, and the first to heal if it was not the reason.
    if (mark.activeHeld > Math.max(1, Math.min(this.placesProven, this.placesCeiling - 1))) return "concurrent"
    const passedMore =
      this.requests.hasPassedMore(mark.requestsHeld, 1) && this.tokens.hasPassedMore(mark.tokensHeld, mark.tokens)
    if (passedMore && nowMs - this.placesAtMs > this.requests.window.windowMs) return "concurrent"
    if (Math.max(requests ?? 0, tokens) >= pressureMin) return tokens > (requests ?? 0) ? "tokens" : "requests"
    return requests === undefined && mark.requestsHeld > 3 * mark.activeHeld ? "requests" : "concurrent"
  }

  /** Neither rate explains a refusal: fewer calls at once, and smaller bursts. */
  private crowded(mark: Mark, nowMs: number, sure: boolean): void {
    if (mark.takenAtMs <= this.placesAtMs) return
    this.boundBursts(this.requests.window.burstSize / 2)
    this.burstsUntilMs = nowMs + burstsMs
    if (mark.activeHeld < 2 || (!sure && !this.isSuspect(mark, nowMs))) return
    this.refutations = 0
    const again = mark.activeHeld === this.placesCeiling
    this.placesMemoryMs = again ? Math.min(2 * this.placesMemoryMs, memoryMsMax) : placesMemoryMsMin
    this.placesUntilMs = nowMs + this.placesMemoryMs
    this.placesCeiling = mark.activeHeld
    this.placesAtMs = nowMs
    this.concurrent = Math.max(1, Math.min(this.concurrent, mark.activeHeld - 1))
    this.placesProven = Math.min(this.placesProven, this.concurrent)
  }

  /** True when calls at once are refused again before as many have passed. */
  private isSuspect(mark: Mark, nowMs: number): boolean {
    if (mark.takenAtMs > this.suspectedAtMs) {
      this.suspectedAtMs = nowMs
      this.suspicions++
    }
    this.suspected = this.suspicions === 1 ? mark.activeHeld : Math.min(this.suspected, mark.activeHeld)
    if (this.suspicions < suspicionsMin) return false
    this.suspicions = 0
    return true
  }

  /** As many calls at once as were refused have been answered: it was not about them. */
  private uncrowd(): void {
    this.placesCeiling = Infinity
  }

  /** The rates are known, so a refusal is about something else. */
  private isReported(nowMs: number): boolean {
    return this.requests.isReported(nowMs) || this.tokens.isReported(nowMs)
  }

  private boundBursts(most: number): void {
    this.burstsBounded = Number.isFinite(most)
    this.requests.window.boundBurst(this.burstsBounded ? Math.max(1, most) : Infinity)
  }

  private report(mark: Mark, reports: ReadonlyArray<ReportedLimit>, nowMs: number): void {
    let requests: ReportedRate | undefined
    let tokens: ReportedRate | undefined
    for (const report of reports) {
      const rate = this.rateOf(report)
      if (rate === undefined) continue
      if (report.resource === "requests") requests = narrower(requests, rate)
      else tokens = narrower(tokens, rate)
    }
    if (requests !== undefined) this.requests.reported(requests, mark.requestsHeld, nowMs)
    if (tokens !== undefined) this.tokens.reported(tokens, mark.tokensHeld, nowMs)
  }

  /** A report as a rate of requests or of all tokens; limits of prompts or answers alone are scaled by their usual share. */
  private rateOf({ limit, remaining, resetMs, resource, windowMs }: ReportedLimit): ReportedRate | undefined {
    if (limit === undefined || windowMs === undefined || windowMs > reportedWindowMsMax) return undefined
    const share =
      resource === "input-tokens" ? this.promptShare : resource === "output-tokens" ? 1 - this.promptShare : 1
    const scale = 1 / Math.max(0.01, share)
    return {
      limit: limit * scale,
      windowMs,
      remaining: remaining === undefined ? undefined : remaining * scale,
      resetMs
    }
  }
}

/** The limit that a provider's words name, if any; its message is read, not kept. */
export const namedBy = (error: {
  readonly detail: string
  readonly type?: string | undefined
  readonly code?: string | undefined
}): Named | undefined => {
  const words = `${error.type ?? ""} ${error.code ?? ""}`
  if (/concurren/i.test(words) || /concurren|simultaneous|in parallel|in[- ]flight/i.test(error.detail))
    return "concurrent"
  if (/token/i.test(words) || /tokens? per|\b[io]?tpm\b|token rate/i.test(error.detail)) return "tokens"
  return /request/i.test(error.type ?? "") || /requests? per|\brpm\b/i.test(error.detail) ? "requests" : undefined
}

const narrower = (one: ReportedRate | undefined, other: ReportedRate): ReportedRate =>
  one === undefined || other.limit / other.windowMs < one.limit / one.windowMs ? other : one
