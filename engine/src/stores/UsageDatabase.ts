/**
 * Chooses where usage records are kept by the words of `storage.database`.
 */
import { Effect, Layer, type Scope } from "effect"
import { UsageLog, type UsageStore } from "../UsageLog.ts"
import { type DatabaseLocation, parse } from "./DatabaseLocation.ts"
import * as UsageMemory from "./UsageMemory.ts"
import * as UsagePostgres from "./UsagePostgres.ts"
import * as UsageSqlite from "./UsageSqlite.ts"

export { parse }

export interface UsageDatabaseOptions {
  readonly database: string
  readonly durability: "relaxed" | "strict"
  /** Keeps prompt and answer of each request as text. */
  readonly content?: boolean | undefined
}

const storeAt = (
  location: DatabaseLocation,
  durability: UsageDatabaseOptions["durability"]
): Effect.Effect<UsageStore, never, Scope.Scope> => {
  switch (location.kind) {
    case "memory":
      return UsageMemory.make
    case "sqlite":
      return UsageSqlite.make({ path: location.path, durability })
    case "postgres":
      return UsagePostgres.make({ url: location.url, durability })
  }
}

/** The usage log over the database that the configuration names. Dies for a name that `parse` does not know. */
export const layer = (options: UsageDatabaseOptions): Layer.Layer<UsageLog> => {
  const location = parse(options.database)
  if (location === undefined) {
    const expected = "storage.database: expected memory, sqlite:<path> or postgres://<user>:<password>@<host>/<name>"
    return Layer.effect(UsageLog, Effect.die(new Error(expected)))
  }
  return UsageLog.layer(storeAt(location, options.durability), { content: options.content })
}
