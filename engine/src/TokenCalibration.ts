/**
 * What the reports of a model teach about our estimates of its prompts: `reported ≈ offset + ratio × measured`.
 *
 * The offset is what a provider adds to every prompt (a template, a system prompt of its own), the ratio how its tokenizer
 * differs from ours. Both are fitted by least squares of the relative error over recent calls, with outliers weighted
 * down. One update is a few additions and the solution of a 2 × 2 system; nothing is stored per call.
 */

/** Weight of all earlier calls against the next one: about the last hundred count. */
const memory = 0.99

/** How sure we are of offset 0 and ratio 1 at first, in squares of the expected relative error of 5 %. */
const offsetTrust = (0.05 / 50) ** 2
const ratioTrust = (0.05 / 0.2) ** 2

/** Reports after which outliers are told from the rest. */
const settled = 10

/** Prompts of fewer tokens weigh as if they had so many: a few tokens more or less are no news. */
const smallest = 16

/** No prompt has more tokens. */
const promptMax = 1e8

export class Calibration {
  /** Tokens that are in every prompt. */
  offset = 0
  ratio = 1
  /** Reports seen. */
  count = 0
  /** Typical relative error of the corrected estimates, lately. */
  spread = 0.1
  private s00 = 0
  private s01 = 0
  private s11 = 0
  private t0 = 0
  private t1 = 0

  /** The estimate of a prompt, at least 1 and never below a quarter of what was measured. */
  correct(measured: number): number {
    return Math.max(1, Math.round(Math.max(this.offset + this.ratio * measured, measured / 4)))
  }

  /** What a prompt of this estimate has at least, in all likelihood. */
  floor(estimated: number): number {
    const margin = this.count < settled ? 0.3 : Math.min(Math.max(4 * this.spread, 0.05), 0.3)
    return Math.max(1, Math.floor(estimated * (1 - margin)))
  }

  /** Takes in one report; figures that can't be a prompt's are ignored. */
  learn(measured: number, reported: number): void {
    if (!(measured >= 1 && measured <= promptMax && reported >= 1 && reported <= promptMax)) return
    const scale = Math.max(reported, smallest)
    const error = Math.abs(this.correct(measured) - reported) / scale
    const weight = this.count < settled ? 1 : Math.min(1, Math.max(0.05, (3 * Math.max(this.spread, 0.02)) / error))
    const share = Math.max(1 / (this.count + 1), 0.05)
    this.spread += share * (Math.min(error, 1) - this.spread)
    this.count++
    const x0 = 1 / scale
    const x1 = measured / scale
    const y = reported / scale
    this.s00 = memory * this.s00 + weight * x0 * x0
    this.s01 = memory * this.s01 + weight * x0 * x1
    this.s11 = memory * this.s11 + weight * x1 * x1
    this.t0 = memory * this.t0 + weight * x0 * y
    this.t1 = memory * this.t1 + weight * x1 * y
    const a = this.s00 + offsetTrust / this.count
    const b = this.s01
    const d = this.s11 + ratioTrust
    const determinant = a * d - b * b
    this.offset = (this.t0 * d - (this.t1 + ratioTrust) * b) / determinant
    this.ratio = (a * (this.t1 + ratioTrust) - b * this.t0) / determinant
  }
}
