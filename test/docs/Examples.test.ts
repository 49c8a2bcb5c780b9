/**
 * The examples of the documentation run, and print what their `// =>` comments say.
 */
import { execFile } from "node:child_process"
import { readFileSync, readdirSync } from "node:fs"
import path from "node:path"
import { promisify } from "node:util"
import { expect, it } from "vitest"

const examples = path.resolve(import.meta.dirname, "../../docs/examples")
const run = promisify(execFile)

/** Examples that need a running gateway are run by the conformance suites of their client. */
const needsGateway = new Set(["openai-sdk.ts"])

const files = readdirSync(examples).filter((file) => file.endsWith(".ts") && !needsGateway.has(file))

it.each(files)("docs/examples/%s prints what it says", async (file) => {
  const source = readFileSync(path.join(examples, file), "utf8")
  const expected = [...source.matchAll(/\/\/ => (.+)$/gm)].map((match) => match[1]!.trim())
  const { stdout } = await run(process.execPath, [path.join(examples, file)], { cwd: examples })
  expect(expected.length).toBeGreaterThan(0)
  for (const line of expected) expect(stdout).toContain(line)
})
