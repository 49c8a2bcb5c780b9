/**
 * `millrace serve` and the built dashboard as real processes on free loopback ports.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { createServer, type AddressInfo } from "node:net"
import path from "node:path"
import { serverFile } from "../../scripts/dashboard.ts"

const root = path.resolve(import.meta.dirname, "../..")
const startWithinMs = 30_000

export interface Running {
  readonly pid: number
  readonly url: string
  /** What the process has written. */
  readonly output: () => string
  /** Ends it and waits until it is gone. */
  readonly stop: () => Promise<void>
}

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

/** Serves a configuration file; port 0 is any free one. */
export const startGateway = async (configFile: string, port = 0): Promise<Running> => {
  const child = run(
    ["engine/bin/millrace.js", "serve", "--config", configFile, "--port", String(port), "--json"],
    root,
    {}
  )
  const line = await child.until((output) => /^\{.*\}$/m.exec(output)?.[0])
  return { url: (JSON.parse(line) as { url: string }).url, output: child.output, stop: child.stop, pid: child.pid }
}

/** Serves the dashboard's build for a gateway. */
export const startDashboard = async (
  gatewayUrl: string,
  env: { readonly [name: string]: string } = {}
): Promise<Running> => {
  const port = await freePort()
  const child = run([serverFile], path.dirname(serverFile), {
    MILLRACE_URL: gatewayUrl,
    HOSTNAME: "127.0.0.1",
    PORT: String(port),
    NODE_ENV: "production",
    ...env
  })
  await child.until((output) => (output.includes("Ready") ? output : undefined))
  return { url: `http://127.0.0.1:${port}`, output: child.output, stop: child.stop, pid: child.pid }
}

const run = (args: ReadonlyArray<string>, cwd: string, env: { readonly [name: string]: string }) => {
  const child: ChildProcess = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  const listeners = new Set<() => void>()
  const heard = () => {
    for (const listener of listeners) listener()
  }
  const append = (chunk: Buffer) => {
    output += chunk.toString()
    heard()
  }
  child.stdout?.on("data", append)
  child.stderr?.on("data", append)
  const ended = new Promise<void>((resolve) => child.on("exit", () => resolve()))

  const until = (find: (output: string) => string | undefined): Promise<string> =>
    new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${args.join(" ")} ${why}:\n${output}`))
      const timer = setTimeout(() => fail(`was not ready within ${startWithinMs} ms`), startWithinMs)
      const check = () => {
        const found = find(output)
        if (found === undefined) return
        clearTimeout(timer)
        listeners.delete(check)
        resolve(found)
      }
      listeners.add(check)
      void ended.then(() => {
        clearTimeout(timer)
        fail("ended")
      })
      check()
    })

  const stop = async () => {
    child.kill("SIGTERM")
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000)
    await ended
    clearTimeout(timer)
  }
  return { until, stop, output: () => output, pid: child.pid ?? 0 }
}
