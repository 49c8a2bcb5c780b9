/**
 * One rate limit (requests or tokens) that corrects itself: from what the provider reports, and from what it refuses.
 *
 * A reported limit is taken as it is; less `remaining` than ours means that others use the same key, and their share is kept
 * free until it is given back. Without reports a refusal lowers the limit to what had passed (or multiplicatively, where
 * that says nothing) and is remembered as a ceiling; while the limit is full, somebody waits and nothing was refused for
 * longer than a window, it rises: to just under the ceiling, or beyond by steps that are proved one by one. A ceiling is
 * forgotten after a while, later each time it is found again. Pure arithmetic; a step up costs at most a few refusals.
 */
import type { LearnMode } from "./Provider.ts"
import { SlidingWindow } from "./SlidingWindow.ts"

export interface LearnedRateOptions {
  /** Amount per minute, where one is configured. */
  readonly configured: number | undefined
  readonly windowMs: number
  readonly learn: LearnMode
  /** Amount that passes at once after a pause. */
  readonly minimumBurst: (limit: number) => number
  /** What is kept free beside an amount that is an estimate; nothing unless told. */
  readonly spare?: (amount: number, limit: number) => number
}

/** What a provider reports of one rate. Amounts are those of its window. */
export interface ReportedRate {
  readonly limit: number
  readonly windowMs: number
  readonly remaining: number | undefined
  readonly resetMs: number | undefined
}

/** The rate per minute of a window that has no limit: it only counts. */
const unlimited = 1e12

/** For so long a report stands, and nothing is tried beyond it. */
const reportMs = 600_000

/** How long a ceiling is remembered the first time, and at most. */
export const memoryMsMin = 600_000
export const memoryMsMax = 21_600_000

/** Largest step up when nothing is known of what is above, and the first one, as shares of the limit. */
const stepMost = 0.05
const stepFirst = 0.01

/** What others of the same key hold is kept free with some to spare: they do not wait until they may. */
const othersSpare = 1.1

/** Nothing goes for so long after a refusal, doubled with each one that follows before anything has passed. */
const holdMsMin = 1000

/** Smallest and largest share that one refusal takes away when it does not tell the limit. */
const cutFirst = 0.05
const cutMost = 0.5

const nothing = (): number => 0

export class LearnedRate {
  readonly window: SlidingWindow
  readonly configured: number | undefined
  private readonly learn: LearnMode
  private readonly configuredWindowMs: number
  private readonly spare: (amount: number, limit: number) => number
  /** False while there is no limit at all. */
  private limited: boolean
  private changed = false
  /** What one request typically takes. */
  private unit = 1
  private reportedAtMs = -Infinity
  /** What was reported last, where that holds nobody. */
  private watched: ReportedRate | undefined
  /** Amount in a window that was refused last. */
  private ceiling = Infinity
  private ceilingUntilMs = 0
  private memoryMs = memoryMsMin
  private cutAtMs = -Infinity
  private cutFloor = 0
  private severity = 0
  /** Largest amount in a window that has passed since the limit changed. */
  private proven = 0
  private step = 0
  private fullSinceMs: number | undefined
  private blockedAtMs = -Infinity
  private raisedAtMs = -Infinity
  /** The limit before it was raised last. */
  private raisedFrom = 0
  private heldUntilMs = 0
  private refusals = 0
  /** What other instances hold, as it was told last. */
  private elsewhere = 0
  private elsewhereUntilMs = 0

  constructor(options: LearnedRateOptions) {
    const { configured, learn, minimumBurst, spare = nothing, windowMs } = options
    this.spare = spare
    this.configured = configured
    this.learn = learn
    this.configuredWindowMs = windowMs
    this.limited = configured !== undefined
    this.window = SlidingWindow.perMinute(configured ?? unlimited, windowMs, minimumBurst)
  }

  /** The rate per minute that was learned; undefined while what is configured holds. */
  get learned(): number | undefined {
    if (this.watched !== undefined) return (this.watched.limit * 60_000) / this.watched.windowMs
    return this.changed ? this.window.perMinute : undefined
  }

  /** What is left by the provider's own count, where that is only watched. */
  get remaining(): number | undefined {
    return this.watched?.remaining
  }

  /** Largest amount that can ever pass at once, by configuration or report: learned guesses refuse nobody. */
  get most(): number {
    if (!this.limited) return Infinity
    return this.reportedAtMs > -Infinity || !this.changed
      ? this.window.limit
      : Math.max(this.window.limit, this.configured ?? Infinity)
  }

  /** The window, where there is a limit. */
  get limit(): SlidingWindow | undefined {
    return this.limited ? this.window : undefined
  }

  /** False when nothing is limited and nothing is learned: then nothing needs to be counted. */
  get counts(): boolean {
    return this.limited || this.learns
  }

  waitMs(amount: number, nowMs: number): number {
    const waitMs = Math.max(this.heldUntilMs - nowMs, this.window.waitMs(this.needOf(amount), nowMs))
    if (waitMs > 0) this.blockedAtMs = nowMs
    return waitMs
  }

  /** What must be free for an amount. */
  needOf(amount: number): number {
    return amount + this.spare(amount, this.window.limit)
  }

  /** What all instances hold together, where limits are shared; `blocked` when somebody waits because of it. */
  sharedUse(total: number | undefined, blocked: boolean, nowMs: number): void {
    if (blocked) this.blockedAtMs = nowMs
    if (total === undefined) return
    this.elsewhere = Math.max(0, total - this.window.usedAt(nowMs))
    this.elsewhereUntilMs = nowMs + this.window.windowMs / 8
  }

  /** The share of the limit that is used, 0–1; undefined without a limit. */
  pressure(nowMs: number): number | undefined {
    return this.limited ? this.usedAt(nowMs) / this.window.limit : undefined
  }

  /** True when more than this has passed in a window before: then the rate can hardly be why it was refused. */
  hasPassedMore(mark: number, amount: number): boolean {
    return mark - amount < 0.9 * this.proven
  }

  /** The provider took a request of this amount, taken at `takenAtMs` when the window held `mark`, itself included. */
  passed(mark: number, amount: number, takenAtMs: number, nowMs: number): void {
    if (takenAtMs > this.cutAtMs) this.refusals = 0
    this.unit += (Math.max(1, amount) - this.unit) / 16
    if (mark > this.proven) this.proven = mark
    if (this.learns && this.limited) this.consider(nowMs)
  }

  /** The provider refused a request of this amount, taken at `takenAtMs` when the window held `mark`, itself included. */
  refused(mark: number, amount: number, takenAtMs: number, nowMs: number): void {
    if (!this.learns || this.isReported(nowMs)) return
    const had = Math.max(0, mark - amount)
    if (takenAtMs <= this.cutAtMs) {
      // It was on its way when the limit was lowered: it can lower it further, but no less than once.
      if (had < this.window.limit) this.set(Math.max(had, this.cutFloor), nowMs)
      this.ceiling = Math.max(this.window.limit, Math.min(this.ceiling, had + this.unit))
      return
    }
    this.heldUntilMs = nowMs + Math.min(holdMsMin * 2 ** this.refusals++, this.window.windowMs / 4)
    const before = this.limited ? this.window.limit : Math.max(1, had)
    const probing = this.step > 0
    const again = nowMs - this.cutAtMs < 1.25 * this.window.windowMs
    this.severity = again ? this.severity + 1 : 0
    const tells = probing || had < 0.98 * before
    const share = Math.min(cutMost, cutFirst * 2 ** this.severity)
    const target = tells && !again ? had : Math.min(had, before * (1 - share))
    this.cutFloor = Math.max(1, (1 - cutMost) * Math.min(before, this.limited ? before : had))
    this.remember(tells ? had + this.unit : before, nowMs)
    this.cutAtMs = nowMs
    this.step = 0
    this.fullSinceMs = undefined
    this.set(Math.max(target, this.cutFloor), nowMs)
    this.window.endBurst(nowMs)
  }

  /** The provider told its limit with the answer to a request that was taken when the window held `mark`. */
  reported(rate: ReportedRate, mark: number, nowMs: number): void {
    if (this.learn === "watch") this.watched = rate
    if (!this.learns) return
    this.reportedAtMs = nowMs
    this.ceiling = Infinity
    this.step = 0
    const windowMs = Math.min(rate.windowMs, this.configuredWindowMs)
    const told = (rate.limit * 60_000) / rate.windowMs
    const perMinute = this.learn === "down" ? Math.min(told, this.configured ?? Infinity) : told
    if (!this.limited || windowMs !== this.window.windowMs || Math.abs(perMinute / this.window.perMinute - 1) > 0.005) {
      this.limited = true
      this.changed = perMinute !== this.configured
      this.window.resize(perMinute, windowMs, nowMs)
    }
    if (rate.remaining === undefined) return
    const share = windowMs / rate.windowMs
    const others = this.window.limit - mark - rate.remaining * share
    const matters = others > Math.max(2 * this.unit, 0.03 * this.window.limit)
    this.window.occupy(
      matters ? others * othersSpare + 2 * this.unit : 0,
      nowMs + Math.min(rate.resetMs ?? windowMs, windowMs),
      nowMs
    )
  }

  /** True while what the provider has told of its limit stands. */
  isReported(nowMs: number): boolean {
    return nowMs - this.reportedAtMs < reportMs
  }

  /** True while the limit follows what it is told. */
  private get learns(): boolean {
    return this.learn !== false && this.learn !== "watch"
  }

  private usedAt(nowMs: number): number {
    return this.window.usedAt(nowMs) + (nowMs < this.elsewhereUntilMs ? this.elsewhere : 0)
  }

  private set(amount: number, nowMs: number): void {
    const { windowMs } = this.window
    this.limited = true
    this.changed = true
    this.window.resize((amount * 60_000) / windowMs, windowMs, nowMs)
    this.proven = Math.min(this.proven, this.window.limit)
  }

  private remember(ceiling: number, nowMs: number): void {
    const same = Math.abs(ceiling / this.ceiling - 1) < 0.05
    this.memoryMs = same ? Math.min(2 * this.memoryMs, memoryMsMax) : memoryMsMin
    this.ceiling = ceiling
    this.ceilingUntilMs = nowMs + this.memoryMs
  }

  /** Raises the limit when it is full, somebody waits, and nothing speaks against it. */
  private consider(nowMs: number): void {
    const { limit, windowMs } = this.window
    const most = this.learn === "probe" ? Infinity : (this.configured ?? Infinity)
    if (limit >= most || this.isReported(nowMs)) return
    const free = limit - this.usedAt(nowMs)
    if (free > Math.max(2 * this.unit, 0.25 * limit)) this.fullSinceMs = undefined
    if (free > Math.max(this.unit, 0.1 * limit) || nowMs - this.blockedAtMs > windowMs / 8) return
    this.fullSinceMs ??= nowMs
    const open = nowMs >= this.ceilingUntilMs
    const cap = Math.min(most, open ? Infinity : this.ceiling - this.unit)
    if (cap <= limit) return
    if (open) this.probe(cap, nowMs)
    else if (nowMs - Math.max(this.cutAtMs, this.raisedAtMs) >= windowMs / 8) {
      this.raise(Math.min(cap, limit + Math.max(this.unit, (cap - limit) / 3)), nowMs)
    }
  }

  /** Steps into the unknown: the first after more than a window at the limit, each further one when the last has passed. */
  private probe(cap: number, nowMs: number): void {
    const { limit, windowMs } = this.window
    if (this.step === 0) {
      const quietMs = 1.25 * windowMs
      if (nowMs - this.fullSinceMs! < quietMs || nowMs - this.cutAtMs < quietMs) return
      this.step = stepFirst
    } else {
      if (this.proven <= this.raisedFrom) return
      this.step = Math.min(stepMost, 2 * this.step)
    }
    // A step has room for one more request, or nothing could prove it.
    const least = 1.25 * this.unit + this.spare(this.unit, limit)
    this.raise(Math.min(cap, limit + Math.max(least, this.step * limit)), nowMs)
    this.window.grant(this.window.limit - this.window.usedAt(nowMs), nowMs)
  }

  private raise(amount: number, nowMs: number): void {
    this.raisedAtMs = nowMs
    this.raisedFrom = this.window.limit
    this.set(amount, nowMs)
  }
}
