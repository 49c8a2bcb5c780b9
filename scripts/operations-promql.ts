/**
 * PromQL over the engine's own metrics: names, labels and values of labels are checked by the compiler.
 *
 * A metric that is renamed, a label that it does not have, and a value that its label can't have are type errors here, so
 * that rules and dashboards can't drift from `MetricDefinitions`. Nothing here knows what is worth asking.
 */
import {
  type LabelOf,
  type LabelValueOf,
  type MetricDefinition,
  metricDefinitions,
  type MetricName,
  type NameOf
} from "../engine/src/MetricDefinitions.ts"

/** A comparison of a label other than with one value. */
class Matcher<Value extends string = string> {
  readonly operator: "=~" | "!~" | "!="
  readonly values: ReadonlyArray<Value>

  constructor(operator: Matcher["operator"], values: ReadonlyArray<Value>) {
    this.operator = operator
    this.values = values
  }
}

export const among = <Value extends string>(...values: ReadonlyArray<Value>) => new Matcher("=~", values)
export const notAmong = <Value extends string>(...values: ReadonlyArray<Value>) => new Matcher("!~", values)
export const not = <Value extends string>(value: Value) => new Matcher("!=", [value])

/** Which series of a metric are meant. */
export type Where<Name extends MetricName> = {
  readonly [Label in LabelOf<Name>]?: LabelValueOf<Name, Label> | Matcher<LabelValueOf<Name, Label>>
}

/** Which series, and the labels that remain when they are added up. */
export interface Query<Name extends MetricName> {
  readonly where?: Where<Name>
  readonly by?: ReadonlyArray<LabelOf<Name>>
}

export interface PromqlOptions {
  /** Matchers of labels that every series has, or that are used where a metric has them. */
  readonly everywhere?: { readonly [label: string]: Matcher }
  /** Labels that remain in every sum. */
  readonly by?: ReadonlyArray<string>
}

/** Labels that Prometheus gives to every series. */
const targetLabels = ["job", "instance"]

export const promql = ({ by: always = [], everywhere = {} }: PromqlOptions = {}) => {
  const selector = (name: MetricName, where: { readonly [label: string]: unknown } = {}, suffix = ""): string => {
    const { labels }: MetricDefinition = metricDefinitions[name]
    const common = Object.entries(everywhere).filter(([label]) => targetLabels.includes(label) || label in labels)
    const matchers = Object.entries({ ...Object.fromEntries(common), ...where }).map(([label, matcher]) =>
      matcher instanceof Matcher
        ? `${label}${matcher.operator}"${matcher.values.join("|")}"`
        : `${label}="${String(matcher)}"`
    )
    return `${name}${suffix}${matchers.length === 0 ? "" : `{${matchers.join(",")}}`}`
  }

  const grouped = (operation: string, labels: ReadonlyArray<string>, expression: string): string => {
    const kept = [...always, ...labels]
    return `${operation}${kept.length === 0 ? " " : ` by (${kept.join(", ")}) `}(${expression})`
  }

  return {
    /** The series themselves. */
    series: <Name extends MetricName>(name: Name, where?: Where<Name>) => selector(name, where),
    /** Growth of a counter in a second. */
    rate: <Name extends NameOf<"counter">>(name: Name, window: string, { by = [], where }: Query<Name> = {}) =>
      grouped("sum", by, `rate(${selector(name, where)}[${window}])`),
    /** Growth of several counters in a second, together; of any of them that there are. */
    rateOfAll: (selectors: ReadonlyArray<string>, window: string) =>
      grouped("sum", [], selectors.map((each) => `rate(${each}[${window}])`).join(" or ")),
    /** Growth of a counter. */
    increase: <Name extends NameOf<"counter">>(name: Name, window: string, { by = [], where }: Query<Name> = {}) =>
      grouped("sum", by, `increase(${selector(name, where)}[${window}])`),
    /** A gauge over all instances. */
    gauge: <Name extends NameOf<"gauge">>(
      name: Name,
      operation: "sum" | "max" | "min",
      { by = [], where }: Query<Name> = {}
    ) => grouped(operation, by, selector(name, where)),
    /** The largest value that a gauge had in a window. */
    highest: <Name extends NameOf<"gauge">>(name: Name, window: string, { by = [], where }: Query<Name> = {}) =>
      grouped("max", by, `max_over_time(${selector(name, where)}[${window}])`),
    /** A quantile of what a histogram observed in a window, straight between the bounds of a bucket. */
    quantile: <Name extends NameOf<"histogram">>(
      quantile: number,
      name: Name,
      window: string,
      { by = [], where }: Query<Name> = {}
    ) =>
      `histogram_quantile(${quantile}, ${grouped("sum", [...by, "le"], `rate(${selector(name, where, "_bucket")}[${window}])`)})`,
    /** The mean of what a histogram observed in a window. */
    mean: <Name extends NameOf<"histogram">>(name: Name, window: string, { by = [], where }: Query<Name> = {}) =>
      `${grouped("sum", by, `rate(${selector(name, where, "_sum")}[${window}])`)} / ` +
      grouped("sum", by, `rate(${selector(name, where, "_count")}[${window}])`)
  }
}
