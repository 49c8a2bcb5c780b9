/**
 * `npm start`: builds the dashboard if it must, runs the gateway and the dashboard, and says how to use them.
 *
 * Ctrl-C or SIGTERM ends both, after the gateway has finished the calls it has in hand; a second signal ends them at
 * once. When either of them ends by itself, so does the other, and the exit code is not 0.
 */
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { createServer } from "node:net"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { isFresh } from "../engine/bin/fingerprint.js"
import * as ConfigFile from "../engine/src/ConfigFile.ts"
import { start, type Child } from "./child.ts"
import { build, isBuilt, serverFile } from "./dashboard.ts"

const usage = `Starts the Millrace gateway and its dashboard.

  npm start -- [options]

  --port N             port of the gateway (server.port of the configuration, 4000)
  --dashboard-port N   port of the dashboard (3000)
  --host ADDRESS       address that both listen on (server.host, 127.0.0.1)
  --config FILE        configuration file (millrace.config.{yaml,yml,json,ts}, when there is one)
  --no-dashboard       the gateway alone
  --help               this text
`

const root = path.resolve(import.meta.dirname, "..")

/** Where npm was called: a script runs in the folder of package.json. */
const calledFrom = process.env.INIT_CWD ?? process.cwd()

/** A message for the person at the terminal; no stack is shown. */
class StartError extends Error {
  readonly exitCode: number
  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

interface Options {
  readonly host: string
  readonly port: number
  readonly dashboardPort: number
  readonly config: string | undefined
  readonly dashboard: boolean
  /** Whether the configuration or the environment has an admin token. */
  readonly hasToken: boolean
}

/** Flags come first, then the configuration, which is read here so that its errors come before anything is built. */
const readOptions = async (args: ReadonlyArray<string>): Promise<Options | undefined> => {
  const { values } = parse(args)
  if (values.help === true) return undefined
  const port = values.port === undefined ? undefined : readPort("--port", values.port)
  const dashboardPort = readPort("--dashboard-port", values["dashboard-port"] ?? "3000")
  const file = values.config === undefined ? undefined : path.resolve(calledFrom, values.config)
  const { server } = await Effect.runPromise(
    Effect.match(ConfigFile.load({ cwd: root, file, door: "serve" }), {
      onFailure: (error) => {
        throw new StartError(error.message, 2)
      },
      onSuccess: ({ config }) => config
    })
  )
  return {
    host: values.host ?? server.host,
    port: port ?? server.port,
    dashboardPort,
    config: file,
    dashboard: values.dashboard ?? true,
    hasToken: server.adminToken !== undefined
  }
}

const parse = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      allowNegative: true,
      options: {
        port: { type: "string" },
        "dashboard-port": { type: "string" },
        host: { type: "string" },
        config: { type: "string" },
        dashboard: { type: "boolean" },
        help: { type: "boolean", short: "h" }
      }
    })
  } catch (error) {
    throw new StartError(`${(error as Error).message}\n\n${usage}`, 2)
  }
}

const readPort = (flag: string, text: string): number => {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new StartError(`${flag}: expected a port between 1 and 65535, got ${JSON.stringify(text)}`, 2)
  }
  return port
}

/** Fails with the flag to use when a port can't be listened on. */
const claim = (what: string, flag: string, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EADDRINUSE" ? "is in use" : `can't be listened on (${error.code})`
      reject(new StartError(`Port ${port} for ${what} ${reason} on ${host}; choose another one with ${flag} N`))
    })
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()))
  })

const children: Array<Child> = []

/** Fails when a child ends by itself. */
const failed = async (child: Child): Promise<never> => {
  const code = await child.ended
  throw new StartError(
    `${child.name} has ended with exit code ${code}.\n${child.output()}`.trimEnd(),
    code === 0 ? 1 : code
  )
}

/** Waits until a server answers at `url`. */
const answers = async (child: Child, url: string): Promise<void> => {
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline && child.running()) {
    const answered = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(5000) }).then(
      (response) => response.status < 500,
      () => false
    )
    if (answered) return
    await sleep(50)
  }
  if (child.running()) throw new StartError(`${child.name} did not answer at ${url} within 60 s.\n${child.output()}`)
}

/** What to connect to where a server listens on every address. */
const reachable = (host: string): string =>
  host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host

const run = async (options: Options): Promise<void> => {
  const { host, port, dashboardPort } = options
  if (options.dashboard && port === dashboardPort) {
    throw new StartError(`--port and --dashboard-port are both ${port}; give them different ports`, 2)
  }
  await claim("the gateway", "--port", host, port)
  if (options.dashboard) {
    await claim("the dashboard", "--dashboard-port", host, dashboardPort)
    if (!isBuilt()) await build((child) => children.push(child))
  }
  // An install that finds nothing to do bundles nothing; without a bundle the command runs from its sources.
  if (!isFresh()) await import("./bundle.ts").then(({ bundle }) => bundle()).catch(() => undefined)
  if (stopping !== undefined) return

  const token = options.hasToken ? undefined : randomBytes(32).toString("base64url")
  const dashboardUrl = `http://${reachable(host)}:${dashboardPort}`
  const gatewayUrl = `http://${reachable(host)}:${port}`
  const gateway = start({
    name: "The gateway",
    command: process.execPath,
    args: [
      path.join(root, "engine/bin/millrace.js"),
      ...["serve", "--json", "--host", host, "--port", String(port)],
      ...(options.config === undefined ? [] : ["--config", options.config])
    ],
    cwd: root,
    env: token === undefined ? {} : { MILLRACE_ADMIN_TOKEN: token },
    output: "announce"
  })
  children.push(gateway)
  const servers: Array<Promise<unknown>> = [Promise.race([gateway.announced, failed(gateway)])]
  if (options.dashboard) {
    const dashboard = start({
      name: "The dashboard",
      command: process.execPath,
      args: [serverFile],
      cwd: path.dirname(serverFile),
      env: { MILLRACE_URL: gatewayUrl, HOSTNAME: host, PORT: String(dashboardPort), NODE_ENV: "production" },
      patienceMs: 3000,
      output: "keep"
    })
    children.push(dashboard)
    servers.push(Promise.race([answers(dashboard, dashboardUrl), failed(dashboard)]))
  }
  await Promise.all(servers)
  if (stopping !== undefined) return
  const announcement = JSON.parse(await gateway.announced) as { readonly simulated: boolean }
  process.stdout.write(
    greeting({
      gatewayUrl,
      dashboardUrl: options.dashboard ? dashboardUrl : undefined,
      token,
      simulated: announcement.simulated
    })
  )
  await Promise.race(children.filter((child) => child.running()).map(failed))
}

const greeting = (started: {
  readonly gatewayUrl: string
  readonly dashboardUrl: string | undefined
  readonly token: string | undefined
  readonly simulated: boolean
}): string => {
  const body = JSON.stringify({ messages: [{ role: "user", content: "Hello" }] })
  const lines = [
    "",
    `Gateway      ${started.gatewayUrl}`,
    ...(started.dashboardUrl === undefined ? [] : [`Dashboard    ${started.dashboardUrl}`]),
    `Admin token  ${started.token ?? "as set in MILLRACE_ADMIN_TOKEN or the configuration"}`,
    ...(started.simulated
      ? [
          "",
          "The simulated provider answers, since no provider is configured and no key of one is in the environment:",
          "answers are made up and cost nothing."
        ]
      : []),
    "",
    "Try it:",
    `curl ${started.gatewayUrl}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`,
    "",
    "Ctrl-C ends it.",
    ""
  ]
  return lines.join("\n")
}

let stopping: Promise<unknown> | undefined
let signalledAt = 0

/** Asks all children to end. Resolves when none is left. */
const stop = (): Promise<unknown> => {
  if (stopping === undefined) {
    for (const child of children) if (child.running()) child.stop()
    stopping = Promise.all(children.map((child) => child.ended))
  }
  return stopping
}

const onSignal = () => {
  if (stopping === undefined) {
    signalledAt = performance.now()
    process.stdout.write("\nStopping: calls in hand are finished first, a second Ctrl-C ends them.\n")
    void stop()
  } else if (performance.now() - signalledAt > 1000) {
    // A Ctrl-C reaches us from the terminal and again from npm; what comes within a second is the same signal.
    for (const child of children) child.kill()
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal)
// Whatever ends this process, nothing it started stays.
process.on("exit", () => {
  for (const child of children) if (child.running()) child.kill()
})

try {
  const options = await readOptions(process.argv.slice(2))
  if (options === undefined) process.stdout.write(usage)
  else await run(options)
} catch (error) {
  if (stopping === undefined) {
    console.error(error instanceof StartError ? error.message : error)
    process.exitCode = error instanceof StartError ? error.exitCode : 1
  }
}
await stop()
