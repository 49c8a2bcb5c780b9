/**
 * What the admin API says of changes of the configuration.
 */
import { Schema } from "effect"

/** Paths are those of the file, such as `providers[1].rateLimits.concurrent`. */
export const ConfigReload = Schema.Struct({
  /** Which configuration of the process is in force; 1 is the first. */
  generation: Schema.Finite,
  /** What has changed; empty when the configuration is the one that was in force. */
  changed: Schema.Array(Schema.String)
}).annotate({ identifier: "ConfigReload" })
export type ConfigReload = typeof ConfigReload.Type

/** `config` is what a file would hold; without it, the file that a reload would read. */
export const ConfigCandidate = Schema.Struct({
  config: Schema.optional(Schema.Record(Schema.String, Schema.Json))
}).annotate({ identifier: "ConfigCandidate", parseOptions: { errors: "all", onExcessProperty: "error" } })
export type ConfigCandidate = typeof ConfigCandidate.Type

export const ConfigValidation = Schema.Struct({
  valid: Schema.Boolean,
  issues: Schema.Array(Schema.Struct({ field: Schema.String, detail: Schema.String })),
  /** What it would change of the configuration in force. */
  changed: Schema.Array(Schema.String),
  /** What of that can't be changed while the process runs. */
  needRestart: Schema.Array(Schema.String)
}).annotate({ identifier: "ConfigValidation" })
export type ConfigValidation = typeof ConfigValidation.Type
