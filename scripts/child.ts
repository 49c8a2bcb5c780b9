/**
 * A child process in a group of its own, so that it and all it starts can be ended together, and a Ctrl-C on the
 * terminal reaches it only through us.
 */
import { spawn } from "node:child_process"

export interface Child {
  readonly name: string
  /** Resolves with the exit code; 1 for a child that was ended by a signal or could not be started. */
  readonly ended: Promise<number>
  readonly running: () => boolean
  /** What it wrote, when it was started with `output: "keep"`. */
  readonly output: () => string
  /** Asks it to end. */
  readonly stop: () => void
  /** Ends it and all it has started, at once. */
  readonly kill: () => void
}

export const start = (options: {
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  /** Added to the environment of this process. */
  readonly env: { readonly [name: string]: string }
  /** `keep` holds its output back, `show` lets it write to the terminal. */
  readonly output: "keep" | "show"
}): Child => {
  const stream = options.output === "keep" ? "pipe" : "inherit"
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: ["ignore", stream, stream]
  })
  let output = ""
  let running = true
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
    } catch {
      // The group is gone already.
    }
  }
  const append = (chunk: Buffer) => {
    // The end of the output tells what went wrong; a server's whole life is not kept.
    output = (output + chunk.toString()).slice(-100_000)
  }
  child.stdout?.on("data", append)
  child.stderr?.on("data", append)
  const ended = new Promise<number>((resolve) => {
    child.on("error", (error) => {
      running = false
      output += error.message
      resolve(1)
    })
    child.on("exit", () => {
      running = false
      // What it started and left behind goes with it; an open pipe of theirs would hold back `close`.
      kill()
    })
    child.on("close", (code) => resolve(code ?? 1))
  })
  return {
    name: options.name,
    ended,
    running: () => running,
    output: () => output.trimEnd(),
    stop: () => {
      child.kill("SIGTERM")
    },
    kill
  }
}
