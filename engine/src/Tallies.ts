/**
 * Counters and histograms that a hot path can afford: to count is one addition, and to observe a few comparisons.
 *
 * They are members of a prom-client registry like any other; labels are hashed when a child is made and names are put
 * together when somebody scrapes, never when something is counted. A second engine in the same registry counts in the
 * same children.
 */
import type { Metric, Registry } from "prom-client"

/** One series of a counter. */
export class Tally {
  value = 0

  inc(by = 1): void {
    this.value += by
  }
}

/** One series of a histogram. */
export class Distribution {
  readonly counts: Array<number>
  sum = 0
  total = 0
  private readonly bounds: ReadonlyArray<number>

  /** `bounds` are upper bounds, ascending, inclusive; above the last is one more bucket. */
  constructor(bounds: ReadonlyArray<number>) {
    this.bounds = bounds
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    const { bounds, counts } = this
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    counts[bucket]! += 1
    this.sum += value
    this.total++
  }

  reset(): void {
    this.counts.fill(0)
    this.sum = 0
    this.total = 0
  }
}

/** Values of the labels of one series. */
export type Labels<L extends string> = { readonly [Label in L]: string }

export interface Options<L extends string> {
  readonly name: string
  readonly help: string
  readonly labelNames: ReadonlyArray<L>
}

/** What a registry reads of a metric: its name, type and help, and the values of its series. */
type Collected = Readonly<Record<string, unknown>>

const noLabels = {}

/** A counter whose series are tallies. A series is there from when it was made, at 0, so that `rate` sees its first growth. */
export class TallyCounter<L extends string> {
  readonly name: string
  readonly help: string
  readonly type = "counter"
  readonly aggregator = "sum"
  private readonly series: Series<L, Tally>

  constructor(options: Options<L>, registry: Registry) {
    this.name = options.name
    this.help = options.help
    this.series = new Series(options.labelNames, () => new Tally())
    // A registry asks its members for no more than what is here; prom-client's type is the union of its own classes.
    registry.registerMetric(this as unknown as Metric<L>)
  }

  /** The series of these labels; keep it where it is counted often. */
  tally(labels: Labels<L>): Tally {
    return this.series.get(labels)
  }

  get(): Promise<Collected> {
    return this.collect((labels) => ({ labels }))
  }

  /** The same for a text: prom-client writes shared labels once for a series and remembers them. */
  getForPromString(): Promise<Collected> {
    return this.collect((sharedLabels) => ({ sharedLabels }))
  }

  private collect(labelled: (labels: Labels<L>) => object): Promise<Collected> {
    const values = Array.from(this.series.entries(), ([labels, { value }]) => ({ ...labelled(labels), value }))
    const { aggregator, help, name, type } = this
    return Promise.resolve({ name, help, type, aggregator, values })
  }

  reset(): void {
    for (const [, tally] of this.series.entries()) tally.value = 0
  }
}

/** A histogram whose series are distributions, each there from when it was made. */
export class TallyHistogram<L extends string> {
  readonly name: string
  readonly help: string
  readonly type = "histogram"
  readonly aggregator = "sum"
  private readonly bounds: ReadonlyArray<number>
  private readonly series: Series<L, Distribution>

  constructor(options: Options<L> & { readonly bounds: ReadonlyArray<number> }, registry: Registry) {
    this.name = options.name
    this.help = options.help
    this.bounds = options.bounds
    this.series = new Series(options.labelNames, () => new Distribution(options.bounds))
    registry.registerMetric(this as unknown as Metric<L>)
  }

  /** The series of these labels; keep it where it is observed often. */
  distribution(labels: Labels<L>): Distribution {
    return this.series.get(labels)
  }

  get(): Promise<Collected> {
    return this.collect((labels, le) => ({ labels: le === undefined ? labels : { le, ...labels } }))
  }

  /** The same for a text: prom-client writes shared labels once for a series and remembers them. */
  getForPromString(): Promise<Collected> {
    return this.collect((sharedLabels, le) => ({ labels: le === undefined ? noLabels : { le }, sharedLabels }))
  }

  private collect(labelled: (labels: Labels<L>, le?: number | "+Inf") => object): Promise<Collected> {
    const values: Array<object> = []
    for (const [labels, { counts, sum, total }] of this.series.entries()) {
      let count = 0
      for (let bucket = 0; bucket < counts.length; bucket++) {
        count += counts[bucket]!
        const le = bucket < this.bounds.length ? this.bounds[bucket]! : "+Inf"
        values.push({ metricName: `${this.name}_bucket`, ...labelled(labels, le), value: count })
      }
      values.push({ metricName: `${this.name}_sum`, ...labelled(labels), value: sum })
      values.push({ metricName: `${this.name}_count`, ...labelled(labels), value: total })
    }
    const { aggregator, help, name, type } = this
    return Promise.resolve({ name, help, type, aggregator, values })
  }

  reset(): void {
    for (const [, distribution] of this.series.entries()) distribution.reset()
  }
}

/** What is counted, by the values of labels. */
class Series<L extends string, A> {
  private readonly names: ReadonlyArray<L>
  private readonly make: () => A
  private readonly byLabels = new Map<string, readonly [labels: Labels<L>, series: A]>()

  constructor(names: ReadonlyArray<L>, make: () => A) {
    this.names = names
    this.make = make
    if (names.length === 0) this.get({} as Labels<L>)
  }

  get(labels: Labels<L>): A {
    const key = JSON.stringify(this.names.map((name) => labels[name]))
    let found = this.byLabels.get(key)
    if (found === undefined) this.byLabels.set(key, (found = [labels, this.make()]))
    return found[1]
  }

  entries(): Iterable<readonly [labels: Labels<L>, series: A]> {
    return this.byLabels.values()
  }
}
