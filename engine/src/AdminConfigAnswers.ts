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

/** Where one value of `GET config` came from. */
export const ConfigValueSource = Schema.Struct({
  /** As in the answer of `GET config`. */
  path: Schema.String,
  /** As in the file. */
  field: Schema.String,
  source: Schema.Literals(["default", "file", "environment", "flag"]),
  /** The variables, or the flag; null for the file and for defaults. */
  detail: Schema.NullOr(Schema.String),
  /** The generation that brought it: above 1, a reload did. */
  generation: Schema.Finite
}).annotate({ identifier: "ConfigValueSource" })
export type ConfigValueSource = typeof ConfigValueSource.Type

/** Without values; `file` is null where none was read, and `values` is empty for a gateway that code has built. */
export const ConfigSources = Schema.Struct({
  file: Schema.NullOr(Schema.String),
  /** Which configuration of the process is in force; 1 is the first. */
  generation: Schema.Finite,
  values: Schema.Array(ConfigValueSource)
}).annotate({ identifier: "ConfigSources" })
export type ConfigSources = typeof ConfigSources.Type
