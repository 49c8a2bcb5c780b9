/**
 * When work that follows writes is tried again after it failed: later each time, up to a minute, and told once.
 */

const longestMs = 60_000

export class SettleDelay {
  ms: number
  private readonly firstMs: number
  private isFailing = false

  /** `firstMs` milliseconds after the first failure. */
  constructor(firstMs: number) {
    this.firstMs = firstMs
    this.ms = firstMs
  }

  /** True for the first failure in a row. */
  failed(): boolean {
    const first = !this.isFailing
    this.ms = first ? this.firstMs : Math.min(longestMs, 2 * this.ms)
    this.isFailing = true
    return first
  }

  /** True for the first success after failures. */
  succeeded(): boolean {
    const first = this.isFailing
    this.isFailing = false
    return first
  }
}
