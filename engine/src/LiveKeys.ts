/**
 * Virtual keys as the configuration asks for them: where they are kept, and that the limits of deleted ones are forgotten.
 */
import { Effect, Layer } from "effect"
import type { EngineConfig } from "./Config.ts"
import { Keys } from "./Keys.ts"
import { RateLimiter } from "./RateLimiter.ts"
import { Database } from "./stores/Database.ts"
import { parse } from "./stores/DatabaseLocation.ts"
import * as KeysMemory from "./stores/KeysMemory.ts"
import * as KeysSql from "./stores/KeysSql.ts"

/** The SQL database of the configuration; undefined where everything is in memory. */
export const databaseLayer = ({ storage }: EngineConfig): Layer.Layer<Database> | undefined => {
  const location = parse(storage.database)
  return location === undefined || location.kind === "memory" ? undefined : Database.layer({ location })
}

/** Keys over the database, or in memory without one; they follow what is in force. */
export const keysLayer = (
  inForce: () => EngineConfig,
  database: Layer.Layer<Database> | undefined
): Layer.Layer<Keys> => {
  const settings = { required: () => inForce().keys.required, refreshMs: () => inForce().keys.refreshMs }
  return database === undefined
    ? Keys.layer({ ...settings, store: KeysMemory.make })
    : Keys.layer({ ...settings, store: KeysSql.make }).pipe(Layer.provide(database))
}

/** Frees the limits of keys that are gone. */
export const keyLimits: Layer.Layer<never, never, Keys | RateLimiter> = Layer.effectDiscard(
  Effect.gen(function* () {
    const keys = yield* Keys
    const limiter = yield* RateLimiter
    yield* Effect.acquireRelease(
      Effect.sync(() => keys.onRemoved(limiter.forgetKey)),
      (stop) => Effect.sync(stop)
    )
  })
)
