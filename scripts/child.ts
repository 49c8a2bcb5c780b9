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
  /** What it wrote, as far as it was held back. */
  readonly output: () => string
  /** The first line of its standard output, when it was started with `output: "announce"`. */
  readonly announced: Promise<string>
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
  /** How long it may take to end after it was asked to; without it, as long as it wants. */
  readonly patienceMs?: number
  /** `keep` holds its output back; `announce` holds only the first line back and shows the rest. */
  readonly output: "keep" | "announce"
}): Child => {
  const announces = options.output === "announce"
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: ["ignore", "pipe", announces ? "inherit" : "pipe"]
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
  const announced = Promise.withResolvers<string>()
  const { stderr, stdout } = child
  const readFirstLine = (chunk: Buffer) => {
    append(chunk)
    const end = output.indexOf("\n")
    if (end < 0) return
    announced.resolve(output.slice(0, end))
    process.stdout.write(output.slice(end + 1))
    output = ""
    stdout?.off("data", readFirstLine)
    stdout?.pipe(process.stdout, { end: false })
  }
  stdout?.on("data", announces ? readFirstLine : append)
  stderr?.on("data", append)
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
    announced: announced.promise,
    stop: () => {
      child.kill("SIGTERM")
      if (options.patienceMs !== undefined) setTimeout(kill, options.patienceMs).unref()
    },
    kill
  }
}
