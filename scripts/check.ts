/**
 * The static checks: types of every package, Effect's own diagnostics, lint, and formatting.
 *
 * Runs as `npm run check`, and as the first part of `npm test`. A check is a command that ends with 0; its output is
 * shown only when it fails. Nothing is changed: `npm run format` writes.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import path from "node:path"

export const root = path.resolve(import.meta.dirname, "..")

interface Check {
  readonly name: string
  /** A tool of `node_modules/.bin` and its arguments, which hold no spaces. */
  readonly command: string
}

/** How many checks passed and failed. */
export interface Tally {
  readonly passed: number
  readonly failed: number
}

const packages = ["engine", "test", "dashboard", "scripts", "docs/examples"]

const checks = (): ReadonlyArray<Check> => {
  const present = packages.filter((name) => existsSync(path.join(root, name)))
  const projects = present.filter((name) => existsSync(path.join(root, name, "tsconfig.json")))
  return [
    ...projects.map((name) => ({ name: `types: ${name}`, command: `tsc --noEmit -p ${name}` })),
    {
      name: "effect: engine",
      command:
        "effect-tsgo diagnostics --project engine/tsconfig.json --lspconfig {} --severity error,warning --strict --format text"
    },
    { name: "lint", command: `oxlint --type-aware --deny-warnings ${present.join(" ")}` },
    { name: "format", command: `oxfmt --check ${present.join(" ")}` }
  ]
}

const run = (check: Check): Promise<{ readonly code: number; readonly output: string }> =>
  new Promise((resolve) => {
    const [tool, ...args] = check.command.split(" ")
    const child = spawn(path.join(root, "node_modules/.bin", tool!), args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    const append = (chunk: Buffer) => {
      output += chunk.toString()
    }
    child.stdout.on("data", append)
    child.stderr.on("data", append)
    child.on("error", (error) => resolve({ code: 1, output: error.message }))
    child.on("close", (code) => resolve({ code: code ?? 1, output }))
  })

/** Runs every check, one after the other, and prints one line for each. */
export const runChecks = async (): Promise<Tally> => {
  let passed = 0
  let failed = 0
  for (const check of checks()) {
    const startedAt = performance.now()
    const { code, output } = await run(check)
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    if (code === 0) passed++
    else failed++
    console.log(`${code === 0 ? "✓" : "✗"} ${check.name} (${seconds} s)`)
    if (code !== 0) console.log(output.trimEnd())
  }
  return { passed, failed }
}

if (import.meta.main) {
  const { failed } = await runChecks()
  process.exitCode = failed === 0 ? 0 : 1
}
