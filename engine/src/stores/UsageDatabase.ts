/**
 * Chooses where usage records are kept by the words of `storage.database`.
 */
import { Clock, Effect, Layer, Schedule, type Scope } from "effect"
import { logOf, reasonOf } from "../Log.ts"
import { UsageLog, type UsageStore } from "../UsageLog.ts"
import { type DatabaseLocation, parse } from "./DatabaseLocation.ts"
import * as UsageMemory from "./UsageMemory.ts"
import * as UsagePostgres from "./UsagePostgres.ts"
import * as UsageSqlite from "./UsageSqlite.ts"

export { parse }

const log = logOf("UsageLog")

export interface UsageDatabaseOptions {
  readonly database: string
  readonly durability: "relaxed" | "strict"
  /** Keeps prompt and answer of each request as text. */
  readonly content?: boolean | undefined
  /** Days that records are kept, for ever when undefined; their sums stay. */
  readonly retentionDays?: number | undefined
}

/** Prunes a store once an hour, the first time a minute after the start. It fails nothing: the next time is tried again. */
const retain = (store: UsageStore, retentionDays: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis
    yield* store.prune({ beforeMs: nowMs - retentionDays * dayMs, keepRollups: true })
  }).pipe(
    Effect.catch((error) => log.warn("usage records could not be pruned", { reason: reasonOf(error.message) })),
    Effect.repeat(Schedule.spaced("1 hour")),
    Effect.delay("1 minute"),
    Effect.asVoid
  )

const dayMs = 86_400_000

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
  const { content, durability, retentionDays } = options
  const opened = storeAt(location, durability)
  const store =
    retentionDays === undefined ? opened : Effect.tap(opened, (made) => Effect.forkScoped(retain(made, retentionDays)))
  return UsageLog.layer(store, { content })
}
