/**
 * Lines of the log are written through `Log.ts` alone: what it can't say can't get into a log.
 */
import { readFileSync } from "node:fs"
import path from "node:path"
import { expect, it } from "vitest"
import { filesOf, root } from "./sources.ts"

const engine = path.join(root, "engine/src")

const sources = filesOf(engine).filter((file) => file.endsWith(".ts") && file !== "Log.ts")

it("nothing in the engine logs but through Log.ts", () => {
  expect(sources.filter((file) => /\b(Effect|Logger)\.log/.test(withoutComments(file)))).toEqual([])
})

it("nothing writes to the console but the console's loggers, and commands to their users", () => {
  const written = sources.filter((file) => /\bconsole\.\w+\(/.test(withoutComments(file)))
  expect(written.filter((file) => !file.startsWith("cli/"))).toEqual(["LogConsole.ts"])
})

const withoutComments = (file: string): string =>
  readFileSync(path.join(engine, file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "")
