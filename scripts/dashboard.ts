/**
 * Builds the dashboard when its build is missing or was made from other sources.
 *
 * What the build was made from is a hash over the dashboard's files, the part of the engine that it imports, and the
 * lockfile, kept beside the build; times of files play no part, so a checkout does not cause a build.
 */
import { createHash } from "node:crypto"
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { start, type Child } from "./child.ts"

const root = path.resolve(import.meta.dirname, "..")
const dashboard = path.join(root, "dashboard")
const stamp = path.join(dashboard, ".next/millrace-sources")

/** The server that `next build` leaves behind. */
export const serverFile = path.join(dashboard, ".next/standalone/dashboard/server.js")

export const isBuilt = (): boolean =>
  existsSync(serverFile) && existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint()

/**
 * Runs `next build` and says on the terminal how long it has been at it. Fails with the output of the build.
 * `started` receives the running build, so that a signal can end it.
 */
export const build = async (started: (child: Child) => void): Promise<void> => {
  const sources = fingerprint()
  rmSync(stamp, { force: true })
  const child = start({
    name: "the build of the dashboard",
    command: process.execPath,
    args: [path.join(dashboard, "node_modules/next/dist/bin/next"), "build"],
    cwd: dashboard,
    env: { NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" },
    output: "keep"
  })
  started(child)
  const progress = showProgress("Building the dashboard (next build, once)")
  const code = await child.ended
  progress.end()
  if (code !== 0) throw new Error(`next build ended with ${code}:\n${child.output()}`)
  // The standalone server serves these only when they lie beside it.
  cpSync(path.join(dashboard, ".next/static"), path.join(path.dirname(serverFile), ".next/static"), { recursive: true })
  const publicFiles = path.join(dashboard, "public")
  if (existsSync(publicFiles)) cpSync(publicFiles, path.join(path.dirname(serverFile), "public"), { recursive: true })
  writeFileSync(stamp, sources)
}

/** One line that counts seconds on a terminal, a line every ten seconds elsewhere. */
const showProgress = (text: string): { readonly end: () => void } => {
  const startedAt = performance.now()
  const seconds = () => Math.round((performance.now() - startedAt) / 1000)
  const terminal = process.stdout.isTTY
  const show = () => process.stdout.write(terminal ? `\r${text} … ${seconds()} s` : `${text} … ${seconds()} s\n`)
  show()
  const timer = setInterval(show, terminal ? 1000 : 10_000)
  return {
    end: () => {
      clearInterval(timer)
      process.stdout.write(`${terminal ? "\r" : ""}${text}: ${seconds()} s\n`)
    }
  }
}

const fingerprint = (): string => {
  const hash = createHash("sha256")
  const files = [
    path.join(root, "pnpm-lock.yaml"),
    path.join(root, "engine/package.json"),
    ...withImports(path.join(root, "engine/src/admin-api.ts")),
    ...sourcesIn(dashboard)
  ]
  for (const file of files) {
    hash.update(path.relative(root, file))
    hash.update("\0")
    hash.update(readFileSync(file))
    hash.update("\0")
  }
  return hash.digest("hex")
}

const generated = new Set(["node_modules", ".next", "next-env.d.ts", "tsconfig.tsbuildinfo"])

const sourcesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !generated.has(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = path.join(folder, entry.name)
      return entry.isDirectory() ? sourcesIn(file) : [file]
    })

/** A source file and all that it imports by relative paths, in a fixed order. */
const withImports = (file: string, seen: Set<string> = new Set()): ReadonlyArray<string> => {
  if (seen.has(file) || !existsSync(file)) return []
  seen.add(file)
  const imported = readFileSync(file, "utf8").matchAll(/\bfrom "(\.[^"]+)"/g)
  return [file, ...[...imported].flatMap(([, target]) => withImports(path.resolve(path.dirname(file), target!), seen))]
}

if (import.meta.main && !isBuilt()) await build(() => {})
