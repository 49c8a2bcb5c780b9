/**
 * A real Redis of a test's own: started from the installed binary on a free port, with a password, without files. It can be
 * stalled (nothing of it runs, nothing of it answers), killed, and started again, empty, on the same port.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process"
import { rmSync } from "node:fs"
import { connect } from "node:net"
import { freePort } from "./processes.ts"

export interface RedisServer {
  /** With its password. */
  readonly url: string
  readonly password: string
  readonly port: number
  /** Runs a command and gives its answer as redis-cli prints it. */
  readonly command: (...args: ReadonlyArray<string>) => Promise<string>
  /** A figure of INFO, such as `total_commands_processed` or `total_net_input_bytes`. */
  readonly info: (field: string) => Promise<number>
  /** Stops it where it is (SIGSTOP): connections stay open and nothing is answered. */
  readonly stall: () => void
  readonly resume: () => void
  /** Kills it (SIGKILL); what it held is lost. */
  readonly kill: () => Promise<void>
  /** Starts it again on its port, empty, after a kill. */
  readonly start: () => Promise<void>
  /** Ends it for good. */
  readonly stop: () => Promise<void>
}

const installed = (binary: string): boolean => {
  try {
    execFileSync(binary, ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** Whether Redis is installed. */
export const hasRedis: boolean = installed("redis-server") && installed("redis-cli")

/** Why a test of Redis is skipped. */
export const noRedis = "Redis is not installed (redis-server and redis-cli were looked for)"

export interface RedisServerOptions {
  /** One node that has every slot of a cluster: it refuses scripts whose keys are of several slots. Takes 2 s more to start. */
  readonly cluster?: boolean | undefined
}

export const startRedis = async (options: RedisServerOptions = {}): Promise<RedisServer> => {
  if (!hasRedis) throw new Error(noRedis)
  const port = await freePort()
  const password = "canary-password-of-redis"
  let child: ChildProcess | undefined

  const command = (...args: ReadonlyArray<string>): Promise<string> =>
    new Promise((resolve, reject) => {
      const cli = spawn("redis-cli", ["-h", "127.0.0.1", "-p", String(port), ...args], {
        env: { ...process.env, REDISCLI_AUTH: password },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let output = ""
      cli.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
      cli.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
      cli.once("error", reject)
      cli.once("close", () => resolve(output.trimEnd()))
    })

  const start = async () => {
    const started = spawn(
      "redis-server",
      [
        ...["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        ...["--requirepass", password, "--dir", "/tmp", "--daemonize", "no"],
        ...(options.cluster === true
          ? ["--cluster-enabled", "yes", "--cluster-config-file", `/tmp/redis-${port}.conf`]
          : [])
      ],
      { stdio: "ignore" }
    )
    child = started
    while (!(await accepts(port))) {
      if (started.exitCode !== null) throw new Error("Redis ended before it was ready")
    }
    if (options.cluster !== true) return
    await command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    while (!(await command("CLUSTER", "INFO")).includes("cluster_state:ok")) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  const end = async () => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise<void>((resolve) => running.once("exit", () => resolve()))
    running.kill("SIGKILL")
    await ended
  }

  await start()
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    password,
    port,
    command,
    info: async (field) => {
      const found = new RegExp(`^${field}:([\\d.]+)`, "m").exec(await command("INFO", "everything"))?.[1]
      if (found === undefined) throw new Error(`INFO has no ${field}`)
      return Number(found)
    },
    stall: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    kill: end,
    start,
    stop: async () => {
      await end()
      if (options.cluster === true) rmSync(`/tmp/redis-${port}.conf`, { force: true })
    }
  }
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => setTimeout(() => resolve(false), 20))
  })
