/**
 * `millrace serve`: the gateway on its port until a signal ends it.
 *
 * The first SIGTERM or SIGINT drains and exits with 0, a second one ends at once. What an operator needs is printed once:
 * the address, who answers, the admin token if it was made here, and a line that works when it is pasted.
 */
import { Console, Effect, Option, Queue, Redacted, type Scope } from "effect"
import { Command, Flag } from "effect/cli"
import { randomBytes } from "node:crypto"
import * as Config from "../Config.ts"
import * as ConfigFile from "../ConfigFile.ts"
import * as Generations from "../gateway/Generations.ts"
import { listen } from "../gateway/Server.ts"
import { logOf, reasonOf } from "../Log.ts"
import { version } from "../version.ts"

const flags = {
  config: Flag.String("config").pipe(
    Flag.withAlias("c"),
    Flag.withDescription(
      "Configuration file; without it millrace.config.{yaml,yml,json,ts} here, else the environment"
    ),
    Flag.optional
  ),
  host: Flag.String("host").pipe(
    Flag.withDescription("Address to listen on (server.host, 127.0.0.1 by default)"),
    Flag.optional
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.filter(
      (port) => port >= 0 && port <= 65_535,
      () => "0 to 65535"
    ),
    Flag.withDescription("Port to listen on, 0 for any free one (server.port, 4000 by default)"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one line of JSON instead of text"),
    Flag.withDefault(false)
  )
}

export const serve = Command.make(
  "serve",
  flags,
  Effect.fnUntraced(function* (options) {
    const flagged = flagsOver(Option.getOrUndefined(options.host), Option.getOrUndefined(options.port))
    const load = Effect.map(
      ConfigFile.load({ ...(Option.isSome(options.config) ? { file: options.config.value } : {}), door: "serve" }),
      (loaded) => ({ ...loaded, config: flagged(loaded.config), given: new Map([...loaded.given, ...flagged.given]) })
    )
    const first = yield* load
    const { config, file } = first
    const { host, port } = config.server
    const made = config.server.adminToken === undefined
    const adminToken = config.server.adminToken ?? Redacted.make(randomBytes(32).toString("base64url"))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const generations = yield* Generations.make({
          first,
          load,
          decode: (document) => Effect.map(Config.decode(document, { door: "serve" }), flagged),
          adminToken,
          live: { processMetrics: true, console: "stdout" }
        })
        yield* reloadOnSignal(generations)
        const address = yield* listen(generations.gateway, { host, port, drainMs: config.server.drainMs })
        const started: Started = {
          url: `http://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`,
          config,
          file,
          adminToken: made ? Redacted.value(adminToken) : undefined
        }
        yield* Console.log(options.json ? json(started) : text(started))
        yield* signalled
        if (!options.json) yield* Console.log("stopping: running calls finish first; press Ctrl-C again to end now")
      })
    )
  })
).pipe(
  Command.withDescription("Run the gateway: OpenAI-compatible HTTP, admin API, metrics"),
  Command.withExamples([
    { command: "millrace serve", description: "Serve on 127.0.0.1:4000; simulated answers when no key is set" },
    { command: "millrace serve --config millrace.config.yaml --port 8080", description: "Serve a configuration" }
  ])
)

/** What flags say over the configuration, and that they gave it. */
const flagsOver = (host: string | undefined, port: number | undefined) => {
  const server = { ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) }
  return Object.assign(
    (config: Config.EngineConfig): Config.EngineConfig => ({ ...config, server: { ...config.server, ...server } }),
    { given: Object.keys(server).map((name) => [`server.${name}`, { source: "flag", detail: `--${name}` }] as const) }
  )
}

interface Started {
  readonly url: string
  readonly config: Config.EngineConfig
  readonly file: string | undefined
  readonly adminToken: string | undefined
}

const text = ({ adminToken, config, file, url }: Started): string => {
  const lines = [
    `millrace ${version}${file === undefined ? "" : ` (${file})`}`,
    `  gateway      ${url}`,
    `  OpenAI SDK   baseURL ${url}/v1`,
    `  providers    ${config.providers.map(({ kind, name }) => (kind === name ? name : `${name} (${kind})`)).join(", ")}`
  ]
  if (config.simulated) {
    lines.push("  simulated    no provider key is set: answers come from the simulator and cost nothing")
  }
  for (const note of config.notes) lines.push(`  note         ${note}`)
  if (config.keys.required) {
    const kept = config.storage.database === "memory" ? "; they are in memory and gone when this ends" : ""
    lines.push(`  keys         required: make one with millrace keys create --name NAME${kept}`)
  }
  if (adminToken !== undefined)
    lines.push(`  admin token  ${adminToken}   (made for this run; set MILLRACE_ADMIN_TOKEN to keep one)`)
  lines.push(
    `  try          curl ${url}/v1/chat/completions -H 'content-type: application/json' ` +
      (config.keys.required ? `-H 'authorization: Bearer KEY' ` : "") +
      `-d '{"messages":[{"role":"user","content":"Hello"}]}'`
  )
  return lines.join("\n")
}

const json = ({ adminToken, config, file, url }: Started): string =>
  JSON.stringify({
    url,
    version,
    file: file ?? null,
    simulated: config.simulated,
    keysRequired: config.keys.required,
    providers: config.providers.map(({ kind, name }) => ({ name, kind })),
    adminToken: adminToken ?? null
  })

const log = logOf("Config")

/** Puts the configuration in force that is there when SIGHUP comes, or says what is wrong with it. */
const reloadOnSignal = ({ control, run }: Generations.Generations): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked = yield* Queue.sliding<void>(1)
    const ask = () => void Queue.offerUnsafe(asked, undefined)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGHUP", ask)),
      () => Effect.sync(() => process.off("SIGHUP", ask))
    )
    const reload = Effect.matchEffect(control.reload, {
      onSuccess: ({ changed, generation }) =>
        run(
          changed.length === 0
            ? log.info("the configuration is as before")
            : log.info("the configuration was changed", { generation, changed })
        ),
      onFailure: ({ issues }) =>
        run(
          log.error("the configuration was refused; the one before stays", {
            issues: issues.map(({ detail, field }) => ({ field, detail: reasonOf(detail) }))
          })
        )
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(asked), reload)))
  })

/** Waits for the first signal; a second one ends the process. The runtime's own handlers would exit with 130. */
const signalled = Effect.callback<void>((resume) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // Ours first: without a listener Node closes the signal's handle, and a signal that is under way is lost.
    const others = process.listeners(signal)
    process.on(signal, () => {
      if (stopping) process.exit(130)
      stopping = true
      resume(Effect.void)
    })
    for (const other of others) process.off(signal, other)
  }
})

let stopping = false
