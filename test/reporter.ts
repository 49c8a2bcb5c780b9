/**
 * Writes the figures of a run to the file named by `MILLRACE_TEST_SUMMARY`: passed, failed, and what was skipped and why.
 *
 * A file that can't be loaded and an error outside of a test count as one failure each. The reason of a skip is the
 * text given to `context.skip("…")`; a suite that skips itself says why in its name.
 */
import { writeFileSync } from "node:fs"
import path from "node:path"
import type { Reporter, SerializedError, TestModule } from "vitest/node"

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<SerializedError>): void {
    const file = process.env.MILLRACE_TEST_SUMMARY
    if (file === undefined) return
    let passed = 0
    let failed = unhandledErrors.length
    const skipped = new Map<string, { suite: string; count: number; reason: string }>()
    for (const module of modules) {
      const failures = failed
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === "passed") passed++
        else if (result.state === "skipped") {
          const suite = path.relative(import.meta.dirname, module.moduleId)
          const reason = result.note ?? test.fullName
          const entry = skipped.get(`${suite}\n${reason}`)
          if (entry === undefined) skipped.set(`${suite}\n${reason}`, { suite, count: 1, reason })
          else entry.count++
        } else failed++
      }
      if (failed === failures && module.state() === "failed") failed++
    }
    writeFileSync(file, JSON.stringify({ passed, failed, skipped: [...skipped.values()] }))
  }
}
