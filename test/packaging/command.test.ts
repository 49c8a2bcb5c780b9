/**
 * The `millrace` command of the workspace: the quick bundle while it is made of the sources, else the sources.
 */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const root = path.resolve(import.meta.dirname, "../..")

/** A workspace with a command of two files, and a bundle that says which of them ran. */
const makeWorkspace = (): string => {
  const folder = mkdtempSync(path.join(tmpdir(), "millrace-command-"))
  cpSync(path.join(root, "engine/bin"), path.join(folder, "engine/bin"), { recursive: true })
  for (const name of ["engine/src/cli", "engine/bundle"]) mkdirSync(path.join(folder, name), { recursive: true })
  writeFileSync(path.join(folder, "engine/package.json"), `{ "type": "module" }`)
  writeFileSync(path.join(folder, "pnpm-lock.yaml"), "lockfileVersion: 9")
  writeFileSync(path.join(folder, "engine/src/cli/main.ts"), `console.log("sources")`)
  writeFileSync(path.join(folder, "engine/bundle/main.js"), `console.log("bundle")`)
  return folder
}

describe("the command of the workspace", () => {
  let folder: string
  const runs = () =>
    spawnSync(process.execPath, [path.join(folder, "engine/bin/millrace.js")], { encoding: "utf8" }).stdout.trim()

  beforeAll(async () => {
    folder = makeWorkspace()
    const { fingerprint } = (await import(path.join(folder, "engine/bin/fingerprint.js"))) as {
      fingerprint: () => string
    }
    writeFileSync(path.join(folder, "engine/bundle/sources.sha256"), fingerprint())
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("runs the bundle that was made from the sources", () => expect(runs()).toBe("bundle"))

  it("runs the sources once one of them, or a dependency, has changed", () => {
    const lockfile = path.join(folder, "pnpm-lock.yaml")
    writeFileSync(lockfile, "lockfileVersion: 9 # newer")
    expect(runs()).toBe("sources")
    writeFileSync(lockfile, "lockfileVersion: 9")
    expect(runs()).toBe("bundle")
    writeFileSync(path.join(folder, "engine/src/Other.ts"), "export {}")
    expect(runs()).toBe("sources")
  })

  it("runs the sources where nothing was bundled", () => {
    rmSync(path.join(folder, "engine/bundle"), { recursive: true })
    expect(runs()).toBe("sources")
  })

  it("is what `millrace` means here", () => {
    const manifest = JSON.parse(readFileSync(path.join(root, "engine/package.json"), "utf8")) as {
      bin: { millrace: string }
    }
    expect(manifest.bin.millrace).toBe("./bin/millrace.js")
  })
})
