/**
 * How much may go now: a hard sliding window with pacing inside it.
 *
 * In any window of `windowMs` at most `limit` passes; the window is kept in slices, and a slice counts until all of it
 * has been out of the window for one more slice: requests overtake each other on their way to the provider. Inside the bound a leaky bucket paces at
 * 98 % of the rate after a burst (ITU-T I.371, generic cell rate algorithm): of seven policies measured it was the one
 * whose upstream answered no 429 whichever way the provider counts. The limit may change at any time: then no window holds
 * more than the largest limit that was in force in it. Pure arithmetic: no clock, no waiting.
 */

const slices = 512

/** Share of the rate at which requests are paced, so that clocks and counts of two machines need not agree exactly. */
const paceShare = 0.98

/** Amounts closer than this are equal: sums of fractions are not exact. */
const epsilon = 1e-9

/** Amounts (requests or tokens) in a sliding window. All times are epoch milliseconds. */
export class SlidingWindow {
  private currentLimit: number
  private currentWindowMs: number
  private readonly minimumBurst: (limit: number) => number
  private burstMost = Infinity
  private ratePerMs = 0
  private burst = 0
  private sliceMs = 0
  private readonly amounts = new Float64Array(slices + 2)
  private sliceNumber = 0
  private used = 0
  /** Fill of the leaky bucket at `levelAtMs`. */
  private level = 0
  private levelAtMs = 0
  private others = 0
  private othersFromMs = 0
  private othersUntilMs = 0

  constructor(options: {
    readonly limit: number
    readonly windowMs: number
    /** Amount that passes at once after a pause, also as a function of the limit; at least one second of the rate is granted. */
    readonly minimumBurst: number | ((limit: number) => number)
  }) {
    const { minimumBurst } = options
    this.currentLimit = options.limit
    this.currentWindowMs = options.windowMs
    this.minimumBurst = typeof minimumBurst === "number" ? () => minimumBurst : minimumBurst
    this.derive()
  }

  /** The window of a rate per minute. */
  static perMinute(perMinute: number, windowMs: number, minimumBurst: (limit: number) => number): SlidingWindow {
    return new SlidingWindow({ ...perWindow(perMinute, windowMs), minimumBurst })
  }

  /** Amount that may pass in any window. */
  get limit(): number {
    return this.currentLimit
  }

  get windowMs(): number {
    return this.currentWindowMs
  }

  /** The limit as a rate per minute. */
  get perMinute(): number {
    return (this.currentLimit * 60_000) / this.currentWindowMs
  }

  /** Changes the rate. What has passed stays counted; a window of another length counts it as if it had passed now. */
  resize(perMinute: number, windowMs: number, nowMs: number): void {
    this.advance(nowMs)
    this.drain(nowMs)
    const next = perWindow(perMinute, windowMs)
    this.currentLimit = next.limit
    const { used } = this
    const longer = next.windowMs !== this.currentWindowMs
    this.currentWindowMs = next.windowMs
    this.derive()
    if (longer) this.recount(used, nowMs)
  }

  /**
   * Counts what has passed under another window as if it had passed here: each amount at its time, or now where the windows
   * differ in length. What was owed to the pace is owed for as long as before at most, and no more of it.
   */
  inherit(before: SlidingWindow, nowMs: number): void {
    before.advance(nowMs)
    before.drain(nowMs)
    if (before.sliceMs === this.sliceMs) {
      this.amounts.set(before.amounts)
      this.sliceNumber = before.sliceNumber
      this.used = before.used
    } else this.recount(before.used, nowMs)
    this.level = before.level * Math.min(1, this.ratePerMs / before.ratePerMs)
    this.levelAtMs = nowMs
  }

  /** Bounds the burst, for providers that count in shorter windows; above 0. */
  boundBurst(most: number): void {
    this.burstMost = most
    this.derive()
  }

  /** Amount that passes at once after a pause. */
  get burstSize(): number {
    return this.burst
  }

  /** Takes pacing off an amount, as far as the limit has room for it. */
  grant(amount: number, nowMs: number): void {
    this.drain(nowMs)
    this.level = Math.min(this.level, this.burst) - amount
  }

  /** Ends the burst: what comes next is paced. */
  endBurst(nowMs: number): void {
    this.drain(nowMs)
    this.level = Math.max(this.level, this.burst)
  }

  /**
   * Tells what other clients of the same key hold, in place of what was told before; it shrinks evenly to nothing until
   * `untilMs`.
   */
  occupy(amount: number, untilMs: number, nowMs: number): void {
    this.others = untilMs > nowMs ? Math.min(amount, this.currentLimit) : 0
    this.othersFromMs = nowMs
    this.othersUntilMs = untilMs
  }

  /** Milliseconds until `amount` may pass; 0 when it may pass now. Larger amounts than the limit count as the limit. */
  waitMs(amount: number, nowMs: number): number {
    this.advance(nowMs)
    this.drain(nowMs)
    const wanted = Math.min(amount, this.currentLimit)
    const over = this.level + Math.min(wanted, this.burst) - this.burst
    const pacedMs = over <= epsilon * this.burst ? 0 : over / this.ratePerMs
    return Math.max(pacedMs, this.hardWaitMs(wanted, nowMs))
  }

  /** Takes `amount` now; call it only when `waitMs` is 0. Returns a ticket for `correct`. */
  take(amount: number, nowMs: number): number {
    this.advance(nowMs)
    this.drain(nowMs)
    this.fill(amount)
    this.put(amount, this.sliceNumber)
    return this.sliceNumber
  }

  /**
   * Replaces a reservation by the true amount, in the slice in which it was taken. `late` is the part of it that the
   * provider may have counted only now (tokens of an answer): it counts from now on.
   */
  correct(ticket: number, reserved: number, actual: number, nowMs: number, late = 0): void {
    this.advance(nowMs)
    this.drain(nowMs)
    this.fill(actual - reserved)
    if (ticket > this.sliceNumber - this.amounts.length) this.put(actual - late - reserved, ticket)
    if (late > 0) this.put(late, this.sliceNumber)
  }

  /** The ticket of what was taken then. */
  ticketAt(atMs: number): number {
    return Math.floor(atMs / this.sliceMs)
  }

  /** Counts an amount that passed elsewhere so many milliseconds ago; what it owes to the pace is told by `owe`. */
  remember(amount: number, agoMs: number, nowMs: number): void {
    this.advance(nowMs)
    const slice = Math.min(this.sliceNumber, Math.floor((nowMs - agoMs) / this.sliceMs))
    if (slice > this.sliceNumber - this.amounts.length) this.put(amount, slice)
  }

  /** Adds to what the pace holds back. */
  owe(amount: number, nowMs: number): void {
    this.drain(nowMs)
    this.fill(amount)
  }

  /** What the pace holds back now. */
  owedAt(nowMs: number): number {
    this.drain(nowMs)
    return Math.max(0, this.level)
  }

  /** What the current window holds: amounts, each with how many milliseconds ago it has passed at least. */
  passed(nowMs: number): ReadonlyArray<{ readonly agoMs: number; readonly amount: number }> {
    this.advance(nowMs)
    const passed: Array<{ readonly agoMs: number; readonly amount: number }> = []
    for (let slice = this.sliceNumber - this.amounts.length + 1; slice <= this.sliceNumber; slice++) {
      const amount = this.amounts[this.index(slice)]!
      if (amount !== 0) passed.push({ agoMs: Math.max(0, nowMs - (slice + 1) * this.sliceMs), amount })
    }
    return passed
  }

  /** Amount that has passed in the current window. */
  usedAt(nowMs: number): number {
    this.advance(nowMs)
    return this.used
  }

  /** Amount that is left in the current window. */
  available(nowMs: number): number {
    this.advance(nowMs)
    return Math.max(0, this.currentLimit - this.used - this.othersAt(nowMs))
  }

  /** Milliseconds that `amount` needs at the paced rate, for estimates of a queue. */
  paceMs(amount: number): number {
    return amount / this.ratePerMs
  }

  private recount(used: number, nowMs: number): void {
    this.amounts.fill(0)
    this.sliceNumber = Math.floor(nowMs / this.sliceMs)
    this.used = used
    this.amounts[this.index(this.sliceNumber)] = used
  }

  private derive(): void {
    this.sliceMs = this.currentWindowMs / slices
    this.ratePerMs = (paceShare * this.currentLimit) / this.currentWindowMs
    const burst = Math.max(this.ratePerMs * 1000, this.minimumBurst(this.currentLimit))
    this.burst = Math.min(this.currentLimit, burst, this.burstMost)
  }

  private othersAt(nowMs: number): number {
    if (this.others === 0 || nowMs >= this.othersUntilMs) return 0
    const share = (this.othersUntilMs - nowMs) / (this.othersUntilMs - this.othersFromMs)
    return this.others * Math.min(1, share)
  }

  private drain(nowMs: number): void {
    const elapsedMs = nowMs - this.levelAtMs
    if (elapsedMs <= 0) return
    this.level = Math.max(Math.min(0, this.level), this.level - elapsedMs * this.ratePerMs)
    this.levelAtMs = nowMs
  }

  /** No debt is longer than two windows: one absurd amount must not stop everything that comes after it. */
  private fill(amount: number): void {
    this.level = Math.min(Math.max(Math.min(0, this.level), this.level + amount), 2 * this.currentLimit)
  }

  private put(amount: number, slice: number): void {
    this.used += amount
    this.amounts[this.index(slice)]! += amount
  }

  private index(slice: number): number {
    const { length } = this.amounts
    return ((slice % length) + length) % length
  }

  private hardWaitMs(amount: number, nowMs: number): number {
    let room = this.currentLimit - this.used - amount
    const others = this.othersAt(nowMs)
    if (room - others >= -epsilon * this.currentLimit) return 0
    const decayMs = this.othersUntilMs - nowMs
    const { length } = this.amounts
    let slice = this.sliceNumber - length + 1
    for (; slice <= this.sliceNumber; slice++) {
      const leavesMs = Math.max(0, (slice + length) * this.sliceMs - nowMs)
      // Until this slice leaves, only the others' share shrinks.
      if (others > 0 && room >= 0) {
        const enoughMs = decayMs * (1 - room / others)
        if (enoughMs <= leavesMs) return enoughMs
      }
      room += this.amounts[this.index(slice)]!
      const left = others === 0 || leavesMs >= decayMs ? 0 : others * (1 - leavesMs / decayMs)
      if (room - left >= -epsilon * this.currentLimit) return leavesMs
    }
    return Math.max(this.currentWindowMs, decayMs)
  }

  private advance(nowMs: number): void {
    const number = Math.floor(nowMs / this.sliceMs)
    const steps = number - this.sliceNumber
    if (steps <= 0) return
    if (steps >= this.amounts.length) {
      this.amounts.fill(0)
      this.used = 0
    } else {
      for (let i = 1; i <= steps; i++) {
        const index = this.index(this.sliceNumber + i)
        this.used -= this.amounts[index]!
        this.amounts[index] = 0
      }
      if (this.used < epsilon) this.used = 0
    }
    this.sliceNumber = number
  }
}

/**
 * A rate per minute as amount and length of a window. One that would let less than one pass is made longer instead, so
 * that the rate is kept: 30 a minute in windows of a second is one in two seconds.
 */
const perWindow = (perMinute: number, windowMs: number): { readonly limit: number; readonly windowMs: number } => {
  const longEnoughMs = Math.max(windowMs, 60_000 / perMinute)
  return { limit: Math.max(1, Math.floor((perMinute * longEnoughMs) / 60_000 + epsilon)), windowMs: longEnoughMs }
}
