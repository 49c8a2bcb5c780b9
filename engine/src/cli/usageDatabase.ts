/**
 * The usage database without a gateway: its store and the prices of a configuration, for the commands that change or read
 * history while none runs, or beside it.
 *
 * A database file that is not there is a failure: a wrong path makes no new one. Its schema is brought up to date as a
 * gateway would do it.
 */
import { existsSync } from "node:fs"
import { Effect, Option, type Scope } from "effect"
import { Layer } from "effect"
import type { ConfigError, EngineConfig } from "../Config.ts"
import * as ConfigFile from "../ConfigFile.ts"
import { priceOf } from "../Live.ts"
import * as ModelCatalog from "../ModelCatalog.ts"
import type { Price } from "../Pricing.ts"
import { type DatabaseLocation, parse } from "../stores/DatabaseLocation.ts"
import * as UsageDatabase from "../stores/UsageDatabase.ts"
import { UsageLog, type UsageStore } from "../UsageLog.ts"
import { CommandFailed } from "./AdminConnection.ts"
import type { Place } from "./usageFlags.ts"

/** True when the command is to work on a database and not through a gateway. */
export const isDirect = ({ config, database }: Place): boolean => Option.isSome(database) || Option.isSome(config)

/** The store of the database that is named, else of the configuration that is; open until the scope closes. */
export const openStore = (
  place: Pick<Place, "config" | "database">
): Effect.Effect<UsageStore, CommandFailed | ConfigError, Scope.Scope> =>
  Effect.gen(function* () {
    const database = Option.isSome(place.database) ? place.database.value : (yield* configOf(place)).storage.database
    const problem = problemOf(parse(database))
    if (problem !== undefined) return yield* new CommandFailed({ detail: problem })
    const layer = UsageDatabase.layer({ database, durability: "strict" })
    const context = yield* Layer.build(layer)
    return Effect.runSync(Effect.provide(UsageLog, context)).store
  })

const problemOf = (location: DatabaseLocation | undefined): string | undefined => {
  if (location === undefined) return "--database: expected sqlite:<path> or postgres://…"
  if (location.kind === "memory") return "records in the memory of a gateway are reached through it alone (--url)"
  return location.kind === "sqlite" && !existsSync(location.path) ? `there is no ${location.path}` : undefined
}

/** The prices of today: of the configuration that is named or found here, and of the price table. */
export const pricesOf = (place: Pick<Place, "config">): Effect.Effect<Price, ConfigError> =>
  Effect.gen(function* () {
    const config = yield* configOf(place)
    yield* ModelCatalog.load
    const configured = new Set(config.providers.map(({ name }) => name))
    const price = priceOf(config)
    return (target, usage, atMs) =>
      configured.has(target.provider) || !kinds.has(target.provider)
        ? price(target, usage, atMs)
        : ModelCatalog.price(usage, { kind: target.provider, model: target.model }, atMs)
  })

/** A provider that no configuration names, but that is named for its kind, has the list prices of it. */
const kinds: ReadonlySet<string> = new Set(["openai", "anthropic", "google", "simulated"])

const configOf = ({ config }: Pick<Place, "config">): Effect.Effect<EngineConfig, ConfigError> =>
  Effect.map(ConfigFile.load({ file: Option.getOrUndefined(config), door: "serve" }), (loaded) => loaded.config)
