/**
 * How durations are spread: a histogram whose buckets grow with the value, so that percentiles of any set of durations are
 * within one percent of the true ones and two histograms add up to that of both sets.
 *
 * A bucket `i` counts the values in `(growth^(i-1), growth^i]`; what is below a hundredth of a millisecond counts as zero.
 * It keeps counts alone: no value, no order, no time.
 */

/** Largest relative error of a percentile. */
export const relativeError = 0.01

/** Leaves room for the rounding of what is shown. */
const bucketError = 0.0094
const growth = (1 + bucketError) / (1 - bucketError)
const perLog = 1 / Math.log(growth)
const zeroBelow = 0.01
/** Bucket of the smallest value that is not zero; indices are kept relative to it, so that they are not negative. */
const lowest = Math.ceil(Math.log(zeroBelow) * perLog)

/** Value that is at most `bucketError` away from each value of a bucket. */
const valueOf = (index: number): number => (2 * growth ** (index + lowest)) / (growth + 1)

/** Digits that the error leaves no meaning to are not shown. */
const rounded = (value: number): number => Number(value.toPrecision(4))

const shown: Array<number> = []

/** What is shown for the values of a bucket. */
export const shownOf = (index: number): number => {
  while (shown.length <= index) shown.push(rounded(valueOf(shown.length)))
  return shown[index]!
}

export class UsageSketch {
  zeros = 0
  /** Index of the first of `counts`. */
  first = 0
  counts: Array<number> = []

  add(value: number): void {
    if (!(value >= zeroBelow)) this.zeros += 1
    else this.count(Math.max(0, Math.ceil(Math.log(Math.min(value, Number.MAX_VALUE)) * perLog) - lowest), 1)
  }

  /** Adds `count` values to a bucket. */
  count(index: number, count: number): void {
    const { counts } = this
    if (counts.length === 0) {
      this.first = index
      counts.push(count)
      return
    }
    if (index < this.first) {
      counts.unshift(...new Array<number>(this.first - index).fill(0))
      this.first = index
    }
    const at = index - this.first
    while (counts.length <= at) counts.push(0)
    counts[at]! += count
  }

  merge(other: UsageSketch): void {
    this.zeros += other.zeros
    const { counts, first } = other
    for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) this.count(first + i, counts[i]!)
  }

  get size(): number {
    let size = this.zeros
    for (const count of this.counts) size += count
    return size
  }

  /** By nearest rank: the smallest value that at least `percent` of the values don't exceed; null when there are none. */
  percentile(percent: number): number | null {
    const { size } = this
    if (size === 0) return null
    let left = Math.ceil((size * percent) / 100) - this.zeros
    if (left <= 0) return 0
    for (let i = 0; i < this.counts.length; i++) {
      left -= this.counts[i]!
      if (left <= 0) return shownOf(this.first + i)
    }
    return shownOf(this.first + this.counts.length - 1)
  }
}
