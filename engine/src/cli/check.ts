/**
 * `millrace check`: says whether a configuration is valid, what would run with it, and what its models cost.
 *
 * With `--probe` each provider is called once, through the engine itself, so that a wrong key, address or model is
 * found before the first user finds it. Nothing is listened on and no database is opened.
 */
import { Console, Effect, Option, Schema, Struct } from "effect"
import { Command, Flag } from "effect/cli"
import type { ConfigError, EngineConfig } from "../Config.ts"
import * as ConfigFile from "../ConfigFile.ts"
import { Engine } from "../Engine.ts"
import { probeProvider } from "../gateway/Probe.ts"
import { configuredPrices, priceLines, pricesJson } from "./prices.ts"
import { type Probe, probeLine, summaryJson, summaryLines } from "./summary.ts"

export class ProbeFailed extends Schema.TaggedError<ProbeFailed>()("ProbeFailed", {
  failed: Schema.Number,
  probed: Schema.Number
}) {
  override get message() {
    return `${this.failed} of ${this.probed} providers did not answer`
  }
}

const config = Flag.String("config").pipe(
  Flag.withAlias("c"),
  Flag.withDescription("Configuration file; without it millrace.config.{yaml,yml,json,ts} is looked for"),
  Flag.optional
)

const probe = Flag.Boolean("probe").pipe(
  Flag.withDescription("Call each provider once (a few tokens each)"),
  Flag.withDefault(false)
)

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

export const check = Command.make(
  "check",
  { config, probe, json },
  Effect.fnUntraced(function* (flags) {
    const { config, file } = yield* ConfigFile.load({ file: Option.getOrUndefined(flags.config), door: "serve" }).pipe(
      Effect.tapError((error) => (flags.json ? printJson(failureJson(error)) : Effect.void))
    )
    const models = yield* configuredPrices(config)
    if (!flags.json) {
      const lines = [...summaryLines(config, file), ...priceLines(models)]
      yield* Effect.forEach(lines, (line) => Console.log(line), { discard: true })
    }
    const probes = flags.probe ? yield* probeAll(config, flags.json ? () => Effect.void : printProbe) : []
    const failed = probes.filter((result) => !result.ok)
    if (flags.json) {
      yield* printJson({
        ok: failed.length === 0,
        ...summaryJson(config, file),
        prices: pricesJson(models),
        ...(flags.probe ? { probes: probes.map((result) => ({ ...result, error: result.error ?? null })) } : {})
      })
    }
    return failed.length === 0 ? undefined : yield* new ProbeFailed({ failed: failed.length, probed: probes.length })
  })
).pipe(
  Command.withDescription("Validate a configuration and print what would run"),
  Command.withExamples([
    { command: "millrace check --config millrace.config.yaml", description: "Validate a file" },
    { command: "millrace check --probe", description: "Also call each provider once" }
  ])
)

const printJson = (value: Schema.Json): Effect.Effect<void> => Console.log(JSON.stringify(value, undefined, 2))

const printProbe = (result: Probe): Effect.Effect<void> => Console.log(probeLine(result))

const failureJson = (error: ConfigError): Schema.Json => ({
  ok: false,
  file: error.file ?? null,
  errors: error.issues.map(({ path, message }) => ({ path, message }))
})

/** One small call to each provider, at most four at a time and without retries; usage is kept in memory. */
const probeAll = (
  config: EngineConfig,
  onResult: (result: Probe) => Effect.Effect<void>
): Effect.Effect<ReadonlyArray<Probe>> =>
  Effect.forEach(config.providers, (provider) => Effect.tap(probeOne(provider.name, provider.model), onResult), {
    concurrency: 4
  }).pipe(
    Effect.provide(
      Engine.layerOf(
        Struct.evolve(config, {
          retry: (retry) => ({ ...retry, maxAttempts: 1 }),
          storage: (storage) => ({ ...storage, database: "memory" }),
          logging: (logging) => ({ ...logging, level: "none" as const })
        })
      )
    )
  )

const probeOne = (provider: string, model: string): Effect.Effect<Probe, never, Engine> =>
  Effect.map(
    Effect.flatMap(Engine, (engine) => probeProvider(engine, provider, model)),
    ({ error, latencyMs, ok }) => ({ provider, ok, latencyMs, error: error?.message })
  )
