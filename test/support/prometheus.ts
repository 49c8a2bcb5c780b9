/**
 * A real Prometheus and its `promtool`: scrapes what a test serves, several times a second, and answers PromQL.
 *
 * Each one has a folder and a free loopback port of its own and evaluates the rules it is given as often as it scrapes.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { freePort } from "./processes.ts"

/** Why there is no Prometheus; undefined where there is one. */
export const noPrometheus = ["prometheus", "promtool"].every((tool) => spawnSync(tool, ["--version"]).status === 0)
  ? undefined
  : "prometheus and promtool are not installed"

/** Runs `promtool`; gives its exit code and what it wrote. */
export const promtool = (
  args: ReadonlyArray<string>,
  input = ""
): { readonly code: number; readonly output: string } => {
  const { status, stderr, stdout } = spawnSync("promtool", args, { input, encoding: "utf8" })
  return { code: status ?? 1, output: stdout + stderr }
}

export interface Sample {
  readonly labels: { readonly [label: string]: string }
  readonly value: number
}

export interface Prometheus {
  readonly url: string
  /** Samples of an expression now; fails with Prometheus' own words. */
  readonly query: (expression: string) => Promise<ReadonlyArray<Sample>>
  /** The one value of an expression. */
  readonly value: (expression: string) => Promise<number>
  /** Settles when every target was scraped, and rules evaluated, after now. */
  readonly scraped: () => Promise<void>
  readonly stop: () => Promise<void>
}

export interface PrometheusOptions {
  /** Addresses (`http://host:port`) whose `/metrics` are the job `millrace`. */
  readonly targets: ReadonlyArray<string>
  /** What it shows to targets as a bearer token. */
  readonly token?: string
  /** Absolute paths of rule files. */
  readonly rules?: ReadonlyArray<string>
}

const intervalMs = 500
const startWithinMs = 30_000

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export const startPrometheus = async ({ rules = [], targets, token }: PrometheusOptions): Promise<Prometheus> => {
  const folder = mkdtempSync(path.join(tmpdir(), "millrace-prometheus-"))
  const file = path.join(folder, "prometheus.yml")
  const hosts = targets.map((target) => new URL(target).host)
  writeFileSync(
    file,
    JSON.stringify({
      global: {
        scrape_interval: `${intervalMs}ms`,
        scrape_timeout: `${intervalMs}ms`,
        evaluation_interval: `${intervalMs}ms`
      },
      rule_files: rules,
      scrape_configs: [
        {
          job_name: "millrace",
          static_configs: [{ targets: hosts }],
          ...(token === undefined ? {} : { authorization: { credentials: token } })
        }
      ]
    })
  )
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(
    "prometheus",
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${path.join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`
    ],
    { stdio: ["ignore", "ignore", "pipe"] }
  )
  let output = ""
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  let ended = false
  const exit = new Promise<void>((resolve) =>
    child.on("close", () => {
      ended = true
      resolve()
    })
  )

  const query: Prometheus["query"] = async (expression) => {
    const body = new URLSearchParams({ query: expression })
    const answer = (await (await fetch(`${url}/api/v1/query`, { method: "POST", body })).json()) as {
      readonly status: string
      readonly error?: string
      readonly data?: { readonly resultType: string; readonly result: ReadonlyArray<unknown> }
    }
    if (answer.data === undefined) throw new Error(`${expression}: ${answer.error}`)
    if (answer.data.resultType === "scalar") return [{ labels: {}, value: Number(answer.data.result[1]) }]
    return (answer.data.result as ReadonlyArray<{ metric: Sample["labels"]; value: [number, string] }>).map((each) => ({
      labels: each.metric,
      value: Number(each.value[1])
    }))
  }

  const value: Prometheus["value"] = async (expression) => {
    const found = await query(expression)
    if (found.length !== 1) throw new Error(`${expression} has ${found.length} values: ${JSON.stringify(found)}`)
    return found[0]!.value
  }

  const until = async (holds: () => Promise<boolean>, what: string): Promise<void> => {
    const lastMs = Date.now() + startWithinMs
    while (!(await holds().catch(() => false))) {
      if (ended || Date.now() > lastMs) throw new Error(`${what} did not happen:\n${output}`)
      await pause(50)
    }
  }

  const scraped = async () => {
    const sinceSeconds = Date.now() / 1000
    // Of an expression that is more than a selector `timestamp` would be the time of the query.
    const up = 'up{job="millrace"}'
    const fresh = `count(timestamp(${up}) > ${sinceSeconds} and ${up} == 1) == ${hosts.length}`
    await until(async () => (await query(fresh)).length > 0, "a scrape")
    if (rules.length === 0) return
    const evaluated = Date.now() / 1000
    await until(async () => (await groupsEvaluatedAt(url)) > evaluated, "an evaluation of the rules")
  }

  const stop = async () => {
    child.kill("SIGTERM")
    await exit
    rmSync(folder, { recursive: true, force: true })
  }

  try {
    await until(async () => (await fetch(`${url}/-/ready`)).ok, "the start of Prometheus")
    await scraped()
  } catch (error) {
    await stop()
    throw error
  }
  return { url, query, value, scraped, stop }
}

/** When the rule group that was evaluated longest ago was evaluated, in seconds. */
const groupsEvaluatedAt = async (url: string): Promise<number> => {
  const { data } = (await (await fetch(`${url}/api/v1/rules`)).json()) as {
    readonly data: { readonly groups: ReadonlyArray<{ readonly lastEvaluation: string }> }
  }
  return Math.min(...data.groups.map(({ lastEvaluation }) => Date.parse(lastEvaluation) / 1000))
}
