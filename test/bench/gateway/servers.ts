/**
 * The servers under test, each a process of its own, and what the kernel says of them.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { availableParallelism, tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Options } from "../report.ts"

const root = path.resolve(import.meta.dirname, "../../..")

export interface Server {
  readonly name: string
  readonly port: number
  /** Lines that its requests need besides the usual ones. */
  readonly headers: ReadonlyArray<string>
  /** From the start of the process until it answered. */
  readonly readyMs: number
  /** CPU time of all its threads so far, in microseconds. */
  readonly cpuUs: () => number
  /** Resident set in megabytes (10^6). */
  readonly rssMb: () => number
  readonly stop: () => Promise<void>
}

/** With two cores, the server under test has one and all that surrounds it the other. */
export const pinned = availableParallelism() >= 2 && process.platform === "linux"

const pin = (core: 0 | 1 | undefined): ReadonlyArray<string> =>
  pinned && core !== undefined ? ["taskset", "-c", String(core)] : []

/** Moves this very process to the core of the upstream. */
export const pinLoad = (): void => {
  if (pinned) execFileSync("taskset", ["-a", "-cp", "1", String(process.pid)], { stdio: "ignore" })
}

export const upstream = async (): Promise<Server> =>
  start({ name: "upstream", core: 1, args: (port) => [path.join(import.meta.dirname, "upstream.ts"), String(port)] })

export const proxy = (upstreamPort: number): Promise<Server> =>
  start({
    name: "raw Node proxy",
    core: 0,
    args: (port) => [path.join(import.meta.dirname, "proxy.ts"), String(port), String(upstreamPort)]
  })

export const portkey = (upstreamPort: number): Promise<Server> =>
  start({
    name: "Portkey",
    core: 0,
    args: (port) => [
      path.join(root, "test/node_modules/@portkey-ai/gateway/build/start-server.js"),
      `--port=${port}`,
      "--headless"
    ],
    env: { TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" },
    headers: ["x-portkey-provider: openai", `x-portkey-custom-host: http://127.0.0.1:${upstreamPort}/v1`]
  })

/**
 * `millrace serve` as it comes: cache, limits, retries, breaker, metrics, logs and the usage database are on, in a file of
 * its own unless told otherwise. It writes a CPU profile when it ends, if the options say where.
 */
export const millrace = (
  upstreamPort: number,
  options: Pick<Options, "profiles">,
  more: { readonly storage?: object; readonly core?: 0 | undefined } = { core: 0 }
): Promise<Server> => {
  const folder = mkdtempSync(path.join(tmpdir(), "millrace-bench-"))
  const config = path.join(folder, "millrace.config.json")
  writeFileSync(
    config,
    JSON.stringify({
      providers: [
        {
          name: "mock",
          kind: "openai-compatible",
          baseUrl: `http://127.0.0.1:${upstreamPort}/v1`,
          apiKey: "sk-bench",
          model: "mock-model",
          models: ["mock-model"],
          rateLimits: { requestsPerMinute: 100_000_000, tokensPerMinute: 100_000_000_000, concurrent: 2000 },
          pricing: { input: 0.4, output: 1.6 }
        }
      ],
      storage: more.storage ?? { database: `sqlite:${path.join(folder, "millrace.db")}` }
    })
  )
  return start({
    name: "Millrace",
    core: more.core,
    args: (port) => [
      ...(options.profiles === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", options.profiles]),
      path.join(root, "engine/bin/millrace.js"),
      "serve",
      "--config",
      config,
      "--port",
      String(port)
    ],
    readyPath: "/health/ready",
    folder
  })
}

const start = async (options: {
  readonly name: string
  /** Undefined for whichever is free. */
  readonly core: 0 | 1 | undefined
  readonly args: (port: number) => ReadonlyArray<string>
  readonly env?: { readonly [name: string]: string }
  readonly headers?: ReadonlyArray<string>
  readonly readyPath?: string
  /** Removed when the server has been stopped. */
  readonly folder?: string
}): Promise<Server> => {
  const port = await freePort()
  const startedAt = performance.now()
  const [command, ...args] = [...pin(options.core), process.execPath, ...options.args(port)]
  const child = spawn(command!, args, {
    cwd: options.folder ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "ignore", "pipe"]
  })
  let complaint = ""
  child.stderr!.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-4000)
  })
  await answers(child, port, options.readyPath ?? "/", () => `${options.name} did not start: ${complaint}`)
  const readyMs = performance.now() - startedAt
  const pid = child.pid!
  return {
    name: options.name,
    port,
    headers: options.headers ?? [],
    readyMs,
    cpuUs: () => cpuUs(pid),
    rssMb: () => (Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024) / 1e6,
    stop: async () => {
      await end(child)
      if (options.folder !== undefined) rmSync(options.folder, { recursive: true, force: true })
    }
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })

const answers = async (child: ChildProcess, port: number, route: string, complaint: () => string): Promise<void> => {
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline) {
    if (child.exitCode !== null) break
    const up = await fetch(`http://127.0.0.1:${port}${route}`).then(
      async (response) => {
        await response.arrayBuffer()
        return response.status < 500
      },
      () => false
    )
    if (up) return
    await sleep(10)
  }
  child.kill("SIGKILL")
  throw new Error(complaint())
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGTERM")
  const patience = setTimeout(() => child.kill("SIGKILL"), 5000)
  await ended
  clearTimeout(patience)
}

/** Nanosecond counters of the scheduler, one file a thread. */
const cpuUs = (pid: number): number => {
  let nanoseconds = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ", 1)[0])
  }
  return nanoseconds / 1000
}
