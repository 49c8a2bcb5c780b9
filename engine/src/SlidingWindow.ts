/**
 * How much may go now: a hard sliding window with pacing inside it.
 *
 * In any window of `windowMs` at most `limit` passes; the window is kept in slices, and a slice counts until all of it
 * is out of the window, so the hard bound errs on the safe side by one slice. Inside the bound GCRA paces at 98 % of the
 * rate after a burst: of seven policies measured it was the one whose upstream answered no 429 whichever way the
 * provider counts (ITU-T I.371, generic cell rate algorithm). Pure arithmetic: no clock, no waiting.
 */

const slices = 64

/** Amounts (requests or tokens) in a sliding window. All times are epoch milliseconds. */
export class SlidingWindow {
  /** Amount that may pass in any window. */
  readonly limit: number
  readonly windowMs: number
  private readonly ratePerMs: number
  private readonly burst: number
  private readonly sliceMs: number
  private readonly amounts = new Float64Array(slices + 1)
  private sliceNumber = 0
  private used = 0
  /** Theoretical arrival time of GCRA: when the bucket will be full again. */
  private tatMs = 0

  constructor(options: {
    readonly limit: number
    readonly windowMs: number
    /** Amount that passes at once after a pause; at least one second of the rate is granted. */
    readonly minimumBurst: number
  }) {
    this.limit = options.limit
    this.windowMs = options.windowMs
    this.sliceMs = options.windowMs / slices
    this.ratePerMs = (0.98 * options.limit) / options.windowMs
    this.burst = Math.min(options.limit, Math.max(this.ratePerMs * 1000, options.minimumBurst))
  }

  /**
   * The window of a rate per minute. One that would let less than one pass is made longer instead, so that the rate is
   * kept: 30 a minute in windows of a second is one in two seconds.
   */
  static perMinute(perMinute: number, windowMs: number, minimumBurst: (limit: number) => number): SlidingWindow {
    const longEnoughMs = Math.max(windowMs, 60_000 / perMinute)
    const limit = Math.max(1, Math.floor((perMinute * longEnoughMs) / 60_000))
    return new SlidingWindow({ limit, windowMs: longEnoughMs, minimumBurst: minimumBurst(limit) })
  }

  /** Milliseconds until `amount` may pass; 0 when it may pass now. Larger amounts than the limit count as the limit. */
  waitMs(amount: number, nowMs: number): number {
    this.advance(nowMs)
    const wanted = Math.min(amount, this.limit)
    const debtMs = Math.max(0, this.tatMs - nowMs)
    const allowedMs = this.burst / this.ratePerMs
    const costMs = Math.min(wanted / this.ratePerMs, allowedMs)
    const pacedMs = debtMs + costMs - allowedMs
    const hardMs = this.hardWaitMs(wanted, nowMs)
    return Math.max(0, pacedMs, hardMs)
  }

  /** Takes `amount` now; call it only when `waitMs` is 0. Returns a ticket for `correct`. */
  take(amount: number, nowMs: number): number {
    this.advance(nowMs)
    this.add(Math.min(amount, this.limit), this.sliceNumber, nowMs)
    return this.sliceNumber
  }

  /** Replaces a reservation by the true amount, in the slice in which it was taken. */
  correct(ticket: number, reserved: number, actual: number, nowMs: number): void {
    this.advance(nowMs)
    this.add(actual - Math.min(reserved, this.limit), ticket, nowMs)
  }

  /** Amount that is left in the current window. */
  available(nowMs: number): number {
    this.advance(nowMs)
    return Math.max(0, this.limit - this.used)
  }

  /** Milliseconds that `amount` needs at the paced rate, for estimates of a queue. */
  paceMs(amount: number): number {
    return amount / this.ratePerMs
  }

  private add(amount: number, slice: number, nowMs: number): void {
    this.tatMs = (amount > 0 ? Math.max(this.tatMs, nowMs) : this.tatMs) + amount / this.ratePerMs
    if (slice <= this.sliceNumber - this.amounts.length) return
    const index = slice % this.amounts.length
    this.used += amount
    this.amounts[index]! += amount
  }

  private hardWaitMs(amount: number, nowMs: number): number {
    let excess = this.used + amount - this.limit
    if (excess <= 1e-9) return 0
    const oldest = this.sliceNumber - this.amounts.length + 1
    for (let slice = oldest; slice <= this.sliceNumber; slice++) {
      excess -= this.amounts[((slice % this.amounts.length) + this.amounts.length) % this.amounts.length]!
      if (excess <= 1e-9) return Math.max(0, (slice + this.amounts.length) * this.sliceMs - nowMs)
    }
    return this.windowMs
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
        const index = (this.sliceNumber + i) % this.amounts.length
        this.used -= this.amounts[index]!
        this.amounts[index] = 0
      }
      if (this.used < 1e-9) this.used = 0
    }
    this.sliceNumber = number
  }
}
