/**
 * The recording and alerting rules of `docs/operations`, as Prometheus reads them.
 *
 * Everything is by `job`: instances of one deployment are judged together, deployments apart. Each alert names the section
 * of the runbook that says what to do. The rules' own tests are in `test/operations/rules`.
 */
import type { EngineError } from "../engine/src/Errors.ts"
import { burnRates, errorBudget, failureRatio, kpis } from "./operations-objectives.ts"
import { among, not, notAmong, promql } from "./operations-promql.ts"

export interface RecordingRule {
  readonly record: string
  readonly expr: string
}

export interface AlertingRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  /** `critical` wakes somebody up, `warning` can wait for the morning. */
  readonly severity: "critical" | "warning"
  readonly summary: string
  readonly description: string
}

const byJob = promql({ by: ["job"] })

/** Failures that count against the objective: not the caller's mistakes, nor what a caller is not allowed to do. */
const excused: ReadonlyArray<EngineError["_tag"]> = ["BudgetExceeded", "PermissionDenied", "CacheOnlyMiss"]
const counted = { fault: not("caller"), kind: notAmong(...excused) } as const

/** The gateway refused everybody, whoever asked. */
const closed: ReadonlyArray<EngineError["_tag"]> = ["KeysUnavailable", "ShuttingDown"]

const failed = [byJob.series("ai_errors_total", counted), byJob.series("ai_refused_total", { kind: among(...closed) })]
const failures = (window: string) => byJob.rateOfAll(failed, window)
const successes = (window: string) => byJob.rate("ai_requests_total", window, { where: { status: "success" } })

/** A share of two amounts: the first of both. */
const shareOf = (part: string, rest: string) => `${part}\n/\n(\n  ${part}\n  +\n  ${rest}\n)`

const hits = (window: string) => byJob.rate("ai_cache_hits_total", window, { where: { type: not("miss") } })
const lookups = (window: string) => byJob.rate("ai_cache_hits_total", window)

const objectiveRates: ReadonlyArray<RecordingRule> = [
  { record: "job:ai_objective_failures:rate5m", expr: failures("5m") },
  { record: "job:ai_objective_requests:rate5m", expr: `${successes("5m")}\n+\n${failures("5m")}` }
]

/** Windows up to six hours are read from the counters; longer ones from the rates of 5 minutes, which are two series. */
const objectiveRatios: ReadonlyArray<RecordingRule> = [
  ...["5m", "30m", "1h", "2h", "6h"].map((window) => ({
    record: failureRatio(window),
    expr: shareOf(failures(window), successes(window))
  })),
  ...["1d", "3d", "30d"].map((window) => ({
    record: failureRatio(window),
    expr:
      `sum_over_time(job:ai_objective_failures:rate5m[${window}])\n/\n` +
      `sum_over_time(job:ai_objective_requests:rate5m[${window}])`
  }))
]

const kpiRules: ReadonlyArray<RecordingRule> = [
  { record: kpis.latency.record, expr: byJob.quantile(0.95, "ai_response_duration_seconds", "5m") },
  { record: kpis.hitRate.record, expr: `${hits("5m")}\n/\n${lookups("5m")}` },
  { record: "job:ai_cache_hits:ratio_rate30m", expr: `${hits("30m")}\n/\n${lookups("30m")}` },
  { record: "job:ai_cache_hits:ratio_rate1d", expr: `${hits("1d")}\n/\n${lookups("1d")}` },
  {
    record: kpis.errors.record,
    expr:
      `(\n  ${byJob.rate("ai_requests_total", "5m", { where: { status: "error" } })}\n  -\n` +
      `  ${byJob.rate("ai_errors_total", "5m", { where: { kind: "Cancelled" } })}\n)\n/\n` +
      byJob.rate("ai_requests_total", "5m")
  },
  { record: kpis.throughput.record, expr: `60 * ${byJob.rate("ai_requests_total", "5m")}` },
  {
    record: kpis.cost.record,
    expr: shareOf(byJob.rate("ai_saved_usd_total", "1h"), byJob.rate("ai_cost_usd_total", "1h"))
  },
  {
    record: "job:ai_tokens:saved_ratio_rate1h",
    expr: shareOf(
      byJob.rate("ai_saved_tokens_total", "1h"),
      byJob.rate("ai_tokens_used_total", "1h", { where: { type: among("prompt", "completion") } })
    )
  },
  { record: kpis.success.record, expr: `1 - ${failureRatio("30d")}` }
]

export const recordingGroups: ReadonlyArray<{ readonly name: string; readonly rules: ReadonlyArray<RecordingRule> }> = [
  { name: "millrace-objective", rules: [...objectiveRates, ...objectiveRatios] },
  { name: "millrace-kpis", rules: kpiRules }
]

/** Both windows burn: the long one says that it matters, the short one that it is not over. */
const burns = (rates: ReadonlyArray<{ readonly long: string; readonly short: string; readonly factor: number }>) =>
  rates
    .map(({ factor, long, short }) => {
      const over = `> ${factor} * ${errorBudget}`
      return `(${failureRatio(long)} ${over} and ${failureRatio(short)} ${over})`
    })
    .join("\nor\n")

/** So many requests that a share of them says something. */
const enough = (requests: number, window: string) => `${byJob.increase("ai_requests_total", window)} > ${requests}`

const seconds = { "6h": 6 * 3600, "3d": 3 * 86_400 }

/** How many failures there were. */
const failuresIn = (window: keyof typeof seconds) => `${seconds[window]} * ${failures(window)}`

/** A few failures of a quiet night are not an outage. */
const fewFailures = 5

const providerOf = { by: ["provider"] } as const
const refusals = byJob.rate("ai_attempts_total", "5m", { ...providerOf, where: { outcome: "rate_limited" } })

export const alertingRules: ReadonlyArray<AlertingRule> = [
  {
    alert: "MillraceDown",
    expr: 'up{job="millrace"} == 0',
    for: "1m",
    severity: "critical",
    summary: "{{ $labels.instance }} does not answer",
    description: "Prometheus has not been able to scrape {{ $labels.instance }} of {{ $labels.job }} for a minute."
  },
  {
    alert: "MillraceErrorRateHigh",
    expr: `${failureRatio("5m")} > 0.01\nand\n300 * job:ai_objective_requests:rate5m > 20`,
    for: "5m",
    severity: "warning",
    summary: "{{ $value | humanizePercentage }} of requests fail at {{ $labels.job }}",
    description:
      "More than 1 % of the requests of the last 5 minutes failed, not counting what callers did wrong or were not allowed to do."
  },
  {
    alert: "MillraceErrorBudgetBurnsFast",
    expr: `(\n${burns(burnRates.fast)}\n)\nand\n${failuresIn("6h")} > ${fewFailures}`,
    for: "2m",
    severity: "critical",
    summary: "{{ $labels.job }} will miss 99.9 % success within days",
    description:
      "{{ $value | humanizePercentage }} of requests fail: at least 14.4 times (1 h and 5 min) or 6 times (6 h and 30 min) " +
      "what 99.9 % success over 30 days allows."
  },
  {
    alert: "MillraceErrorBudgetBurnsSlowly",
    expr: `(\n${burns(burnRates.slow)}\n)\nand\n${failuresIn("3d")} > ${fewFailures}`,
    for: "15m",
    severity: "warning",
    summary: "{{ $labels.job }} will miss 99.9 % success this month",
    description:
      "{{ $value | humanizePercentage }} of requests fail: at least 3 times (1 day and 2 h) or as much as (3 days and 6 h) " +
      "what 99.9 % success over 30 days allows."
  },
  {
    alert: "MillraceLatencyHigh",
    expr: `${kpis.latency.record} > ${kpis.latency.target}\nand\n${enough(20, "5m")}`,
    for: "10m",
    severity: "warning",
    summary: "p95 response time of {{ $labels.job }} is {{ $value | humanizeDuration }}",
    description: "One request in twenty has taken longer than 2 s for ten minutes."
  },
  {
    alert: "MillraceProviderDown",
    // An open circuit lets a call try every now and then: between two tries it is half open for a moment.
    expr: `${byJob.highest("ai_circuit_state", "1m", providerOf)} == 2`,
    for: "2m",
    severity: "warning",
    summary: "{{ $labels.provider }} is down",
    description:
      "The circuit of {{ $labels.provider }} at {{ $labels.job }} has been open for two minutes: too many of its calls failed. " +
      "Requests with another candidate go there, others fail."
  },
  {
    alert: "MillraceQueueSaturated",
    expr:
      `${byJob.gauge("ai_queue_depth", "max", providerOf)} > 0.8 * ${byJob.gauge("ai_queue_limit", "max", providerOf)}\nor\n` +
      `${byJob.gauge("ai_queue_oldest_wait_seconds", "max", providerOf)} > 0.8 * ` +
      byJob.gauge("ai_queue_wait_limit_seconds", "max", providerOf),
    for: "2m",
    severity: "warning",
    summary: "The queue of {{ $labels.provider }} is nearly full",
    description:
      "At {{ $labels.job }} more than 80 % of queue.maxWaiting requests wait for {{ $labels.provider }}, or the first of them " +
      "has waited for more than 80 % of queue.maxWait. Past either bound requests are refused."
  },
  {
    alert: "MillraceUpstreamRateLimited",
    expr:
      `${refusals}\n/\n${byJob.rate("ai_attempts_total", "5m", providerOf)} > 0.05\nand\n` +
      `${byJob.increase("ai_attempts_total", "5m", { ...providerOf, where: { outcome: "rate_limited" } })} > ${fewFailures}`,
    for: "5m",
    severity: "warning",
    summary: "{{ $labels.provider }} answers {{ $value | humanizePercentage }} of calls with 429",
    description:
      "The limits that {{ $labels.job }} keeps for {{ $labels.provider }} are higher than the provider's own, somebody else uses " +
      "the same account, or its quota is used up."
  },
  {
    alert: "MillraceBudgetNearlySpent",
    expr: `max by (job, budget, scope) (${promql().series("ai_budget_used_ratio")}) > 0.8`,
    for: "1m",
    severity: "warning",
    summary: "{{ $value | humanizePercentage }} of the budget {{ $labels.budget }} is used",
    description:
      "More than 80 % of {{ $labels.budget }} ({{ $labels.scope }}) at {{ $labels.job }} is spent or reserved in its current " +
      "period. At 100 % requests are refused."
  },
  {
    alert: "MillraceCacheHitRateCollapsed",
    expr:
      "job:ai_cache_hits:ratio_rate30m < 0.5 * job:ai_cache_hits:ratio_rate1d offset 30m\nand\n" +
      `job:ai_cache_hits:ratio_rate1d offset 30m > 0.1\nand\n${byJob.increase("ai_cache_hits_total", "30m")} > 100`,
    for: "10m",
    severity: "warning",
    summary: "The cache of {{ $labels.job }} answers only {{ $value | humanizePercentage }} of lookups",
    description: "The hit rate of the last 30 minutes is less than half of that of the day before."
  },
  {
    alert: "MillraceRedisDown",
    expr: `max by (job, instance) (${promql().series("ai_redis_down")}) > 0`,
    for: "2m",
    severity: "warning",
    summary: "{{ $labels.instance }} goes without Redis",
    description:
      "Redis is away or late for {{ $labels.instance }} of {{ $labels.job }}: limits are local shares and answers are not shared. " +
      "Requests are not affected."
  },
  {
    alert: "MillraceUsageRowsDropped",
    expr: `${byJob.increase("ai_usage_rows_dropped_total", "10m")} > 0`,
    for: "0m",
    severity: "warning",
    summary: "{{ $labels.job }} loses usage rows",
    description:
      "{{ $value | humanize }} usage rows were dropped in the last 10 minutes, since the database did not take them: reports and " +
      "bills will be short. Requests are not affected."
  }
]

export const runbookUrl = ({ alert }: AlertingRule) => `docs/operations/runbook.md#${alert.toLowerCase()}`

const header = (what: string) =>
  `# ${what}\n# Generated from scripts/operations-rules.ts by \`node scripts/operations.ts\`; tests are in test/operations/rules.\n`

/** Any text as a YAML scalar in double quotes. */
const quoted = (text: string) => JSON.stringify(text)

const block = (text: string, indent: string) =>
  text.includes("\n") ? `|-\n${text.replaceAll(/^/gm, indent)}` : text.includes(": ") ? quoted(text) : text

export const recordingYaml = (): string =>
  `${header("Recording rules: the KPIs of Millrace, and the failures that burn its error budget.")}groups:\n` +
  recordingGroups
    .map(
      ({ name, rules }) =>
        `  - name: ${name}\n    rules:\n` +
        rules
          .map(({ expr, record }) => `      - record: ${record}\n        expr: ${block(expr, "          ")}\n`)
          .join("")
    )
    .join("")

export const alertsYaml = (): string =>
  `${header("Alerting rules; they need recording.yml.")}groups:\n  - name: millrace-alerts\n    rules:\n` +
  alertingRules
    .map(
      (rule) =>
        `      - alert: ${rule.alert}\n` +
        `        expr: ${block(rule.expr, "          ")}\n` +
        `        for: ${rule.for}\n` +
        `        labels:\n          severity: ${rule.severity}\n` +
        `        annotations:\n` +
        `          summary: ${quoted(rule.summary)}\n` +
        `          description: ${quoted(rule.description)}\n` +
        `          runbook_url: ${quoted(runbookUrl(rule))}\n`
    )
    .join("")
