/**
 * What `docs/operations` has for Prometheus and Grafana: it is what the generator writes, Prometheus accepts it, and every
 * alert has a test of its own that shows when it fires and when it does not.
 */
import { parse } from "effect/encoding/Yaml"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { collectDefaultMetrics, Registry } from "prom-client"
import { describe, expect, it } from "vitest"
import { operationsFiles, operationsFolder } from "../../scripts/operations.ts"
import { alertingRules, recordingGroups, runbookUrl } from "../../scripts/operations-rules.ts"
import { noPrometheus, promtool } from "../support/prometheus.ts"

const rulesFolder = path.join(import.meta.dirname, "rules")
const testFiles = readdirSync(rulesFolder)

interface RuleTests {
  readonly tests: ReadonlyArray<{
    readonly alert_rule_test?: ReadonlyArray<{
      readonly alertname: string
      readonly exp_alerts: ReadonlyArray<unknown>
    }>
    readonly promql_expr_test?: ReadonlyArray<{ readonly expr: string }>
  }>
}

const testsOf = (file: string) => (parse(readFileSync(path.join(rulesFolder, file), "utf8")) as RuleTests).tests

describe("docs/operations", () => {
  it.each(Object.entries(operationsFiles()))("%s is what `node scripts/operations.ts` writes", (file, text) => {
    expect(readFileSync(path.join(operationsFolder, file), "utf8")).toBe(text)
  })

  it("provisions the dashboards and the data source that they choose at first", () => {
    const read = (file: string) =>
      parse(readFileSync(path.join(operationsFolder, "grafana/provisioning", file), "utf8")) as Record<string, any>
    const source = read("datasources/prometheus.yml")["datasources"][0]
    expect(source).toMatchObject({ type: "prometheus", uid: "prometheus", url: "${PROMETHEUS_URL}" })
    expect(read("dashboards/millrace.yml")["providers"][0].options.path).toMatch(/^\//)
    const scrape = parse(readFileSync(path.join(operationsFolder, "prometheus.yml"), "utf8")) as Record<string, any>
    expect(source.jsonData.timeInterval).toBe(scrape["global"].scrape_interval)
  })

  it("has a section of the runbook for every alert", (context) => {
    const runbook = path.join(operationsFolder, "runbook.md")
    if (!existsSync(runbook)) return context.skip("docs/operations/runbook.md is not written yet")
    const headings = [...readFileSync(runbook, "utf8").matchAll(/^#+ +(\S+)\s*$/gm)].map((found) =>
      found[1]!.toLowerCase()
    )
    expect(
      alertingRules.map((rule) => runbookUrl(rule).split("#")[1]).filter((name) => !headings.includes(name!))
    ).toEqual([])
  })
})

describe("the tests of rules", () => {
  it("show for every alert that it fires and that it does not, each in a file of its own", () => {
    for (const { alert } of alertingRules) {
      expect(testFiles).toContain(`${alert}.yml`)
      const cases = testsOf(`${alert}.yml`).flatMap((test) => test.alert_rule_test ?? [])
      const own = cases.filter(({ alertname }) => alertname === alert)
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length > 0),
        `${alert} fires`
      ).toBe(true)
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length === 0),
        `${alert} does not fire`
      ).toBe(true)
    }
    expect(testFiles.length).toBe(alertingRules.length + 1)
  })

  it("cover every figure of the plan", () => {
    const asked = testsOf("recording.yml").flatMap((test) => test.promql_expr_test ?? [])
    const figures = recordingGroups.find(({ name }) => name === "millrace-kpis")!.rules
    // The hit rates of longer windows are shown by the alert that reads them.
    const own = figures.filter(({ record }) => !/ratio_rate(30m|1d)$/.test(record))
    const missing = own.filter(({ record }) => !asked.some(({ expr }) => expr.includes(record)))
    expect(missing.map(({ record }) => record)).toEqual([])
  })
})

const suite = noPrometheus === undefined ? "promtool" : `promtool (skipped: ${noPrometheus})`

describe.skipIf(noPrometheus !== undefined)(suite, () => {
  it("accepts the rules and the configuration", () => {
    const rules = ["recording.yml", "alerts.yml"].map((file) => path.join(operationsFolder, file))
    expect(promtool(["check", "rules", ...rules])).toMatchObject({ code: 0 })
    expect(promtool(["check", "config", path.join(operationsFolder, "prometheus.yml")])).toMatchObject({ code: 0 })
  })

  it.each(testFiles)("test rules: %s", (file) => {
    const { code, output } = promtool(["test", "rules", path.join(rulesFolder, file)])
    expect(code, output).toBe(0)
  })

  it("finds only three gauges that are named like counters in prom-client's process metrics: those that we leave out", async () => {
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const { output } = promtool(["check", "metrics"], await registry.metrics())
    const found = output.split("\n").filter((line) => line !== "")
    expect(found.map((line) => line.split(" ")[0])).toEqual([
      "nodejs_active_handles_total",
      "nodejs_active_requests_total",
      "nodejs_active_resources_total"
    ])
  })
})
