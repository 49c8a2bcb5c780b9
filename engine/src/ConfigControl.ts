/**
 * Changing the configuration of a running gateway: what the admin API, a signal and the dashboard ask for.
 *
 * A configuration that is wrong is refused with every error, and the one in force stays. Whoever runs the gateway decides
 * where the configuration comes from; a gateway that code has built has none to read again.
 */
import { Context, type Effect, Schema } from "effect"
import type { ConfigSources } from "./AdminConfigAnswers.ts"
import type { ConfigChanges } from "./ConfigChanges.ts"

export interface ConfigIssue {
  /** Path of the field, or a place in the file. */
  readonly field: string
  readonly detail: string
}

/** The configuration was refused; the one in force stays. */
export class ConfigRefused extends Schema.TaggedError<ConfigRefused>()("ConfigRefused", {
  issues: Schema.Array(Schema.Struct({ field: Schema.String, detail: Schema.String }))
}) {
  override get message() {
    return this.issues.map(({ detail, field }) => (field === "" ? detail : `${field}: ${detail}`)).join("\n")
  }
}

export interface Reloaded extends Pick<ConfigChanges, "changed"> {
  /** 1 for the first configuration of the process. */
  readonly generation: number
}

export interface Validation extends ConfigChanges {
  /** Empty when the configuration is right. */
  readonly issues: ReadonlyArray<ConfigIssue>
}

export class ConfigControl extends Context.Service<
  ConfigControl,
  {
    /** Reads the configuration again and puts it in force; calls that are under way finish with the old one. */
    readonly reload: Effect.Effect<Reloaded, ConfigRefused>
    /** What would be wrong with a configuration and what it would change; without one, that which `reload` would read. */
    readonly validate: (document: unknown) => Effect.Effect<Validation>
    /** Where each value of the configuration in force came from. */
    readonly sources: Effect.Effect<ConfigSources>
  }
>()("millrace/ConfigControl") {}
