/**
 * The `millrace` command as a process, as users run it (the bundle where it is fresh): what it writes, how it ends, and
 * signals to it.
 */
import { spawn } from "node:child_process"
import path from "node:path"

const main = path.resolve(import.meta.dirname, "../../engine/bin/millrace.js")

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Cli {
  readonly ended: Promise<Ended>
  readonly signal: (signal: NodeJS.Signals) => void
  /** Waits until the output matches, and gives what the first group matched; fails when the process ends before. */
  readonly until: (pattern: RegExp) => Promise<string>
}

/** Runs the command in a folder, with no environment but `env`. */
export const millrace = (
  cwd: string,
  args: ReadonlyArray<string>,
  env: { readonly [name: string]: string } = {}
): Cli => {
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let stdout = ""
  let stderr = ""
  const listeners = new Set<() => void>()
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString()
    for (const listener of listeners) listener()
  })
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })
  const until = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(stdout)
        if (found === null) return
        listeners.delete(look)
        resolve(found[1] ?? found[0])
      }
      listeners.add(look)
      void ended.then(({ code }) => reject(new Error(`ended with ${code} before ${pattern}:\n${stdout}\n${stderr}`)))
      look()
    })
  return { ended, until, signal: (signal) => void child.kill(signal) }
}

/** Serves a configuration on a free port; gives the address too. */
export const serve = async (
  cwd: string,
  args: ReadonlyArray<string> = [],
  env: { readonly [name: string]: string } = {}
): Promise<Cli & { readonly url: string; readonly adminToken: string | null }> => {
  const cli = millrace(cwd, ["serve", "--json", "--port", "0", ...args], env)
  const line = await cli.until(/^(\{"url":.*\})$/m)
  const { adminToken, url } = JSON.parse(line) as { readonly adminToken: string | null; readonly url: string }
  return { ...cli, url, adminToken }
}
