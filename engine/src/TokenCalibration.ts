/**
 * What the reports of a model teach about our estimates of its texts: `reported ≈ offset + ratio × estimate + what its
 * tokenizer takes otherwise for words, digits, white space, marks and scripts`.
 *
 * The offset is what a provider adds to every prompt (a template, a system prompt of its own), the rest how its tokenizer
 * differs from the one that the estimate was fitted to. All are fitted together by least squares of the relative error over
 * recent calls, with outliers weighted down and every weight held near what it was at first until the reports say otherwise.
 * An update is some dozens of additions, and of later reports only each 32nd solves the system; nothing is stored per call.
 */
import { featureCount, type TextFeatures } from "./TokenEstimate.ts"

/** Weight of all earlier calls against the next one: about the last hundred count. */
const memory = 0.99

/** Weights are scaled down from here on. */
const gainMax = 1e9

/** Reports after which outliers are told from the rest. */
const settled = 10

/** Reports that are all solved for; of the later ones, each 32nd is. */
const eager = 64

/** Texts of fewer tokens weigh as if they had so many: a few tokens more or less are no news. */
const smallest = 16

/** No text has more tokens. */
const tokensMax = 1e8

/** The expected relative error of an estimate. */
const expectedError = 0.05

/**
 * How far the weights may be from their first values, by the order of `TextFeatures`: the ratio, then what groups of
 * characters take beyond it, then tokens for each letter, each space and each rare letter, then tokens of having tools and
 * the ratio of these.
 */
const widths: ReadonlyArray<number> = [0.3, 0.3, 0.5, 0.5, 0.5, 1, 1, 1, 1, 0.05, 0.5, 0.5, 200, 0.5]

/** Tokens that a provider may add to every prompt. */
const offsetWidth = 50

/** The offset and the weights. */
const size = 1 + featureCount

const trust = Float64Array.from([offsetWidth, ...widths], (width) => (expectedError / width) ** 2)

const root = new Float64Array(size * size)
const solution = new Float64Array(size)
const row = new Float64Array(size)

export class Calibration {
  /** Reports seen. */
  count = 0
  /** Typical relative error of the corrected estimates, lately. */
  spread = 0.1
  /** The offset, then by how much the weight of each feature differs from its first value: 1 for the estimate, else 0. */
  private readonly learned = new Float64Array(size)
  /** Weight of the next report: later ones weigh more, instead of earlier ones less. */
  private gain = 1
  private readonly squares = new Float64Array(size * size)
  private readonly targets = new Float64Array(size)

  /** The estimate of a text, at least 1 and never below a quarter of what was measured. */
  correct(features: TextFeatures): number {
    const { learned } = this
    let tokens = learned[0]! + features[0]!
    for (let i = 1; i < size; i++) tokens += learned[i]! * features[i - 1]!
    return Math.max(1, Math.round(Math.max(tokens, features[0]! / 4)))
  }

  /** What a text of this estimate has at least, in all likelihood. */
  floor(estimated: number): number {
    const margin = this.count < settled ? 0.3 : Math.min(Math.max(4 * this.spread, 0.05), 0.3)
    return Math.max(1, Math.floor(estimated * (1 - margin)))
  }

  /** Takes in one report; figures that can't be a text's are ignored. */
  learn(features: TextFeatures, reported: number): void {
    const measured = features[0]!
    if (!(measured >= 1 && measured <= tokensMax && reported >= 1 && reported <= tokensMax)) return
    const { squares, targets } = this
    const scale = Math.max(reported, smallest)
    const error = Math.abs(this.correct(features) - reported) / scale
    const weight = this.count < settled ? 1 : Math.min(1, Math.max(0.05, (3 * Math.max(this.spread, 0.02)) / error))
    const share = Math.max(1 / (this.count + 1), 0.05)
    this.spread += share * (Math.min(error, 1) - this.spread)
    this.count++
    row[0] = 1 / scale
    for (let i = 1; i < size; i++) row[i] = features[i - 1]! / scale
    const left = (reported - measured) / scale
    this.gain /= memory
    if (this.gain > gainMax) this.rescale()
    const gained = weight * this.gain
    // Most texts have few kinds of characters.
    for (let i = 0; i < size; i++) {
      const weighted = gained * row[i]!
      if (weighted === 0) continue
      targets[i]! += weighted * left
      for (let j = 0; j <= i; j++) squares[i * size + j]! += weighted * row[j]!
    }
    if (this.count <= eager || this.count % 32 === 0) this.solve()
  }

  private rescale(): void {
    for (let i = 0; i < this.squares.length; i++) this.squares[i]! /= this.gain
    for (let i = 0; i < size; i++) this.targets[i]! /= this.gain
    this.gain = 1
  }

  /** Cholesky's decomposition of what was seen and what is trusted. */
  private solve(): void {
    const { learned, squares, targets } = this
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = squares[i * size + j]!
        if (i === j) sum += this.gain * (i === 0 ? trust[0]! / this.count : trust[i]!)
        for (let k = 0; k < j; k++) sum -= root[i * size + k]! * root[j * size + k]!
        root[i * size + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12 * this.gain)) : sum / root[j * size + j]!
      }
      let sum = targets[i]!
      for (let k = 0; k < i; k++) sum -= root[i * size + k]! * solution[k]!
      solution[i] = sum / root[i * size + i]!
    }
    for (let i = size - 1; i >= 0; i--) {
      let sum = solution[i]!
      for (let k = i + 1; k < size; k++) sum -= root[k * size + i]! * learned[k]!
      learned[i] = sum / root[i * size + i]!
    }
  }
}
