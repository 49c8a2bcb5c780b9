/**
 * `docs/operations/metrics.md`: every metric with its labels and what it says, written from the engine's definitions.
 */
import {
  type MetricDefinition,
  metricDefinitions,
  modelLabelMax,
  unconfiguredModelsMax
} from "../engine/src/MetricDefinitions.ts"
import { kpis } from "./operations-objectives.ts"
import { alertingRules, recordingGroups, runbookUrl } from "./operations-rules.ts"

const definitions: ReadonlyArray<readonly [name: string, definition: MetricDefinition]> =
  Object.entries(metricDefinitions)

const labelsOf = ({ labels }: MetricDefinition): string =>
  Object.keys(labels)
    .map((label) => `\`${label}\``)
    .join(", ") || "–"

/** What the values of a label are, and the metrics that have it with these values. */
const labelRows = (): ReadonlyArray<string> => {
  const rows = new Map<string, { readonly label: string; readonly values: string; readonly names: Array<string> }>()
  for (const [name, { labels }] of definitions) {
    for (const [label, values] of Object.entries(labels)) {
      const text = typeof values === "string" ? values : values.map((value) => `\`${value}\``).join(", ")
      const key = `${label} ${text}`
      const row = rows.get(key) ?? { label, values: text, names: [] }
      row.names.push(`\`${name}\``)
      rows.set(key, row)
    }
  }
  return [...rows.values()]
    .toSorted((a, b) => a.label.localeCompare(b.label))
    .map(({ label, names, values }) => `| \`${label}\` | ${values} | ${names.join(" ")} |`)
}

const bucketsOf = (name: keyof typeof metricDefinitions): string => {
  const { buckets = [] }: MetricDefinition = metricDefinitions[name]
  return `${buckets[0]} doubling to ${buckets.at(-1)} s (${buckets.length} buckets)`
}

const target = ({ should, target, unit }: (typeof kpis)[keyof typeof kpis]): string =>
  `${should === "below" ? "<" : ">"} ${unit === "percentunit" ? `${Number((target * 100).toPrecision(6))} %` : unit === "s" ? `${target} s` : target}`

export const metricsPage = (): string => `# Metrics

<!-- Generated from engine/src/MetricDefinitions.ts and the rules by \`node scripts/operations.ts\`. -->

\`GET /metrics\` of the gateway is Prometheus text; \`AIEngine.getMetrics()\` gives the same to a library's host, and a host
that has a prom-client registry hands it in: \`new AIEngine(config, { registry })\`. Several engines may share one registry:
their counters add up. [prometheus.yml](prometheus.yml) scrapes the gateway, [recording.yml](recording.yml) and
[alerts.yml](alerts.yml) are its rules, [grafana/](grafana) has dashboards and their provisioning.

No label holds a tenant, a key or a request. A label never takes more than a few hundred values: models that the configuration
names (\`model\`, \`models\`, aliases) always have a label of their own, others from their first answer on, at most
${unconfiguredModelsMax} of them, and names of more than ${modelLabelMax} characters never; the rest is \`other\`. The first 50 configured
models, and the failures that alerts watch, are counted from 0 at the start, so that \`rate()\` sees the first of them.

| metric | type | labels | meaning |
|---|---|---|---|
${definitions.map(([name, definition]) => `| \`${name}\` | ${definition.type} | ${labelsOf(definition)} | ${definition.help} |`).join("\n")}

Buckets of \`ai_response_duration_seconds\`, \`ai_time_to_first_token_seconds\` and \`ai_rate_limit_wait_seconds\`:
${bucketsOf("ai_response_duration_seconds")}. Of \`ai_overhead_seconds\`: ${bucketsOf("ai_overhead_seconds")}.

\`millrace serve\` adds Node's process metrics (\`process_*\`, \`nodejs_*\`), without three gauges that prom-client names like
counters (\`nodejs_active_handles_total\`, \`nodejs_active_requests_total\`, \`nodejs_active_resources_total\`): each is the sum of
the gauge of its name without \`_total\`.

## Labels
| label | values | metrics |
|---|---|---|
${labelRows().join("\n")}

## Recorded series
Every one is by \`job\`: instances of one deployment together. The plan's figures:

| figure | target | series |
|---|---|---|
${Object.values(kpis)
  .map((kpi) => `| ${kpi.title} | ${target(kpi)} | \`${kpi.record}\` |`)
  .join("\n")}

Against the objective of 99.9 % count failures whose fault is a provider's, a policy's or the engine's, but for
\`BudgetExceeded\`, \`PermissionDenied\` and \`CacheOnlyMiss\`, which a caller was told to expect, and what the gateway refuses
while it has no keys yet or shuts down; callers' faults and calls that they left don't count at all. Windows up to six hours are read from the counters, longer ones from the rates of five minutes.

${recordingGroups.map(({ name, rules }) => `- ${name}: ${rules.map(({ record }) => `\`${record}\``).join(", ")}`).join("\n")}

## Alerts
\`critical\` wakes somebody up, \`warning\` can wait for the morning. \`MillraceDown\` expects the job to be named \`millrace\`, as in
[prometheus.yml](prometheus.yml).

| alert | severity | after | what it says | runbook |
|---|---|---|---|---|
${alertingRules
  .map((rule) => {
    const says = rule.description
      .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, "*$1*")
      .replaceAll(/\{\{ \$value[^}]*\}\}/g, "*value*")
    return `| ${rule.alert} | ${rule.severity} | ${rule.for} | ${says} | [section](${runbookUrl(rule).replace("docs/operations/", "")}) |`
  })
  .join("\n")}
`
