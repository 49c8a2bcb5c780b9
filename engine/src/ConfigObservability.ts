/**
 * The sections `logging` and `telemetry` of the configuration: what may be written, and what the engine runs on.
 *
 * Names of modules are checked here, so that a level for one that does not exist is an error with a suggestion.
 */
import { Schema } from "effect"
import { Flag, isHttpUrl, oneOf, section, Share, text } from "./ConfigFields.ts"
import { type LogLevel, logLevels, type LogModule, logModules } from "./Log.ts"

const Level = oneOf(logLevels)

const levels = Object.fromEntries(logModules.map((module) => [module, Schema.optional(Level)])) as {
  readonly [M in LogModule]: ReturnType<typeof Schema.optional<typeof Level>>
}

export const Logging = section({
  level: Schema.optional(Level),
  /** Levels of single modules. */
  levels: section(levels),
  format: Schema.optional(oneOf(["pretty", "json"])),
  /** Which requests have a line at `info`, beside those that failed at a provider or in the engine. */
  requests: Schema.optional(
    Schema.Union([oneOf(["all", "errors"]), Share]).annotate({
      expected: "all, errors or a share of the requests from 0 to 1"
    })
  ),
  /** Whether prompts and answers may be logged. */
  content: Schema.optional(Flag)
})

/** A token for a collector goes into `OTEL_EXPORTER_OTLP_HEADERS`; a URL is shown by the admin API. */
const collector = "an http or https URL without credentials and query"

export const Telemetry = section({
  /** Where traces are sent by OTLP over HTTP. */
  otlp: Schema.optional(
    Schema.NullOr(text(collector, (value) => isHttpUrl(value) && !value.includes("?"))).annotate({
      expected: `${collector}, or null`
    })
  ),
  /** Share of the traces that begin here and are recorded; those of callers are as the caller says. */
  sample: Schema.optional(Share),
  /** Which providers are told the trace of a call. */
  propagate: Schema.optional(oneOf(["local", "all", "none"])),
  /** Whether prompts and answers may be on spans. */
  content: Schema.optional(Flag)
})

type Input<Section> = Section extends { readonly Encoded: infer Encoded } ? Encoded : never

export interface LoggingConfig {
  readonly level: LogLevel
  readonly levels: { readonly [M in LogModule]?: LogLevel }
  readonly format: "pretty" | "json"
  /** Share of the requests that have a line at `info`, 0 to 1. */
  readonly requests: number
  /** Whether prompts and answers may be logged. */
  readonly content: boolean
}

export interface TelemetryConfig {
  readonly otlp: string | undefined
  /** Share of the traces that begin here, 0 to 1. */
  readonly sample: number
  readonly propagate: "local" | "all" | "none"
  /** Whether prompts and answers may be on spans. */
  readonly content: boolean
}

/** A server of one's own has a line for each request; a library leaves its host's log alone but for failures. */
export const buildLogging = (input: Input<typeof Logging>, door: "library" | "serve"): LoggingConfig => {
  const requests = input?.requests ?? (door === "serve" ? "all" : "errors")
  return {
    level: input?.level ?? "info",
    levels: defined(input?.levels ?? {}),
    format: input?.format ?? "pretty",
    requests: requests === "all" ? 1 : requests === "errors" ? 0 : requests,
    content: input?.content ?? false
  }
}

export const buildTelemetry = (input: Input<typeof Telemetry>): TelemetryConfig => ({
  otlp: input?.otlp ?? undefined,
  sample: input?.sample ?? 1,
  propagate: input?.propagate ?? "local",
  content: input?.content ?? false
})

const defined = (levels: { readonly [M in LogModule]?: LogLevel | undefined }): LoggingConfig["levels"] =>
  Object.fromEntries(Object.entries(levels).filter(([, level]) => level !== undefined))
