/**
 * `npm test`: the static checks, then every test in one vitest run.
 *
 * Arguments go to vitest (`npm test -- engine/Cache`); with arguments the static checks are left out. The last line is
 * `N passed, M failed`, with `, K skipped` where something was, and the exit code says the same.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { root, runChecks } from "./check.ts"

/** What `test/reporter.ts` writes at the end of a run. */
interface Summary {
  readonly passed: number
  readonly failed: number
  readonly skipped: ReadonlyArray<{ readonly suite: string; readonly count: number; readonly reason: string }>
}

const runVitest = async (args: ReadonlyArray<string>): Promise<Summary> => {
  const folder = mkdtempSync(path.join(tmpdir(), "millrace-test-"))
  const file = path.join(folder, "summary.json")
  try {
    const code = await new Promise<number>((resolve) => {
      const child = spawn(process.execPath, [path.join(root, "test/node_modules/vitest/dist/cli.js"), "run", ...args], {
        cwd: path.join(root, "test"),
        stdio: "inherit",
        env: { ...process.env, MILLRACE_TEST_SUMMARY: file }
      })
      child.on("error", (error) => {
        console.error(error.message)
        resolve(1)
      })
      child.on("close", (exitCode) => resolve(exitCode ?? 1))
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal))
    })
    const summary = readSummary(file)
    return code !== 0 && summary.failed === 0 ? { ...summary, failed: 1 } : summary
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A run that ended without its summary counts as one failure. */
const readSummary = (file: string): Summary => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Summary
  } catch {
    return { passed: 0, failed: 1, skipped: [] }
  }
}

const args = process.argv.slice(2)
const checked = args.length === 0 ? await runChecks() : { passed: 0, failed: 0 }
const tested = await runVitest(args)

if (tested.skipped.length > 0) {
  console.log("\nSkipped:")
  for (const { suite, count, reason } of tested.skipped) console.log(`  ${suite} (${count}): ${reason}`)
}
if (args.length === 0) console.log(`\nStatic checks: ${checked.passed} passed, ${checked.failed} failed`)
const passed = checked.passed + tested.passed
const failed = checked.failed + tested.failed
const skipped = tested.skipped.reduce((sum, entry) => sum + entry.count, 0)
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
process.exitCode = failed === 0 ? 0 : 1
