/**
 * What the commands about usage are told: a range of time, filters, and where the records are, behind a running gateway or
 * in a database.
 */
import { Clock, Effect, Option, Schema } from "effect"
import { CliError, Flag } from "effect/cli"
import { Time } from "../AdminQueries.ts"
import { connection, defaultUrl } from "./AdminConnection.ts"

const ageUnits: { readonly [unit: string]: number } = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** `30d`, `12h`, `15m` or `2w` as milliseconds; undefined for anything else. */
export const ageMsOf = (text: string): number | undefined => {
  const [, digits, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) * ageUnits[unit!]!
}

const decodeTime = Schema.decodeUnknownOption(Time)

const timeFlag = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.mapEffect((text) => {
      const ageMs = ageMsOf(text)
      if (ageMs !== undefined) return Effect.map(Clock.currentTimeMillis, (nowMs) => nowMs - ageMs)
      return Effect.mapError(
        Effect.fromOption(decodeTime(text)),
        () =>
          new CliError.InvalidValue({
            option: name,
            value: text,
            expected: "ISO 8601, epoch milliseconds, or an age such as 15m, 12h, 30d",
            kind: "flag"
          })
      )
    }),
    Flag.withDescription(`${description}: ISO 8601, epoch milliseconds, or an age such as 15m, 12h, 30d`),
    Flag.optional
  )

export const before = timeFlag("before", "Forget the whole days (UTC) before this time")

export const olderThan = Flag.String("older-than").pipe(
  Flag.filter(
    (text) => ageMsOf(text) !== undefined,
    () => "expected an age such as 12h, 30d or 8w"
  ),
  Flag.map((text) => ageMsOf(text)!),
  Flag.withDescription("Forget the whole days (UTC) that are older, such as 30d"),
  Flag.optional
)

/** Where `from` is missing the range is the day before its end, unless a command says otherwise. */
export const range = {
  from: timeFlag("from", "Begin of the range, included"),
  to: timeFlag("to", "End of the range, not included; now by default")
}

const only = (name: string, what: string) =>
  Flag.String(name).pipe(Flag.withDescription(`Only requests of this ${what}`), Flag.optional)

export const origin = {
  model: only("model", "model"),
  provider: only("provider", "provider"),
  tenant: only("tenant", "tenant"),
  key: only("key", "virtual key (its id)")
}

export const filters = {
  ...origin,
  status: Flag.Literals("status", ["success", "error", "cancelled"]).pipe(
    Flag.withDescription("Only requests that ended so"),
    Flag.optional
  ),
  cache: Flag.Literals("cache", ["hit", "semantic", "coalesced", "miss", "bypass"]).pipe(
    Flag.withDescription("Only requests that the cache served so"),
    Flag.optional
  )
}

export const fingerprint = Flag.String("fingerprint").pipe(
  Flag.withDescription("Only failures of this group (millrace usage errors)"),
  Flag.optional
)

/** What single requests are told apart by besides. */
export const recordFilters = {
  errorKind: Flag.String("error-kind").pipe(
    Flag.withDescription("Only failures of this kind, such as ProviderRateLimited"),
    Flag.optional
  ),
  fault: Flag.Literals("fault", ["caller", "policy", "provider", "engine"]).pipe(
    Flag.withDescription("Only failures by this fault"),
    Flag.optional
  ),
  fingerprint,
  minLatencyMs: Flag.Finite("min-latency").pipe(
    Flag.withDescription("Only requests that took so many milliseconds"),
    Flag.optional
  )
}

/** A running gateway by default; a database when it is named, or by the configuration that names it. */
export const place = {
  ...connection,
  url: Flag.String("url").pipe(
    Flag.withDescription(`Address of the gateway (${defaultUrl} by default)`),
    Flag.optional
  ),
  database: Flag.String("database").pipe(
    Flag.withDescription("A database instead of a gateway: sqlite:<path> or postgres://…"),
    Flag.optional
  ),
  config: Flag.String("config").pipe(
    Flag.withAlias("c"),
    Flag.withDescription("A configuration instead of a gateway: its database, and its prices"),
    Flag.optional
  )
}

export interface Place {
  readonly url: Option.Option<string>
  readonly token: Option.Option<string>
  readonly database: Option.Option<string>
  readonly config: Option.Option<string>
}

/** Fails with bad usage where both a gateway and a database are named. */
export const onePlace = ({ config, database, url }: Place): Effect.Effect<void, CliError.CliError> =>
  Option.isSome(url) && (Option.isSome(config) || Option.isSome(database))
    ? Effect.fail(new CliError.ValidationError({ message: "give --url, or --database and --config, not both" }))
    : Effect.void

/** The values that were given, by name. */
export const givenOf = <Fields extends { readonly [name: string]: Option.Option<unknown> }>(
  fields: Fields
): { readonly [Name in keyof Fields]?: Fields[Name] extends Option.Option<infer Value> ? Value : never } =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
  ) as never
