/**
 * `pnpm bench [suite…] [--json] [--quick] [--profile] [--only NAME] [--pairs FILE]`: measures Millrace beside its peers.
 *
 * Each suite runs in a process of its own, its entries paired round by round. Tables go to the terminal, everything to
 * `.bench/<date>.json`. `--profile` records a CPU profile of each suite and lists the functions with the most self time.
 * `bench semantic --json` prints what the gate does with labelled pairs (of `--pairs FILE`) as one object, for scripts.
 */
import { fork } from "node:child_process"
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import path from "node:path"
import { parseArgs } from "node:util"
import { summarize } from "./profile.ts"
import { render, type Options, type Table } from "./report.ts"

const suites = [
  "call",
  "hit",
  "stream",
  "limiter",
  "budgets",
  "cache",
  "savings",
  "kpi",
  "metrics",
  "tokens",
  "vectors",
  "lookups",
  "usage",
  "gateway",
  "cluster",
  "chaos",
  "semantic"
] as const

const folder = path.resolve(import.meta.dirname, "../../.bench")

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    only: { type: "string" },
    pairs: { type: "string" },
    help: { type: "boolean", short: "h", default: false }
  }
})

const pairs = values.pairs === undefined ? undefined : path.resolve(values.pairs)

interface Measured {
  readonly suite: string
  readonly tables: ReadonlyArray<Table>
}

/** Runs one suite in a child; the collector is exposed to those that measure memory. */
const measure = (suite: string): Promise<Measured> =>
  new Promise((resolve, reject) => {
    const profiles = values.profile ? mkdtempSync(path.join(folder, `${suite}-`)) : undefined
    const options: Options = { quick: values.quick, only: values.only, profiles, pairs }
    const child = fork(path.join(import.meta.dirname, "child.ts"), [], {
      execArgv: ["--expose-gc"],
      env: { ...process.env, NODE_ENV: "production", NODE_NO_WARNINGS: "1" },
      stdio: ["ignore", "inherit", "inherit", "ipc"]
    })
    let tables: ReadonlyArray<Table> | undefined
    child.once("message", (message: { readonly tables: ReadonlyArray<Table> }) => {
      tables = message.tables
    })
    child.once("error", reject)
    child.once("exit", (code) => {
      if (tables === undefined) return reject(new Error(`${suite} ended with ${code} before it had measured anything`))
      resolve({ suite, tables })
      if (profiles !== undefined) console.error(summarize(profiles))
    })
    child.send({ suite, options })
  })

if (values.help) {
  console.log(
    `pnpm bench [suite…] [--json] [--quick] [--profile] [--only NAME] [--pairs FILE]\n\nSuites: ${suites.join(", ")}`
  )
} else if (values.json && positionals.length === 1 && positionals[0] === "semantic") {
  const { report } = await import("./semantic.ts")
  console.log(JSON.stringify(report(pairs)))
} else {
  const unknown = positionals.find((name) => !suites.includes(name as (typeof suites)[number]))
  if (unknown !== undefined) {
    console.error(`There is no suite ${JSON.stringify(unknown)}; there are ${suites.join(", ")}.`)
    process.exit(2)
  }
  mkdirSync(folder, { recursive: true })
  const measured: Array<Measured> = []
  for (const suite of positionals.length === 0 ? suites : positionals) {
    const startedAt = performance.now()
    measured.push(await measure(suite))
    if (values.json) continue
    for (const table of measured.at(-1)!.tables) console.log(`${render(table)}\n`)
    console.log(`(${suite}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s)\n`)
  }
  const result = {
    time: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    quick: values.quick,
    suites: measured
  }
  const file = path.join(folder, `${result.time.replaceAll(":", "-").slice(0, 19)}.json`)
  writeFileSync(file, JSON.stringify(result, undefined, 2))
  if (values.json) console.log(JSON.stringify(result))
  else console.log(`Written to ${path.relative(process.cwd(), file)}`)
}
